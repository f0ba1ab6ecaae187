import SoniqGraph

extension SampleModels {
  /// Values and constants of every element type, cast to every other one and moved: a file of version 3.
  static func types() -> ModelDescription {
    let constants = SampleConstants()
    let types: [ElementType] = [.float32, .int32, .float16, .int8, .uint8]
    let shape: [Dimension] = [.symbol(0), .fixed(2), .fixed(3)]
    var graph = Graph()
    graph.symbols = [Symbol(name: "batch", maximum: 4)]
    for type in types {
      graph.inputs.append(GraphInput(value: graph.values.count, fill: type == .int32 ? 1 : nil))
      graph.values.append(Value(name: "\(type)", elementType: type, shape: shape))
      graph.constants.append(.dense(constants.narrow([3], type)))
      graph.constantNames.append("constant \(type)")
    }
    func add(
      _ name: String, _ operation: Operation, _ inputs: [ValueID], _ type: ElementType, _ shape: [Dimension]
    )
      -> ValueID
    {
      graph.nodes.append(
        Node(name: name, operation: operation, inputs: inputs, output: graph.values.count))
      graph.values.append(Value(name: name, elementType: type, shape: shape))
      return graph.values.count - 1
    }
    for (index, type) in types.enumerated() {
      for target in types where target != type {
        let cast = add("\(type) to \(target)", .cast(target), [index], target, shape)
        if type == .uint8 { graph.outputs.append(cast) }
      }
      let constant = add("constant of \(type)", .constant(index), [], type, [.fixed(3)])
      let chosen = add("select \(type)", .select, [1, index, constant], type, shape)
      let padded = add(
        "pad \(type)", .pad(.constant, before: [0, 1, 0], after: [0, 0, 0], value: 2), [chosen], type,
        [.symbol(0), .fixed(3), .fixed(3)])
      let turned = add(
        "transpose \(type)", .transpose([0, 2, 1]), [padded], type, [.symbol(0), .fixed(3), .fixed(3)])
      graph.outputs.append(turned)
    }
    return ModelDescription(
      graph: graph, metadata: [("general.name", .text("types"))], owner: constants.owners)
  }
}

extension SampleConstants {
  /// 0, 1, 2, ... of any type.
  func narrow(_ shape: [Int], _ type: ElementType) -> DenseConstant {
    let count = shape.reduce(1, *)
    let bytes =
      switch type {
      case .float32: self.bytes((0..<count).map { Float($0) })
      case .int32: self.bytes((0..<count).map { Int32($0) })
      case .float16: self.bytes((0..<count).map { Float16($0).bitPattern })
      case .int8: self.bytes((0..<count).map { Int8($0) })
      case .uint8: self.bytes((0..<count).map { UInt8($0) })
      }
    return DenseConstant(elementType: type, shape: shape, bytes: bytes)
  }
}
