/// softmax(q k^T * scale + bias) v of every head, where several heads of q share one of k and v:
/// q [B,S,heads * D], k and v [B,S,keyValueHeads * D], a mask of the keys, int32 [B,S], when there is one, and the bias,
/// when `hasBias` -> [B,S,heads * D].
package struct GroupedAttention: Operator {
  package static let schema = OperatorSchema("groupedAttention", tag: 14, since: 3)
  package var heads = 1
  /// Divides heads: each serves heads / keyValueHeads of them, next to each other.
  package var keyValueHeads = 1
  package var scale: Float = 1
  package var precision = AttentionPrecision.float32
  /// A position sees the keys up to its own only.
  package var isCausal = false
  /// The last input is added to the scores: float32 [B or 1, heads or 1, S or 1, S].
  package var hasBias = false

  package init() {}
  package init(
    heads: Int, keyValueHeads: Int, scale: Float, precision: AttentionPrecision = .float32,
    isCausal: Bool = false, hasBias: Bool = false
  ) {
    (self.heads, self.keyValueHeads, self.scale) = (heads, keyValueHeads, scale)
    (self.precision, self.isCausal, self.hasBias) = (precision, isCausal, hasBias)
  }
  package var operation: Operation { .groupedAttention(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.word("heads", &heads, in: 1...maximumDimension)
    try coder.word("keyValueHeads", &keyValueHeads, in: 1...maximumDimension)
    try coder.float("scale", &scale)
    try coder.tag("precision", &precision)
    try coder.flag("isCausal", &isCausal)
    try coder.flag("hasBias", &hasBias)
    try coder.reserved(1)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try node.requireInputs(hasBias ? 4...5 : 3...4)
    try node.require(0, is: .float32, rank: 3)
    let shape = node.shape(0)
    let channels = try node.channels(shape)
    try node.require(heads >= 1 && channels % heads == 0, "heads")
    try node.require(keyValueHeads >= 1 && heads % keyValueHeads == 0, "keyValueHeads")
    try node.require(positive: scale, "scale")
    let headLength = channels / heads
    for input in 1...2 {
      try node.require(input, is: .float32, rank: 3)
      try node.require(input, hasShape: [shape[0], shape[1], .fixed(headLength * keyValueHeads)])
    }
    try node.requireMaskAndBias(behind: 3, hasBias: hasBias, heads: heads, rows: shape)
    try node.requireAttentionSizes(rows: shape, heads: heads, headLength: headLength, precision)
    return node.floats(shape)
  }
}
