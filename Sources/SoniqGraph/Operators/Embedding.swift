/// ids int32 [...] -> [..., channels]: rows of a table. An id out of range is an error of the run.
package struct Embedding: Operator {
  package static let schema = OperatorSchema("embedding", tag: 1)
  /// A table, a dense float32 [rows, channels], or a matrix without taps, whose outputs are the rows.
  package var table: ConstantID = 0

  package init() {}
  package init(table: ConstantID) { self.table = table }
  package var operation: Operation { .embedding(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.constant("table", &table)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try node.requireInputs(1...1)
    try node.require(0, is: .int32)
    let rows: Int
    let channels: Int
    switch try node.constant(table, "table") {
    case .table(let packed): (rows, channels) = (packed.rows, packed.channels)
    case .dense(let dense) where dense.elementType == .float32 && dense.shape.count == 2:
      (rows, channels) = (dense.shape[0], dense.shape[1])
    case .matrix(let matrix) where matrix.taps == 1: (rows, channels) = (matrix.outputs, matrix.inputs)
    default: throw node.fault(.wrongKind, "table", constant: table)
    }
    try requireIdsInRange(node, rows: rows)
    return node.floats(node.shape(0) + [.fixed(channels)])
  }

  /// Ids of the host are checked by every run before anything is computed, those that the graph makes when they are
  /// looked up; but positions are known to be in range.
  private func requireIdsInRange(_ node: NodeInference, rows: Int) throws(GraphError) {
    let (graph, ids) = (node.graph, node.inputs[0])
    if let input = graph.inputs.first(where: { $0.value == ids }) {
      guard let fill = input.fill else { return }
      guard (0..<rows).contains(Int(fill)) else {
        throw GraphError(.invalidAttribute, node: node.index, value: ids, field: "inputs.fill")
      }
      return
    }
    guard let maker = graph.nodes.first(where: { $0.outputs.contains(ids) }),
      case .positions = maker.operation
    else {
      return
    }
    guard let last = graph.values[ids].shape.last, graph.maximum(last) <= rows else {
      throw GraphError(.invalidSize, node: node.index, value: ids, field: "positions")
    }
  }
}

extension Operation {
  package static func embedding(table: ConstantID) -> Operation {
    .embedding(Embedding(table: table))
  }
}
