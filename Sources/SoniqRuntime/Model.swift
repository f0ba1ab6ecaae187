package import SoniqGraph
package import SoniqMemory

/// A validated model, shared by any number of sessions on any threads: immutable, but for the forms of its weights that
/// sessions have wanted so far.
package final class Model: Sendable {
  /// Graph, metadata and the owners of the constants' bytes; kept alive by the model.
  package let description: ModelDescription
  package let inputs: [TensorInfo]
  package let outputs: [TensorInfo]
  /// What the model holds beside its description.
  package let arena: MemoryArena
  package let preparedWeights: PreparedWeights
  /// The dynamic sizes, with the largest value the model allows.
  package var symbols: [Symbol] { description.graph.symbols }

  /// By symbol, what a session is planned for whose options do not name it.
  package var usualSizes: [Int] { SessionSizes.usual(description.graph) }

  /// - Parameters:
  ///   - description: its graph is validated here.
  ///   - allowsCopies: kernels may get copies of the weights in another layout; else sessions take the slower ones.
  /// - Throws: `invalidGraph` with the place and the field, `outOfMemory`.
  package init(_ description: ModelDescription, allowsCopies: Bool = true) throws(RuntimeError) {
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
    do throws(MemoryError) { arena = try MemoryArena() } catch { throw RuntimeError(error) }
    preparedWeights = try PreparedWeights(
      arena, constantCount: graph.constants.count, allowsCopies: allowsCopies)
  }
}
