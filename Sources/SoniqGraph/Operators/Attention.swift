import SoniqCore

/// softmax(q k^T * scale + bias) v of every head.
///
/// The inputs of a node are q, k and v side by side, [B,S,3H]; a mask of the keys, int32 [B,S], when there is one; and
/// the bias when `hasBias`.
package struct Attention: Operator {
  package static let schema = OperatorSchema("attention", tag: 7)
  package var heads = 1
  package var scale: Float = 1
  package var precision = AttentionPrecision.float32
  /// A position sees the keys up to its own only.
  package var isCausal = false
  /// The last input is added to the scores: float32 [B or 1, heads or 1, S or 1, S].
  package var hasBias = false

  package init() {}
  package init(
    heads: Int, scale: Float, precision: AttentionPrecision = .float32, isCausal: Bool = false,
    hasBias: Bool = false
  ) {
    self.heads = heads
    self.scale = scale
    self.precision = precision
    self.isCausal = isCausal
    self.hasBias = hasBias
  }

  package var operation: Operation { .attention(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.word("heads", &heads, in: 1...maximumDimension)
    try coder.float("scale", &scale)
    try coder.tag("precision", &precision)
    try coder.flag("isCausal", &isCausal, since: 2)
    try coder.flag("hasBias", &hasBias, since: 2)
    try coder.reserved(1)
  }

  /// Whether a tensor of this shape can be the bias of scores [batch, heads, positions, positions].
  package func takesBias(_ shape: [Dimension], batch: Dimension, positions: Dimension) -> Bool {
    shape.count == 4 && [batch, .fixed(1)].contains(shape[0])
      && [.fixed(heads), .fixed(1)].contains(shape[1])
      && [positions, .fixed(1)].contains(shape[2]) && shape[3] == positions
  }
}

extension Attention {
  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try node.requireInputs(hasBias ? 2...3 : 1...2)
    try node.require(0, is: .float32, rank: 3)
    let shape = node.shape(0)
    let channels = try node.channels(shape)
    try node.require(heads >= 1 && channels % 3 == 0 && (channels / 3) % heads == 0, "heads")
    try node.require(positive: scale, "scale")
    try node.requireMaskAndBias(behind: 1, hasBias: hasBias, heads: heads, rows: shape)
    try node.requireAttentionSizes(rows: shape, heads: heads, headLength: channels / 3 / heads, precision)
    return node.floats([shape[0], shape[1], .fixed(channels / 3)])
  }
}

extension NodeInference {
  /// Behind the operands of attention: a mask of the keys, where there is one, and the bias.
  func requireMaskAndBias(
    behind operands: Int, hasBias: Bool, heads: Int, rows: [Dimension]
  ) throws(GraphError) {
    let count = inputs.count
    if count == operands + (hasBias ? 2 : 1) { try requireMask(operands, positions: Array(rows[..<2])) }
    guard hasBias else { return }
    try require(count - 1, is: .float32)
    let form = Attention(heads: heads, scale: 1, hasBias: true)
    guard form.takesBias(shape(count - 1), batch: rows[0], positions: rows[1]) else {
      throw fault(.shapeMismatch, "inputs", count - 1)
    }
  }

  /// The limits of the attention kernels; within them both integer products stay in int32.
  func requireAttentionSizes(
    rows: [Dimension], heads: Int, headLength: Int, _ precision: AttentionPrecision
  ) throws(GraphError) {
    try require(headLength % 4 == 0 && (4...256).contains(headLength), "heads")
    let longest = precision == .int8 ? maximumIntegerKeys : 1 << 20
    guard maximum(rows[1]) <= longest else { throw fault(.invalidSize, "inputs", 0) }
    guard let units = checkedProduct(maximum(rows[0]), heads), units <= maximumDimension else {
      throw fault(.invalidSize, "heads")
    }
  }
}

/// So many products of a code of 8 bits without a sign and one with fit in int32.
package let maximumIntegerKeys = Int(Int32.max) / (255 * 127)

/// Arithmetic of the two products of attention (docs/numerics.md).
package enum AttentionPrecision: UInt8, AttributeTag, Hashable {
  case float32 = 1
  case int8 = 2
}
