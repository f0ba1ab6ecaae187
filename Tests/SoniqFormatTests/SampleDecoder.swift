import SoniqGraph

extension SampleModels {
  /// The operations of decoders: files of version 3.
  static func decoder() -> ModelDescription {
    let constants = SampleConstants()
    let tokens: [Dimension] = [.symbol(0), .symbol(1)]
    func rows(_ name: String, _ channels: Int) -> Value {
      Value(name: name, elementType: .float32, shape: tokens + [.fixed(channels)])
    }
    var graph = Graph()
    graph.symbols = [Symbol(name: "batch", maximum: 2), Symbol(name: "sequence", maximum: 5)]
    graph.values = [
      rows("x", 32), rows("key", 16), rows("value", 16),
      Value(name: "places", elementType: .int32, shape: tokens),
      Value(name: "mask", elementType: .int32, shape: tokens),
      rows("normed", 32), rows("query", 32), rows("turned", 16), rows("seen", 32), rows("gated", 32),
      rows("bounded", 32),
    ]
    graph.constants = [
      .dense(constants.dense([32])), .dense(constants.dense([5, 3])), .dense(constants.dense([5, 3])),
    ]
    graph.constantNames = ["gamma", "cosine", "sine"]
    let attention = GroupedAttention(
      heads: 4, keyValueHeads: 2, scale: 0.25, precision: .int8, isCausal: true)
    graph.nodes = [
      Node(name: "norm", operation: .rmsNorm(gamma: 0, epsilon: 1e-5), inputs: [0], output: 5),
      Node(
        name: "turn", operation: .rotary(Rotary(heads: 4, isInterleaved: true, cosine: 1, sine: 2)),
        inputs: [5, 3], output: 6),
      Node(
        name: "turn keys", operation: .rotary(Rotary(heads: 2, isInterleaved: false, cosine: 1, sine: 2)),
        inputs: [1, 3], output: 7),
      Node(name: "attend", operation: .groupedAttention(attention), inputs: [6, 7, 2, 4], output: 8),
      Node(name: "gate", operation: .gatedProduct(GatedProduct(.silu)), inputs: [8, 0], output: 9),
      Node(name: "cap", operation: .softcap(Softcap(30)), inputs: [9], output: 10),
    ]
    graph.inputs = (0..<5).map { GraphInput(value: $0) }
    graph.outputs = [10]
    return ModelDescription(
      graph: graph, metadata: [("general.name", .text("decoder"))], owner: constants.owners)
  }
}
