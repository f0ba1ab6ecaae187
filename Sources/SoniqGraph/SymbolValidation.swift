extension Graph {
  func validateSymbols() throws(GraphError) {
    var names = Set<String>()
    for (index, symbol) in symbols.enumerated() {
      guard names.insert(symbol.name).inserted, !symbol.name.isEmpty else {
        throw GraphError(.invalidName, field: "symbols", element: index)
      }
      // What follows from others is as large as they make it.
      guard (1...maximumDimension).contains(symbol.maximum), !symbol.isOpen || symbol.definition == nil else {
        throw GraphError(.invalidSize, field: "symbols.maximum", element: index)
      }
    }
    // Before anything is compared with them: the normal form of one follows the definitions of those before.
    var known = Set<SizeExpression>()
    for (index, symbol) in symbols.enumerated() {
      guard let definition = symbol.definition else { continue }
      try validate(definition, of: index, below: index, "sizes.definition", &known)
    }
    for (index, symbol) in symbols.enumerated() {
      for expression in symbol.equals {
        try validate(expression, of: index, below: symbols.count, "sizes.equals", &known)
      }
    }
  }

  private func validate(
    _ expression: SizeExpression, of symbol: Int, below limit: Int, _ field: String,
    _ known: inout Set<SizeExpression>
  ) throws(GraphError) {
    guard expression.symbols.allSatisfy({ (0..<limit).contains($0) }) else {
      throw GraphError(.indexOutOfRange, field: field, element: symbol)
    }
    let isDefinition = field == "sizes.definition"
    guard expression.isWithinLimits, normalized(expression) == expression,
      !isDefinition || expression.symbol == nil, expression.symbol != symbol,
      expression.constant.map({ !isDefinition && $0 >= 1 }) ?? true
    else { throw GraphError(.invalidSize, field: field, element: symbol) }
    if expression.constant != nil { return }
    // Two symbols of one size would have two names in shapes that must be equal.
    guard known.insert(expression).inserted else {
      throw GraphError(.producedTwice, field: field, element: symbol)
    }
  }

  /// Whether a dimension gets a size in a run: an input has it, or it is defined.
  func isBound(_ dimension: Dimension) -> Bool {
    guard case .symbol(let symbol) = dimension else { return true }
    return symbols.indices.contains(symbol)
      && (symbols[symbol].definition != nil
        || inputs.contains { values[$0.value].shape.contains(.symbol(symbol)) })
  }

  /// What inputs bind, and what is defined by such symbols. Every symbol of a definition must be bound.
  func validateBindings() throws(GraphError) {
    let isBound = symbols.indices.map { self.isBound(.symbol($0)) }
    for (index, symbol) in symbols.enumerated() {
      for expression in [symbol.definition].compactMap({ $0 }) + symbol.equals {
        guard expression.symbols.allSatisfy({ isBound[$0] }) else {
          throw GraphError(.neverProduced, field: "sizes", element: index)
        }
      }
    }
  }
}
