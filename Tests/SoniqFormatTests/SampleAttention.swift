import SoniqGraph

extension SampleModels {
  /// Attention that looks back only, in both precisions, with a mask and without.
  static func attention() -> ModelDescription {
    let tokens: [Dimension] = [.symbol(0), .symbol(1)]
    var graph = Graph()
    graph.symbols = [Symbol(name: "batch", maximum: 2), Symbol(name: "sequence", maximum: 5)]
    graph.values = [
      Value(name: "x", elementType: .float32, shape: tokens + [.fixed(72)]),
      Value(name: "mask", elementType: .int32, shape: tokens),
      Value(name: "wide", elementType: .float32, shape: tokens + [.fixed(24)]),
      Value(name: "narrow", elementType: .float32, shape: tokens + [.fixed(8)]),
    ]
    let wide = Attention(heads: 3, scale: 0.25, precision: .int8, isCausal: true)
    graph.nodes = [
      Node(name: "wide", operation: .attention(wide), inputs: [0, 1], output: 2),
      Node(
        name: "narrow", operation: .attention(Attention(heads: 2, scale: 2, isCausal: true)), inputs: [2],
        output: 3),
    ]
    graph.inputs = [GraphInput(value: 0), GraphInput(value: 1)]
    graph.outputs = [3]
    return ModelDescription(graph: graph, metadata: [("general.name", .text("attention"))], owner: [])
  }

  /// Attention with numbers added to its scores, in both precisions, with a mask and without.
  static func bias() -> ModelDescription {
    let tokens: [Dimension] = [.symbol(0), .symbol(1)]
    var graph = Graph()
    graph.symbols = [Symbol(name: "batch", maximum: 2), Symbol(name: "sequence", maximum: 5)]
    graph.values = [
      Value(name: "x", elementType: .float32, shape: tokens + [.fixed(72)]),
      Value(name: "mask", elementType: .int32, shape: tokens),
      Value(
        name: "distance", elementType: .float32, shape: [.fixed(1), .fixed(3), .symbol(1), .symbol(1)]),
      Value(name: "hiding", elementType: .float32, shape: [.symbol(0), .fixed(1), .fixed(1), .symbol(1)]),
      Value(name: "wide", elementType: .float32, shape: tokens + [.fixed(24)]),
      Value(name: "narrow", elementType: .float32, shape: tokens + [.fixed(8)]),
    ]
    let wide = Attention(heads: 3, scale: 0.25, precision: .int8, isCausal: true, hasBias: true)
    graph.nodes = [
      Node(name: "wide", operation: .attention(wide), inputs: [0, 1, 2], output: 4),
      Node(
        name: "narrow", operation: .attention(Attention(heads: 2, scale: 2, hasBias: true)), inputs: [4, 3],
        output: 5),
    ]
    graph.inputs = (0..<4).map { GraphInput(value: $0) }
    graph.outputs = [5]
    return ModelDescription(graph: graph, metadata: [("general.name", .text("bias"))], owner: [])
  }
}
