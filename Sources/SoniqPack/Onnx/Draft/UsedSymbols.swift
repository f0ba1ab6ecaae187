import SoniqGraph

/// Drops the dynamic sizes that nothing has, which would be computed and checked in every run.
enum UsedSymbols {
  static func keep(_ graph: inout Graph) {
    // What must be a number has its place in no shape.
    var isUsed = graph.symbols.map { $0.equals.contains { $0.constant != nil } }
    func mark(_ dimension: Dimension) { if case .symbol(let symbol) = dimension { isUsed[symbol] = true } }
    for value in graph.values { value.shape.forEach(mark) }
    for node in graph.nodes {
      var listed = DimensionCoder {
        mark($0); return $0
      }
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
      var coder = DimensionCoder(change: moved)
      graph.nodes[index].operation = coder.visit(graph.nodes[index].operation)
    }
  }
}

/// Hands every size among the attributes of an operation to a function, and puts its result in the place.
private struct DimensionCoder: AttributeCoder {
  // Nothing is thrown; a type that can be, for the closures of lists.
  typealias Failure = PackError
  let change: (Dimension) -> Dimension

  @discardableResult
  mutating func visit(_ operation: Operation) -> Operation {
    func visited(_ attributes: some Operator) -> Operation {
      var attributes = attributes
      try? attributes.code(&self)
      return attributes.operation
    }
    return visited(operation.attributes)
  }

  mutating func dimension(_ name: String, _ value: inout Dimension, from least: Int, symbolsSince: Int) {
    value = change(value)
  }
  mutating func list<Element>(
    _ values: inout [Element], count: Int, of counter: String, start: Element,
    _ element: (inout Self, inout Element) throws(PackError) -> Void
  ) throws(PackError) {
    for index in values.indices { try element(&self, &values[index]) }
  }

  mutating func reserved(_ count: Int) {}
  mutating func byte(_ name: String, _ value: inout Int, in range: ClosedRange<Int>) {}
  mutating func rank(_ value: inout Int) {}
  mutating func flag(_ name: String, _ value: inout Bool, since: Int) {}
  mutating func flags(_ names: [String], _ values: inout [Bool]) {}
  mutating func tag<Tag: AttributeTag>(_ name: String, _ value: inout Tag) {}
  mutating func word(_ name: String, _ value: inout Int, in range: ClosedRange<Int>) {}
  mutating func signed(_ name: String, _ value: inout Int) {}
  mutating func float(_ name: String, _ value: inout Float) {}
  mutating func constant(_ name: String, _ value: inout ConstantID) {}
  mutating func optionalConstant(_ name: String, _ value: inout ConstantID?) {}
  mutating func count(_ name: String, _ value: inout Int, limit: Int) {}
  mutating func require(_ isValid: Bool, _ name: String, bytesBefore bytes: Int) {}
}
