import SoniqGraph

/// Drops the dynamic sizes that nothing has, which would be computed and checked in every run.
enum UsedSymbols {
  static func keep(_ graph: inout Graph) {
    // What must be a number has its place in no shape.
    var isUsed = graph.symbols.map { $0.equals.contains { $0.constant != nil } }
    func mark(_ dimension: Dimension) { if case .symbol(let symbol) = dimension { isUsed[symbol] = true } }
    for value in graph.values { value.shape.forEach(mark) }
    for node in graph.nodes {
      var listed = AttributeVisitor(dimension: {
        mark($0); return $0
      })
      listed.visit(node.operation)
    }
    // What sizes follow from, and must be equal to, is used too; definitions have symbols before their own.
    var isMore = true
    while isMore {
      isMore = false
      for index in graph.symbols.indices.reversed() where isUsed[index] {
        let symbol = graph.symbols[index]
        for other in ([symbol.definition].compactMap { $0 } + symbol.equals).flatMap(\.symbols)
        where !isUsed[other] {
          isUsed[other] = true
          isMore = true
        }
      }
    }
    renumber(&graph, isUsed)
  }

  private static func renumber(_ graph: inout Graph, _ isUsed: [Bool]) {
    guard isUsed.contains(false) else { return }
    var places: [Int] = []
    var next = 0
    for isKept in isUsed {
      places.append(next)
      next += isKept ? 1 : 0
    }
    func moved(_ dimension: Dimension) -> Dimension {
      if case .symbol(let symbol) = dimension { .symbol(places[symbol]) } else { dimension }
    }
    func moved(_ expression: SizeExpression) -> SizeExpression {
      var expression = expression
      expression.terms = expression.terms.map { SizeTerm($0.coefficient, $0.symbols.map { places[$0] }) }
      return expression
    }
    graph.symbols = graph.symbols.indices.filter { isUsed[$0] }.map { index in
      var symbol = graph.symbols[index]
      symbol.definition = symbol.definition.map(moved)
      symbol.equals = symbol.equals.map(moved)
      return symbol
    }
    for index in graph.values.indices { graph.values[index].shape = graph.values[index].shape.map(moved) }
    for index in graph.nodes.indices {
      var coder = AttributeVisitor(dimension: moved)
      graph.nodes[index].operation = coder.visit(graph.nodes[index].operation)
    }
  }
}
