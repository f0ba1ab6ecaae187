import SoniqGraph

extension DraftGraph {
  /// Adds a tensor operation; `Graph` itself infers the output. Of known inputs the result is computed instead,
  /// where the importer can.
  /// * place: the ONNX node, for errors.
  mutating func tensor(
    _ operation: Operation, _ inputs: [ValueID], name: String
  ) throws(PackError) -> ValueID {
    let tensors = inputs.compactMap { values[$0].known }
    if tensors.count == inputs.count, let folded = try folded(operation, tensors, name: name) {
      return constant(folded.simplified, name: name)
    }
    if inputs.contains(where: { isEmpty($0) }) { return try tensorOfEmpty(operation, inputs, name: name) }
    let inferred: InferredOutput
    do throws(PackError) {
      inferred = try infer(operation, inputs, name: name)
    } catch {
      requireEqualSizes(operation, inputs)
      throw error
    }
    return append(name, DraftOperation(operation), inputs, inferred.shape, type: inferred.elementType)
  }

  /// Adds a tensor operation of several outputs, which is never computed here; returns them.
  mutating func tensors(
    _ operation: Operation, _ inputs: [ValueID], name: String
  ) throws(PackError) -> [ValueID] {
    guard !inputs.contains(where: { isEmpty($0) }) else {
      throw PackError(.data, place: "node \(name)", "one of its inputs has no elements")
    }
    let inferred = try inferAll(operation, inputs, name: name)
    var outputs = [append(name, .tensor(operation), inputs, inferred[0].shape, type: inferred[0].elementType)]
    for (index, other) in inferred.enumerated().dropFirst() {
      outputs.append(value("\(name).\(index)", other.elementType, other.shape))
    }
    nodes[nodes.count - 1].moreOutputs = Array(outputs.dropFirst())
    return outputs
  }

  /// The one output that a tensor operation has.
  mutating func infer(
    _ operation: Operation, _ inputs: [ValueID], name: String
  ) throws(PackError) -> InferredOutput {
    try inferAll(operation, inputs, name: name)[0]
  }

  private mutating func inferAll(
    _ operation: Operation, _ inputs: [ValueID], name: String
  ) throws(PackError) -> [InferredOutput] {
    do throws(GraphError) {
      return try graph(of: operation, inputs, name: name).inferredOutputs(ofNode: 0)
    } catch {
      if let size = error.missingSize {
        let known = symbols.count
        _ = try dimension(size)
        // It is a symbol now, or equal to one.
        if symbols.count > known || sizes.dimension(size) != nil {
          return try inferAll(operation, inputs, name: name)
        }
      }
      let shapes = inputs.map { words(values[$0].shape) }.joined(separator: ", ")
      let isDynamic = inputs.contains { fixedShape($0) == nil }
      throw PackError(
        .data, place: "node \(name)",
        "\(error.message) (inputs of shape \(shapes))"
          + (isDynamic ? "; fix dynamic sizes with --shape" : ""))
    }
  }

  /// The one node, and the inputs of the whole graph, which bind sizes.
  private func graph(of operation: Operation, _ inputs: [ValueID], name: String) -> Graph {
    var graph = sizes
    for index in graph.symbols.indices {
      graph.symbols[index].maximum = max(
        1, min(maximum(.symbol(index)) ?? maximumDimension, maximumDimension))
    }
    graph.values = (inputs + self.inputs.map(\.value)).map {
      Value(name: "", elementType: values[$0].elementType, shape: values[$0].shape)
    }
    graph.inputs = self.inputs.indices.map { GraphInput(value: inputs.count + $0) }
    graph.nodes = [Node(name: name, operation: operation, inputs: Array(inputs.indices), output: 0)]
    return graph
  }
}
