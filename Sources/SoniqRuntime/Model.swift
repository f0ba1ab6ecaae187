package import SoniqGraph

/// A validated model: immutable, shared by any number of sessions on any threads.
package final class Model: Sendable {
  /// Graph, metadata and the owners of the constants' bytes; kept alive by the model.
  package let description: ModelDescription
  package let inputs: [TensorInfo]
  package let outputs: [TensorInfo]
  /// The dynamic sizes, with the largest value the model allows.
  package var symbols: [Symbol] { description.graph.symbols }

  /// - Throws: `invalidGraph` with the place and the field.
  package init(_ description: ModelDescription) throws(RuntimeError) {
    do throws(GraphError) {
      try description.graph.validate()
    } catch {
      throw RuntimeError(.invalidGraph, node: error.node, graphError: error)
    }
    let graph = description.graph
    func info(_ value: ValueID, isOptional: Bool) -> TensorInfo {
      let value = graph.values[value]
      return TensorInfo(
        name: value.name, elementType: value.elementType, shape: value.shape, isOptional: isOptional)
    }
    self.description = description
    inputs = graph.inputs.map { info($0.value, isOptional: $0.fill != nil) }
    outputs = graph.outputs.map { info($0, isOptional: false) }
  }
}
