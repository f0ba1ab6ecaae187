/// Rotary position embedding: x [B,S,heads * D] and positions int32 [B,S] -> the same shape. In every head pairs of the
/// first 2 * P channels are turned by the angle of their position: (a, b) -> (a * cos - b * sin, b * cos + a * sin). Pair i
/// is channels i and i + P, or 2i and 2i + 1 where they are interleaved. A position that the tables do not have is an
/// error of the run.
package struct Rotary: Operator {
  package static let schema = OperatorSchema("rotary", tag: 15, since: 3)
  package var heads = 1
  package var isInterleaved = false
  /// Dense float32 [positions, P].
  package var cosine: ConstantID = 0
  package var sine: ConstantID = 0

  package init() {}
  package init(heads: Int, isInterleaved: Bool, cosine: ConstantID, sine: ConstantID) {
    (self.heads, self.isInterleaved) = (heads, isInterleaved)
    (self.cosine, self.sine) = (cosine, sine)
  }
  package var operation: Operation { .rotary(self) }
  package var finiteConstants: [(constant: ConstantID, field: String)] {
    [(cosine, "cosine"), (sine, "sine")]
  }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.word("heads", &heads, in: 1...maximumDimension)
    try coder.flag("isInterleaved", &isInterleaved)
    try coder.reserved(3)
    try coder.constant("cosine", &cosine)
    try coder.constant("sine", &sine)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try node.requireInputs(2...2)
    try node.require(0, is: .float32, rank: 3)
    let shape = node.shape(0)
    let channels = try node.channels(shape)
    try node.require(heads >= 1 && channels % heads == 0, "heads")
    try node.requireMask(1, positions: Array(shape[..<2]))
    let tables = [(try node.dense(cosine, "cosine"), "cosine"), (try node.dense(sine, "sine"), "sine")]
    for (table, field) in tables {
      let constant = field == "cosine" ? cosine : sine
      guard table.elementType == .float32, table.shape.count == 2 else {
        throw node.fault(.wrongKind, field, constant: constant)
      }
      guard table.shape == tables[0].0.shape, table.shape[1] <= channels / heads / 2 else {
        throw node.fault(.shapeMismatch, field, constant: constant)
      }
    }
    return node.floats(shape)
  }
}
