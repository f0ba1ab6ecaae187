import SoniqGraph

extension SampleModels {
  /// Updates at places that a run computes and at constant ones, with every reduction.
  static func scatter() -> ModelDescription {
    let constants = SampleConstants()
    var graph = Graph()
    graph.symbols = [Symbol(name: "batch", maximum: 3)]
    graph.values = [
      Value(name: "x", elementType: .float32, shape: [.symbol(0), .fixed(6)]),
      Value(name: "y", elementType: .float32, shape: [.symbol(0), .fixed(2)]),
    ]
    graph.inputs = [GraphInput(value: 0), GraphInput(value: 1)]
    graph.constants = [
      .dense(DenseConstant(elementType: .int32, shape: [2, 1], bytes: constants.bytes([0, -1] as [Int32]))),
      .dense(constants.dense([2, 4])),
    ]
    graph.constantNames = ["ends", "rows"]
    func add(
      _ name: String, _ operation: Operation, _ inputs: [ValueID], _ type: ElementType, _ shape: [Dimension]
    ) -> ValueID {
      graph.nodes.append(
        Node(name: name, operation: operation, inputs: inputs, output: graph.values.count))
      graph.values.append(Value(name: name, elementType: type, shape: shape))
      return graph.values.count - 1
    }
    let whole: [Dimension] = [.symbol(0), .fixed(6)]
    let place = add(
      "place", .argument(isMinimum: false, axis: 1, keepsDimensions: true, selectsLast: false), [0], .int32,
      [.symbol(0), .fixed(1)])
    let put = add("put", .scatter(axis: 1), [0, place, 1], .float32, whole)
    let sum = add("sum", .scatter(axis: 1, .add), [put, place, 1], .float32, whole)
    let ends = add("ends", .constant(0), [], .int32, [.fixed(2), .fixed(1)])
    let rows = add("rows", .constant(1), [], .float32, [.fixed(2), .fixed(4)])
    let product = add("product", .scatter(axis: 0, .multiply), [sum, ends, rows], .float32, whole)
    let largest = add("largest", .scatter(axis: 0, .maximum), [product, ends, rows], .float32, whole)
    let least = add("least", .scatter(axis: 0, .minimum), [0, ends, rows], .float32, whole)
    let data = add("whole data", .cast(.int32), [0], .int32, whole)
    let updates = add("whole updates", .cast(.int32), [1], .int32, [.symbol(0), .fixed(2)])
    let numbers = add("whole", .scatter(axis: 1, .add), [data, place, updates], .int32, whole)
    graph.outputs = [largest, least, numbers]
    return ModelDescription(
      graph: graph, metadata: [("general.name", .text("scatter"))], owner: constants.owners)
  }
}
