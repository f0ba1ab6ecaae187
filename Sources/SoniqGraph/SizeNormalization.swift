/// Sizes that are equal for all sizes of the symbols should be one expression: terms in order, like ones added up, what
/// is defined by a plain sum written out, quotients of quotients made one, common divisors taken out.
extension Graph {
  /// The normal form; nil when a number leaves 31 bits, or terms become too many.
  package func normalized(_ expression: SizeExpression) -> SizeExpression? {
    guard expression.divisor >= 1, !expression.terms.isEmpty || expression.function == .sum else {
      return nil
    }
    if let constant = expression.constant { return SizeExpression(constant == 0 ? [] : [SizeTerm(constant)]) }
    var result = expression
    guard expression.function == .sum else {
      result.terms = Set(result.terms).sorted(by: Self.isBefore)
      // The smallest or largest of one is that one.
      if result.terms.count == 1 { return normalized(SizeExpression(result.terms, divisor: result.divisor)) }
      return result.isWithinLimits ? result : nil
    }
    while true {
      guard let merged = Self.merged(result.terms) else { return nil }
      result.terms = merged
      guard result.isWithinLimits else { return nil }
      result = Self.reduced(result)
      if let written = writtenOut(result) {
        result = written
      } else if let flat = withoutInnerQuotient(result) {
        result = flat
      } else {
        return result
      }
    }
  }

  /// Terms of more symbols first, then by symbols, then by number; plain numbers last.
  private static func isBefore(_ left: SizeTerm, _ right: SizeTerm) -> Bool {
    if left.symbols.count != right.symbols.count { return left.symbols.count > right.symbols.count }
    if left.symbols != right.symbols { return left.symbols.lexicographicallyPrecedes(right.symbols) }
    return left.coefficient > right.coefficient
  }

  private static func merged(_ terms: [SizeTerm]) -> [SizeTerm]? {
    var sums: [[Int]: Int] = [:]
    for term in terms {
      let (sum, overflow) = sums[term.symbols, default: 0].addingReportingOverflow(term.coefficient)
      guard !overflow else { return nil }
      sums[term.symbols] = sum
    }
    return sums.filter { $0.value != 0 }.map { SizeTerm($0.value, $0.key) }.sorted(by: isBefore)
  }

  /// The first symbol that is a sum of others, replaced by the sum.
  private func writtenOut(_ expression: SizeExpression) -> SizeExpression? {
    for (place, term) in expression.terms.enumerated() {
      for symbol in term.symbols {
        guard let sum = sum(symbol) else { continue }
        var rest = term.symbols
        rest.remove(at: rest.firstIndex(of: symbol) ?? 0)
        var result = expression
        result.terms.remove(at: place)
        for part in sum {
          guard let coefficient = signedProduct(term.coefficient, part.coefficient) else { return nil }
          result.terms.append(SizeTerm(coefficient, rest + part.symbols))
        }
        return result
      }
    }
    return nil
  }

  /// What a symbol is a sum of: that of its definition, or the first symbol that differs from it by a number, and the
  /// number; nil for any other.
  package func sum(_ symbol: Int) -> [SizeTerm]? {
    guard let definition = definition(symbol), definition.function == .sum else { return nil }
    if definition.divisor == 1 { return definition.terms }
    guard let other = quotients.earlier(symbol), let earlier = self.definition(other) else { return nil }
    let difference = definition.withoutWhole.whole - earlier.withoutWhole.whole
    return [SizeTerm(1, [other]), SizeTerm(difference)]
  }

  /// floor((floor(n / a) + r) / c) = floor((n + a * r) / (a * c)).
  private func withoutInnerQuotient(_ expression: SizeExpression) -> SizeExpression? {
    guard
      let place = expression.terms.firstIndex(where: { term in
        term.coefficient == 1 && term.symbols.count == 1 && definition(term.symbols[0])?.function == .sum
      }), let inner = definition(expression.terms[place].symbols[0]),
      let divisor = signedProduct(inner.divisor, expression.divisor),
      divisor <= SizeExpression.maximumNumber
    else { return nil }
    var result = SizeExpression(inner.terms, divisor: divisor)
    for (index, term) in expression.terms.enumerated() where index != place {
      guard let coefficient = signedProduct(term.coefficient, inner.divisor) else { return nil }
      result.terms.append(SizeTerm(coefficient, term.symbols))
    }
    return result
  }

  /// Divides by what all numbers before sizes have in common with the divisor.
  private static func reduced(_ expression: SizeExpression) -> SizeExpression {
    var divisor = expression.divisor.magnitude
    for term in expression.terms where !term.symbols.isEmpty {
      divisor = greatestCommonDivisor(divisor, term.coefficient.magnitude)
    }
    guard divisor > 1 else { return expression }
    let common = Int(divisor)
    var result = expression
    result.divisor /= common
    result.terms = expression.terms.compactMap { term in
      let quotient = floorDivided(term.coefficient, by: common)
      return quotient == 0 ? nil : SizeTerm(quotient, term.symbols)
    }
    return result
  }

  private func definition(_ symbol: Int) -> SizeExpression? {
    symbols.indices.contains(symbol) ? symbols[symbol].definition : nil
  }
}

extension SizeExpression {
  /// What files can hold.
  var isWithinLimits: Bool {
    let numbers = -Self.maximumNumber...Self.maximumNumber
    return terms.count <= Self.maximumTerms && (1...Self.maximumNumber).contains(divisor)
      && terms.allSatisfy { numbers.contains($0.coefficient) && $0.symbols.count <= Self.maximumFactors }
  }
}

private func greatestCommonDivisor(_ left: UInt, _ right: UInt) -> UInt {
  var (left, right) = (left, right)
  while right != 0 { (left, right) = (right, left % right) }
  return left
}

extension Graph {
  /// The dimension that has this size in every run: a number, or the symbol that is it by name, by definition or because
  /// it must be equal. nil when no symbol is known to be.
  package func dimension(_ expression: SizeExpression) -> Dimension? {
    guard let normal = normalized(expression) else { return nil }
    if let size = normal.constant { return .fixed(size) }
    if let symbol = normal.symbol { return .symbol(symbol) }
    guard let symbol = symbols.firstIndex(where: { $0.definition == normal || $0.equals.contains(normal) })
    else { return nil }
    // What must be a number in every run is one.
    return symbols[symbol].equals.lazy.compactMap(\.constant).first.map(Dimension.fixed) ?? .symbol(symbol)
  }

  /// The same; a symbol for it is added where none is known.
  ///
  /// - Returns: nil when it is too long to be written, or larger than any size can be.
  package mutating func define(_ expression: SizeExpression) -> Dimension? {
    if let known = dimension(expression) { return known }
    guard let normal = normalized(expression) else { return nil }
    let bound = normal.upperBound { symbols[$0].maximum } ?? maximumDimension
    let names = Set(symbols.map(\.name))
    let name = normal.text { symbols[$0].name }
    guard bound >= 1, !names.contains(name) else { return nil }
    symbols.append(Symbol(name: name, maximum: min(bound, maximumDimension), definition: normal))
    return .symbol(symbols.count - 1)
  }
}
