import SoniqGraph

extension SampleModels {
  /// The functions of one float that version 3 adds, one after the other: files of version 3.
  static func functions() -> ModelDescription {
    var graph = Graph()
    graph.symbols = [Symbol(name: "batch", maximum: 3)]
    func add(_ name: String) {
      graph.values.append(Value(name: name, elementType: .float32, shape: [.symbol(0), .fixed(5)]))
    }
    add("x")
    let added = ElementKind.sine.rawValue...ElementKind.inverseHyperbolicTangent.rawValue
    for kind in added.compactMap({ ElementKind(rawValue: $0) }) {
      add("\(kind)")
      graph.nodes.append(
        Node(
          name: "\(kind)", operation: .unary(kind), inputs: [graph.values.count - 2],
          output: graph.values.count - 1))
    }
    graph.inputs = [GraphInput(value: 0)]
    graph.outputs = [1, graph.values.count - 1]
    return ModelDescription(graph: graph, metadata: [("general.name", .text("functions"))], owner: [])
  }
}
