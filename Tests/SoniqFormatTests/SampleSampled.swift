import SoniqGraph

extension SampleModels {
  /// Images between their pixels, by grids and by regions, and functions of two numbers of version 3.
  static func sampled() -> ModelDescription {
    let constants = SampleConstants()
    var graph = Graph()
    graph.symbols = [Symbol(name: "batch", maximum: 3)]
    graph.values = [
      Value(name: "image", elementType: .float32, shape: [.symbol(0), .fixed(5), .fixed(4), .fixed(3)]),
      Value(name: "grid", elementType: .float32, shape: [.symbol(0), .fixed(2), .fixed(3), .fixed(2)]),
    ]
    graph.inputs = [GraphInput(value: 0), GraphInput(value: 1)]
    graph.constants = [
      .dense(DenseConstant(elementType: .int32, shape: [2], bytes: constants.bytes([0, 0] as [Int32]))),
      .dense(
        DenseConstant(
          elementType: .float32, shape: [2, 4],
          bytes: constants.bytes([0, 1, 3, 4.5, -2, 0, 2.5, 9] as [Float]))),
    ]
    graph.constantNames = ["images", "regions"]
    func add(
      _ name: String, _ operation: Operation, _ inputs: [ValueID], _ type: ElementType, _ shape: [Dimension]
    ) -> ValueID {
      graph.nodes.append(
        Node(name: name, operation: operation, inputs: inputs, output: graph.values.count))
      graph.values.append(Value(name: name, elementType: type, shape: shape))
      return graph.values.count - 1
    }
    let places: [Dimension] = [.symbol(0), .fixed(2), .fixed(3), .fixed(3)]
    let linear = add("linear", .sample(Sample(.linear, .zeros, .edges)), [0, 1], .float32, places)
    let cubic = add("cubic", .sample(Sample(.cubic, .reflection, .centres)), [0, 1], .float32, places)
    let nearest = add("nearest", .sample(Sample(.nearest, .border, .pixels)), [0, 1], .float32, places)
    let images = add("images", .constant(0), [], .int32, [.fixed(2)])
    let regions = add("regions", .constant(1), [], .float32, [.fixed(2), .fixed(4)])
    let parts = AlignRegions(.average, isHalfPixel: true, height: 2, width: 3, samples: 0, scale: 0.5)
    let most = AlignRegions(.maximum, isHalfPixel: false, height: 2, width: 3, samples: 2, scale: 1)
    let shape: [Dimension] = [.fixed(2), .fixed(2), .fixed(3), .fixed(3)]
    let means = add("means", .alignRegions(parts), [0, regions, images], .float32, shape)
    let greatest = add("greatest", .alignRegions(most), [0, regions, images], .float32, shape)
    let rest = add("rest", .binary(.remainder), [linear, cubic], .float32, places)
    let left = add("left", .cast(.int32), [linear], .int32, places)
    let right = add("right", .cast(.int32), [nearest], .int32, places)
    var last = left
    for function in [BinaryFunction.bitXor, .shiftLeft, .bitOr, .shiftRight, .bitAnd, .remainder] {
      last = add("\(function)", .binary(function), [last, right], .int32, places)
    }
    graph.outputs = [means, greatest, rest, last]
    return ModelDescription(
      graph: graph, metadata: [("general.name", .text("sampled"))], owner: constants.owners)
  }
}
