package import SoniqGraph
package import SoniqQuantizers

/// Puts a float graph together node by node. Names are unique by the caller's care.
package struct GraphBuilder {
  package private(set) var graph = Graph()
  package let store = ConstantStore()

  package init() {}

  package mutating func symbol(_ name: String, maximum: Int) -> Dimension {
    graph.symbols.append(Symbol(name: name, maximum: maximum))
    return .symbol(graph.symbols.count - 1)
  }

  package mutating func input(
    _ name: String, _ type: ElementType, _ shape: [Dimension], fill: Int32? = nil
  ) -> ValueID {
    let value = self.value(name, type, shape)
    graph.inputs.append(GraphInput(value: value, fill: fill))
    return value
  }

  package mutating func node(
    _ name: String, _ operation: Operation, _ inputs: [ValueID], _ shape: [Dimension],
    type: ElementType = .float32
  ) -> ValueID {
    let output = value(name, type, shape)
    graph.nodes.append(Node(name: name, operation: operation, inputs: inputs, output: output))
    return output
  }

  package mutating func output(_ value: ValueID, name: String) {
    graph.values[value].name = name
    graph.outputs.append(value)
  }

  package mutating func constant(_ name: String, _ values: [Float], shape: [Int]) -> ConstantID {
    constant(
      name, .dense(DenseConstant(elementType: .float32, shape: shape, bytes: store.store(values))))
  }

  /// A node that gives whole numbers.
  package mutating func integers(_ name: String, _ values: [Int32]) -> ValueID {
    let shape = [values.count]
    let constant = constant(
      name, .dense(DenseConstant(elementType: .int32, shape: shape, bytes: store.store(values))))
    return node(name, .constant(constant), [], shape.map { .fixed($0) }, type: .int32)
  }

  /// A float matrix of row-major weights.
  package mutating func matrix(
    _ name: String, weights: [Float], outputs: Int, inputs: Int, bias: [Float]?
  ) throws(PackError) -> ConstantID {
    do {
      let matrix = try weights.withUnsafeBufferPointer {
        try store.floatMatrix(weights: $0, outputs: outputs, inputs: inputs, bias: bias)
      }
      return constant(name, .floatMatrix(matrix))
    } catch {
      throw PackError(.data, place: name, "\(error)")
    }
  }

  private mutating func constant(_ name: String, _ constant: Constant) -> ConstantID {
    graph.constants.append(constant)
    graph.constantNames.append(name)
    return graph.constants.count - 1
  }

  private mutating func value(_ name: String, _ type: ElementType, _ shape: [Dimension]) -> ValueID {
    graph.values.append(Value(name: name, elementType: type, shape: shape))
    return graph.values.count - 1
  }
}
