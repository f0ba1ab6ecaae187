import SoniqGraph

extension SampleModels {
  /// Nodes with several outputs, of which some are not read: files of version 3.
  static func outputs() -> ModelDescription {
    var graph = Graph()
    graph.symbols = [Symbol(name: "batch", maximum: 3)]
    func add(_ name: String, _ type: ElementType, _ channels: Int) {
      graph.values.append(
        Value(name: name, elementType: type, shape: [.symbol(0), .fixed(channels)]))
    }
    add("x", .float32, 9)
    add("first", .float32, 2)
    add("second", .float32, 4)
    add("third", .float32, 3)
    add("largest", .float32, 2)
    add("places", .int32, 2)
    add("least", .int32, 1)
    add("place of the least", .int32, 1)
    graph.nodes = [
      Node(
        name: "parts", operation: .split(axis: 1, sizes: [2, 4, 3]), inputs: [0], output: 1,
        moreOutputs: [2, 3]),
      Node(name: "top", operation: .topK(axis: 1, count: 2), inputs: [2], output: 4, moreOutputs: [5]),
      Node(
        name: "bottom", operation: .topK(axis: 1, isSmallest: true, count: 1), inputs: [5], output: 6,
        moreOutputs: [7]),
    ]
    graph.inputs = [GraphInput(value: 0)]
    graph.outputs = [3, 4, 7, 6]
    return ModelDescription(graph: graph, metadata: [("general.name", .text("outputs"))], owner: [])
  }

  /// All elements in their order, along a fixed axis and along one that is a symbol: files of version 3.
  static func sorted() -> ModelDescription {
    var graph = Graph()
    graph.symbols = [Symbol(name: "batch", maximum: 3)]
    for (name, type) in [
      ("x", ElementType.float32), ("falling", .float32), ("places", .int32), ("rising", .int32),
      ("places of places", .int32),
    ] {
      graph.values.append(Value(name: name, elementType: type, shape: [.symbol(0), .fixed(5)]))
    }
    graph.nodes = [
      Node(name: "rows", operation: .topK(axis: 0, count: 0), inputs: [0], output: 1, moreOutputs: [2]),
      Node(
        name: "columns", operation: .topK(axis: 1, isSmallest: true, count: 0), inputs: [2], output: 3,
        moreOutputs: [4]),
    ]
    graph.inputs = [GraphInput(value: 0)]
    graph.outputs = [1, 3, 4]
    return ModelDescription(graph: graph, metadata: [("general.name", .text("sorted"))], owner: [])
  }
}
