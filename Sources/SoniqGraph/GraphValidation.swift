import SoniqCore

/// The largest size of one dimension, and of the rows or elements that kernels count in 32 bits.
package let maximumDimension = Int(Int32.max)

/// The most taps of a convolution, and the most padding on one side of it.
package let maximumTaps = 1 << 12

/// The most dimensions of a value or dense constant.
package let maximumRank = 8

/// The most inputs of a node. Longer concatenations are made of several nodes.
package let maximumNodeInputs = 64

/// The most outputs of a node.
package let maximumNodeOutputs = 64

/// The most nodes, values or constants of a graph: planning takes time that grows with their square.
package let maximumGraphItems = 1 << 14

extension Graph {
  /// Checks everything that execution relies on. Any graph that passes can be run without a trap.
  package func validate() throws(GraphError) {
    try validateTables()
    for index in constants.indices { try validateConstant(index) }
    try validateInputs()
    try validateBindings()
    try validateStates()
    try validateNodes()
    try validateFiniteConstants()
    try validateOutputs()
    try validateNextValues()
    try validateGrowth()
  }

  private func validateTables() throws(GraphError) {
    for (field, count) in [("nodes", nodes.count), ("values", values.count), ("constants", constants.count)] {
      guard count <= maximumGraphItems else { throw GraphError(.invalidSize, field: field) }
    }
    guard constantNames.count == constants.count else {
      throw GraphError(.invalidName, field: "constantNames")
    }
    try validateSymbols()
    for index in values.indices { try validateValue(index) }
  }

  private func validateValue(_ index: ValueID) throws(GraphError) {
    let shape = values[index].shape
    guard (1...maximumRank).contains(shape.count) else {
      throw GraphError(.invalidSize, value: index, field: "rank")
    }
    for (position, dimension) in shape.enumerated() {
      switch dimension {
      case .fixed(let size):
        guard (1...maximumDimension).contains(size) else {
          throw GraphError(.invalidSize, value: index, field: "shape", element: position)
        }
      case .symbol(let symbol):
        guard symbols.indices.contains(symbol) else {
          throw GraphError(.indexOutOfRange, value: index, field: "shape", element: position)
        }
      }
    }
    guard let rows = maximumElements(shape.dropLast()), rows <= maximumDimension else {
      throw GraphError(.invalidSize, value: index, field: "shape")
    }
  }

  private func validateInputs() throws(GraphError) {
    var seen = Set<ValueID>()
    var names = Set<String>()
    for (position, input) in inputs.enumerated() {
      guard values.indices.contains(input.value) else {
        throw GraphError(.indexOutOfRange, field: "inputs", element: position)
      }
      guard seen.insert(input.value).inserted else {
        throw GraphError(.producedTwice, value: input.value, field: "inputs", element: position)
      }
      guard names.insert(values[input.value].name).inserted else {
        throw GraphError(.invalidName, value: input.value, field: "inputs", element: position)
      }
      guard input.fill == nil || values[input.value].elementType == .int32 else {
        throw GraphError(.elementTypeMismatch, value: input.value, field: "inputs.fill", element: position)
      }
    }
  }

  private func validateNodes() throws(GraphError) {
    var isDefined = [Bool](repeating: false, count: values.count)
    for input in inputs { isDefined[input.value] = true }
    for state in states { if let value = state.value { isDefined[value] = true } }
    for (index, node) in nodes.enumerated() {
      for (position, input) in node.inputs.enumerated() {
        guard values.indices.contains(input) else {
          throw GraphError(.indexOutOfRange, node: index, field: "inputs", element: position)
        }
        guard isDefined[input] else {
          throw GraphError(
            .usedBeforeDefinition, node: index, value: input, field: "inputs", element: position)
        }
      }
      for (position, output) in node.outputs.enumerated() {
        let field = Node.outputField(position)
        guard values.indices.contains(output) else {
          throw GraphError(.indexOutOfRange, node: index, field: field)
        }
        guard !isDefined[output] else {
          throw GraphError(.producedTwice, node: index, value: output, field: field)
        }
        isDefined[output] = true
      }
      try validateOutputs(ofNode: index)
    }
  }

  private func validateOutputs(ofNode index: Int) throws(GraphError) {
    let outputs = nodes[index].outputs
    let inferred = try inferredOutputs(ofNode: index)
    guard inferred.count == outputs.count else {
      throw GraphError(.wrongOutputCount, node: index, field: "moreOutputs.count")
    }
    for (position, (output, inferred)) in zip(outputs, inferred).enumerated() {
      let field = Node.outputField(position)
      guard inferred.elementType == values[output].elementType else {
        throw GraphError(.elementTypeMismatch, node: index, value: output, field: field)
      }
      guard inferred.shape == values[output].shape else {
        throw GraphError(.shapeMismatch, node: index, value: output, field: field)
      }
    }
  }

  /// Many nodes may share norm parameters: each is read once, so that time stays linear.
  private func validateFiniteConstants() throws(GraphError) {
    var seen = Set<ConstantID>()
    for (index, node) in nodes.enumerated() {
      for (constant, field) in node.operation.attributes.finiteConstants
      where seen.insert(constant).inserted {
        guard case .dense(let dense) = constants[constant] else { continue }
        for (element, number) in dense.bytes.bound(to: Float.self).enumerated() where !number.isFinite {
          throw GraphError(.invalidNumber, node: index, constant: constant, field: field, element: element)
        }
      }
    }
  }

  private func validateOutputs() throws(GraphError) {
    guard !outputs.isEmpty else { throw GraphError(.neverProduced, field: "outputs") }
    let produced = Set(nodes.flatMap(\.outputs))
    var names = Set<String>()
    for (position, output) in outputs.enumerated() {
      guard values.indices.contains(output) else {
        throw GraphError(.indexOutOfRange, field: "outputs", element: position)
      }
      guard produced.contains(output) else {
        throw GraphError(.neverProduced, value: output, field: "outputs", element: position)
      }
      guard names.insert(values[output].name).inserted else {
        throw GraphError(.invalidName, value: output, field: "outputs", element: position)
      }
    }
  }

  /// The largest value of a dimension that the model allows.
  package func maximum(_ dimension: Dimension) -> Int {
    switch dimension {
    case .fixed(let size): size
    case .symbol(let symbol): symbols[symbol].maximum
    }
  }

  /// The product of the maxima of `shape` (1 when empty), or nil when it leaves Int.
  package func maximumElements(_ shape: some Sequence<Dimension>) -> Int? {
    var product: Int? = 1
    for dimension in shape { product = product.flatMap { checkedProduct($0, maximum(dimension)) } }
    return product
  }
}

extension Node {
  /// What docs/format.md calls an output.
  fileprivate static func outputField(_ position: Int) -> String {
    position == 0 ? "output" : "moreOutputs[\(position - 1)]"
  }
}
