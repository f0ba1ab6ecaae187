import SoniqGraph

extension SampleModels {
  /// The functions of one float that version 3 adds, of x; the inverse of cosh, which has no value below 1, of cosh x.
  static func functions() -> ModelDescription {
    var graph = Graph()
    graph.symbols = [Symbol(name: "batch", maximum: 3)]
    func add(_ name: String) {
      graph.values.append(Value(name: name, elementType: .float32, shape: [.symbol(0), .fixed(5)]))
    }
    add("x")
    var places: [ElementKind: ValueID] = [:]
    let added = ElementKind.sine.rawValue...ElementKind.inverseHyperbolicTangent.rawValue
    for kind in added.compactMap({ ElementKind(rawValue: $0) }) {
      let place = graph.values.count
      places[kind] = place
      add("\(kind)")
      let input = kind == .inverseHyperbolicCosine ? places[.hyperbolicCosine] ?? 0 : 0
      graph.nodes.append(
        Node(name: "\(kind)", operation: .unary(kind), inputs: [input], output: place))
    }
    graph.inputs = [GraphInput(value: 0)]
    graph.outputs = Array(1..<graph.values.count)
    return ModelDescription(graph: graph, metadata: [("general.name", .text("functions"))], owner: [])
  }
}
