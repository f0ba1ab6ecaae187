import SoniqGraph

/// Drops the constants that no node has any more.
enum UsedConstants {
  static func keep(_ graph: inout Graph) {
    var isUsed = graph.constants.map { _ in false }
    for node in graph.nodes {
      var listed = AttributeVisitor(constant: {
        isUsed[$0] = true
        return $0
      })
      listed.visit(node.operation)
    }
    guard isUsed.contains(false) else { return }
    var places: [ConstantID] = []
    var next = 0
    for isKept in isUsed {
      places.append(next)
      next += isKept ? 1 : 0
    }
    for index in graph.nodes.indices {
      var moved = AttributeVisitor(constant: { places[$0] })
      graph.nodes[index].operation = moved.visit(graph.nodes[index].operation)
    }
    let kept = isUsed.indices.filter { isUsed[$0] }
    graph.constants = kept.map { graph.constants[$0] }
    graph.constantNames = kept.map { graph.constantNames[$0] }
  }
}
