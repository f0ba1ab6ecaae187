/// softmax(q k^T * scale + bias) v of every head, where several heads of q share one of k and v:
/// q [B,S,heads * D], k and v [B,S,keyValueHeads * D], a mask of the keys, int32 [B,S], when there is one, and the bias,
/// when `hasBias` -> [B,S,heads * D].
///
/// With states the keys and values of this run are appended to those of the runs before, and a position sees those, too:
/// its own is the states' length and its row. Window, softcap and states are for float32 precision; with states
/// there is neither mask nor bias, and attention is causal.
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
  /// How many positions up to its own a position sees; 0: all. Only where it is causal.
  package var window = 0
  /// Scores are bent to softcap * tanh(score / softcap); 0: not.
  package var softcap: Float = 0
  /// Growing states [B, capacity, keyValueHeads * D], both or none.
  package var keyState: StateID?
  package var valueState: StateID?

  package init() {}
  package init(
    heads: Int, keyValueHeads: Int, scale: Float, precision: AttentionPrecision = .float32,
    isCausal: Bool = false, hasBias: Bool = false, window: Int = 0, softcap: Float = 0,
    keyState: StateID? = nil, valueState: StateID? = nil
  ) {
    (self.heads, self.keyValueHeads, self.scale) = (heads, keyValueHeads, scale)
    (self.precision, self.isCausal, self.hasBias) = (precision, isCausal, hasBias)
    (self.window, self.softcap) = (window, softcap)
    (self.keyState, self.valueState) = (keyState, valueState)
  }
  package var operation: Operation { .groupedAttention(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.word("heads", &heads, in: 1...maximumDimension)
    try coder.word("keyValueHeads", &keyValueHeads, in: 1...maximumDimension)
    try coder.float("scale", &scale)
    try coder.tag("precision", &precision)
    try coder.flag("isCausal", &isCausal)
    try coder.flag("hasBias", &hasBias)
    // One record of what came later, where any of it is used.
    var extensions = isPlain ? [] : [self]
    var count = extensions.count
    try coder.byte("extensions", &count, in: 0...1)
    try coder.list(&extensions, count: count, of: "extensions", start: self) {
      (coder, extended) throws(Coder.Failure) in
      try coder.word("window", &extended.window, in: 0...maximumDimension)
      try coder.float("softcap", &extended.softcap)
      try Self.code(&extended.keyState, "keyState", &coder)
      try Self.code(&extended.valueState, "valueState", &coder)
      try coder.require(!extended.isPlain, "extensions", bytesBefore: 17)
    }
    if let extended = extensions.first { self = extended }
  }

  /// The index and 1; 0 for none.
  private static func code<Coder: AttributeCoder>(
    _ state: inout StateID?, _ name: String, _ coder: inout Coder
  ) throws(Coder.Failure) {
    var index = state.map { $0 + 1 } ?? 0
    try coder.word(name, &index, in: 0...maximumStates)
    state = index == 0 ? nil : index - 1
  }

  private var isPlain: Bool { window == 0 && softcap.bitPattern == 0 && keyState == nil && valueState == nil }

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
    try requireExtensions(node, batch: shape[0], channels: headLength * keyValueHeads)
    try node.requireMaskAndBias(behind: 3, hasBias: hasBias, heads: heads, rows: shape)
    try node.requireAttentionSizes(rows: shape, heads: heads, headLength: headLength, precision)
    return node.floats(shape)
  }

  private func requireExtensions(_ node: NodeInference, batch: Dimension, channels: Int) throws(GraphError) {
    try node.require((0...maximumDimension).contains(window) && (window == 0 || isCausal), "window")
    try node.require(softcap.isFinite && softcap >= 0 && softcap.sign == .plus, "softcap")
    try node.require(isPlain || precision == .float32, "precision")
    guard let keyState, let valueState else {
      return try node.require(
        keyState == nil && valueState == nil, keyState == nil ? "keyState" : "valueState")
    }
    let keys = try node.requireGrowing(keyState, "keyState", batch: batch, channels: channels)
    let values = try node.requireGrowing(valueState, "valueState", batch: batch, channels: channels)
    try node.require(keyState != valueState, "valueState")
    // They have the same rows.
    guard keys.shape == values.shape, keys.elementType == values.elementType else {
      throw node.fault(.shapeMismatch, "valueState")
    }
    // Keys of 6 bits lie in groups of eight channels.
    guard keys.bits != 6 || channels / keyValueHeads % 8 == 0 else {
      throw node.fault(.shapeMismatch, "keyState")
    }
    guard values.bits != 6 else { throw node.fault(.elementTypeMismatch, "valueState") }
    try node.require(isCausal, "isCausal")
    try node.require(!hasBias, "hasBias")
    try node.requireInputs(3...3)
  }
}
