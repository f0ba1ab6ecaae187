package import SoniqGraph

/// Makes values between inputs and outputs outputs too, so that a host can look at them.
package enum Expose {
  /// * names: of values; nil: every float32 value that something computes and whose channels are in the model's order.
  /// * skipsOthers: leave out names of no such value.
  /// - Throws: `usage` for a name that is no such value, and for more outputs than a file holds.
  package static func values(
    _ model: ModelDescription, names: [String]?, skipsOthers: Bool = false
  ) throws(PackError) -> ModelDescription {
    var exposed = model
    let known = candidates(model.graph)
    let outputs = Set(model.graph.outputs)
    var chosen: [ValueID] = []
    if let names {
      for name in names {
        guard let value = known.first(where: { model.graph.values[$0].name == name }) else {
          if skipsOthers { continue }
          throw PackError(
            .usage, place: "--value \(name)",
            "the model computes no such float32 value, or packing may have sorted its channels")
        }
        if !outputs.contains(value), !chosen.contains(value) { chosen.append(value) }
      }
    } else {
      chosen = known.filter { !outputs.contains($0) }
    }
    exposed.graph.outputs += chosen
    let most = PackedFile.mostOutputs
    guard exposed.graph.outputs.count <= most else {
      throw PackError(
        .usage, place: "--value",
        "\(exposed.graph.outputs.count) outputs, of which a file holds \(most) at most; name those that are wanted"
      )
    }
    return exposed
  }

  /// What nodes compute, in order; not what packing may have sorted for the layer that multiplies it.
  static func candidates(_ graph: Graph) -> [ValueID] {
    let sorted = sortedValues(graph)
    return graph.nodes.filter { ComparedLayers.computes($0.operation) }.flatMap(\.outputs).filter {
      graph.values[$0].elementType == .float32 && !sorted.contains($0)
    }
  }

  /// What goes into a matrix of several levels without a channel map, through elementwise functions only, from another
  /// matrix.
  private static func sortedValues(_ graph: Graph) -> Set<ValueID> {
    var makers: [ValueID: Node] = [:]
    for node in graph.nodes { for output in node.outputs { makers[output] = node } }
    var sorted: Set<ValueID> = []
    for node in graph.nodes {
      guard case .linear(let linear) = node.operation,
        case .matrix(let matrix) = graph.constants[linear.matrix],
        matrix.levels.count > 1, matrix.gather == nil
      else { continue }
      var value = node.inputs[0]
      var path = [value]
      while case .activation? = makers[value]?.operation, let maker = makers[value] {
        value = maker.inputs[0]
        path.append(value)
      }
      if case .linear? = makers[value]?.operation { sorted.formUnion(path) }
    }
    return sorted
  }
}
