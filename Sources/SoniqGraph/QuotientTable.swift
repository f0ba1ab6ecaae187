/// Which symbols are one quotient but for a whole number: floor((n + 7) / 2) is floor((n + 1) / 2) + 3. Made once for all
/// symbols, since normal forms ask for every symbol of every term.
struct QuotientTable: Sendable {
  /// By symbol, the first with this quotient; itself where it is none.
  private var first: [Int] = []

  init() {}

  init(_ symbols: [Symbol]) {
    guard symbols.contains(where: { Self.isQuotient($0.definition) }) else { return }
    var known: [SizeExpression: Int] = [:]
    first = Array(symbols.indices)
    for (index, symbol) in symbols.enumerated() {
      guard let definition = symbol.definition, Self.isQuotient(definition) else { continue }
      let fraction = SizeExpression(definition.withoutWhole.terms, divisor: definition.divisor)
      if let earlier = known[fraction] { first[index] = earlier } else { known[fraction] = index }
    }
  }

  /// The first symbol before this one that differs from it by a whole number in every run.
  func earlier(_ symbol: Int) -> Int? {
    guard first.indices.contains(symbol), first[symbol] != symbol else { return nil }
    return first[symbol]
  }

  private static func isQuotient(_ definition: SizeExpression?) -> Bool {
    guard let definition else { return false }
    return definition.function == .sum && definition.divisor > 1 && definition.isWithinLimits
  }
}

extension SizeExpression {
  /// Of floor((terms + number) / divisor): with the rest of number / divisor alone, and what that is less by.
  var withoutWhole: (terms: [SizeTerm], whole: Int) {
    guard let last = terms.last, last.symbols.isEmpty else { return (terms, 0) }
    let whole = floorDivided(last.coefficient, by: divisor)
    let rest = last.coefficient - whole * divisor
    return (terms.dropLast() + (rest == 0 ? [] : [SizeTerm(rest)]), whole)
  }
}
