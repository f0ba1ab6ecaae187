import SoniqGraph

extension SampleModels {
  /// What lives between runs, keys and values as floats or codes: files of version 3.
  /// Heads of keys have 4 channels; of 6 bits all 8 are one head.
  static func states(
    of type: ElementType = .float16, keyBits: Int? = nil, valueBits: Int? = nil
  ) -> ModelDescription {
    let constants = SampleConstants()
    let heads = keyBits == 6 ? 2 : 4
    let tokens: [Dimension] = [.symbol(0), .symbol(1)]
    func rows(_ name: String, _ channels: Int) -> Value {
      Value(name: name, elementType: .float32, shape: tokens + [.fixed(channels)])
    }
    var graph = Graph()
    graph.symbols = [
      Symbol(name: "batch", maximum: 1), Symbol(name: "sequence", maximum: 5),
      Symbol(name: "capacity", maximum: 9),
    ]
    graph.values = [
      rows("x", 16), rows("key", 8), rows("value", 8),
      Value(name: "ids", elementType: .int32, shape: tokens),
      Value(name: "places", elementType: .int32, shape: tokens),
      rows("turned", 8), rows("seen", 16),
      Value(name: "mean", elementType: .float32, shape: [.symbol(0), .fixed(16)]),
      Value(name: "mean before", elementType: .float32, shape: [.symbol(0), .fixed(16)]),
      Value(name: "sum", elementType: .float32, shape: [.symbol(0), .fixed(16)]),
    ]
    graph.constants = [.dense(constants.dense([9, 2])), .dense(constants.dense([9, 2]))]
    graph.constantNames = ["cosine", "sine"]
    let cache: [Dimension] = [.symbol(0), .symbol(2), .fixed(8)]
    graph.states = [
      GraphState(name: "keys", elementType: type, bits: keyBits, shape: cache, kind: .growing),
      GraphState(name: "values", elementType: type, bits: valueBits, shape: cache, kind: .growing),
      GraphState(
        name: "total", elementType: .float32, shape: [.symbol(0), .fixed(16)],
        kind: .recurrent(value: 8, next: 9)),
    ]
    let attention = GroupedAttention(
      heads: heads, keyValueHeads: heads / 2, scale: 0.5, isCausal: true, window: 4, softcap: 20, keyState: 0,
      valueState: 1)
    graph.nodes = [
      Node(name: "positions", operation: .statePositions(StatePositions(state: 0)), inputs: [3], output: 4),
      Node(
        name: "turn", operation: .rotary(Rotary(heads: 2, isInterleaved: false, cosine: 0, sine: 1)),
        inputs: [1, 4], output: 5),
      Node(name: "attend", operation: .groupedAttention(attention), inputs: [0, 5, 2], output: 6),
      Node(
        name: "pool", operation: .reduce(.mean, axes: [1], keepsDimensions: false), inputs: [6], output: 7),
      Node(name: "add", operation: .add, inputs: [7, 8], output: 9),
    ]
    graph.inputs = (0..<4).map { GraphInput(value: $0) }
    graph.outputs = [6, 9]
    return ModelDescription(
      graph: graph, metadata: [("general.name", .text("states"))], owner: constants.owners)
  }
}
