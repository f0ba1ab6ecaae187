import SoniqGraph

/// Whether rows of a run may be those of several texts: whether they meet in attention alone, which finds the states of
/// each row.
struct RowIndependence {
  let graph: Graph
  /// How the shapes of values begin that have rows.
  let tokens: [Dimension]
  let chosen: [Dimension]
  /// The input that says which rows are chosen.
  let choice: ValueID

  var holds: Bool { graph.nodes.allSatisfy(keepsRowsApart) }

  private func keepsRowsApart(_ node: Node) -> Bool {
    switch node.operation {
    case .constant: return true
    case .gather(let gather):
      return gather.axis == 1 && hasRows(node.inputs[0], tokens) && node.inputs[1] == choice
        && hasRows(node.output, chosen)
    case .groupedAttention(let attention):
      return attention.keyState != nil && areAlike(node, tokens)
    case .embedding, .linear, .rmsNorm, .layerNorm, .activation, .add, .unary, .binary, .cast, .rotary,
      .gatedProduct, .softcap, .statePositions, .reshape:
      return areAlike(node, tokens) || areAlike(node, chosen)
    default: return false
    }
  }

  /// Rows of inputs, where they have any, are those of the output.
  private func areAlike(_ node: Node, _ rows: [Dimension]) -> Bool {
    hasRows(node.output, rows)
      && node.inputs.allSatisfy { hasRows($0, rows) || graph.values[$0].shape.allSatisfy { $0 == .fixed(1) } }
  }

  private func hasRows(_ value: ValueID, _ rows: [Dimension]) -> Bool {
    let shape = graph.values[value].shape
    return shape.starts(with: rows) && shape.dropFirst(rows.count).allSatisfy(isFixed)
  }

  private func isFixed(_ dimension: Dimension) -> Bool {
    if case .fixed = dimension { true } else { false }
  }
}
