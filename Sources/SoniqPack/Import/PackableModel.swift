import SoniqCore
import SoniqFormat
import SoniqGraph
import SoniqQuantizers

extension ImportedModel {
  /// Checks what the format demands of a model before any long work: what it cannot hold is a fault of the model.
  ///
  /// * causes: what the importer saw in the model's tensors that may be the reason of numbers that are not finite.
  /// - Throws: `data`.
  func requirePackable(causes: [String] = []) throws(PackError) {
    let graph = description.graph
    try requireFinite(causes)
    do throws(GraphError) {
      try graph.validate()
    } catch {
      let place = error.node.map { "node \(graph.nodes[$0].name)" }
      throw PackError(.data, place: place, error.message)
    }
    let counts = [
      ("dynamic sizes", graph.symbols.count, FormatLimits.maximumSymbols, "; fix some with --shape"),
      ("inputs", graph.inputs.count, FormatLimits.maximumInterfaceValues, ""),
      ("outputs", graph.outputs.count, FormatLimits.maximumInterfaceValues, ""),
    ]
    for (what, count, most, advice) in counts where count > most {
      throw PackError(.data, "\(count) \(what); a packed model holds at most \(most)" + advice)
    }
  }

  /// Weights, biases, tables and norms are finite; other constants may be any number, as masks are infinite.
  private func requireFinite(_ causes: [String]) throws(PackError) {
    let graph = description.graph
    var plain: Set<ConstantID> = []
    for node in graph.nodes {
      if case .constant(let tensor) = node.operation { plain.insert(tensor.constant) }
    }
    for (index, constant) in graph.constants.enumerated() {
      guard !plain.contains(index), let fault = Self.fault(constant) else { continue }
      let known = causes.prefix(3).joined(separator: "; ")
      throw PackError(
        .data, place: "constant \(graph.constantNames[index])",
        fault + (known.isEmpty ? "; numbers must be finite" : ": " + known))
    }
  }

  /// What is wrong with the numbers of a float constant, or nil.
  private static func fault(_ constant: Constant) -> String? {
    switch constant {
    case .dense(let dense) where dense.elementType == .float32:
      let floats = dense.bytes.bound(to: Float.self)
      guard let odd = floats.firstIndex(where: { !$0.isFinite }) else { return nil }
      return "it is \(floats[odd]) at \(place(odd, dense.shape))"
    case .floatMatrix(let matrix):
      // The panels first: their order is not that of the weights, but most matrices are as they should be.
      if !matrix.panels.bound(to: Float.self).allSatisfy(\.isFinite) {
        let weights = matrix.rowMajor
        let odd = weights.firstIndex { !$0.isFinite } ?? 0
        return "it is \(weights[odd]) at output \(odd / matrix.inputs), input \(odd % matrix.inputs)"
      }
      guard let bias = matrix.bias?.bound(to: Float.self), let odd = bias.firstIndex(where: { !$0.isFinite })
      else { return nil }
      return "its bias is \(bias[odd]) at output \(odd)"
    default: return nil
    }
  }

  private static func place(_ element: Int, _ shape: [Int]) -> String {
    var rest = element
    var indices: [Int] = []
    for size in shape.reversed() {
      indices.insert(rest % max(1, size), at: 0)
      rest /= max(1, size)
    }
    return "\(indices)"
  }
}
