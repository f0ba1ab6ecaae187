import SoniqGraph

/// Which of two sizes is the smaller whatever the inputs are.
extension DraftGraph {
  /// Whether left <= right in every run; false where it is not known.
  func isAtMost(_ left: Extent, _ right: Extent) -> Bool {
    guard let difference = right.minus(left) else { return false }
    return isNotNegative(difference, depth: 0)
  }

  /// The last symbol that follows from others is put down to those: a quotient lies within 1 of the fraction, the smaller
  /// of two is at most each, the larger at least.
  private func isNotNegative(_ extent: Extent, depth: Int) -> Bool {
    if bounds(extent)?.least ?? -1 >= 0 { return true }
    guard depth < 8,
      let term = extent.terms.filter({ $0.symbols.count == 1 && symbols[$0.symbols[0]].definition != nil })
        .max(by: { $0.symbols[0] < $1.symbols[0] }),
      let definition = symbols[term.symbols[0]].definition,
      let rest = extent.minus(Extent(coefficient: term.coefficient, symbols: term.symbols))
    else { return false }
    func holds(_ part: Extent?) -> Bool {
      // All times the divisor, which is above 0.
      guard let whole = rest.times(Extent(definition.divisor)),
        let replaced = part?.times(Extent(term.coefficient)).flatMap({ whole.plus($0) })
      else { return false }
      return isNotNegative(replaced, depth: depth + 1)
    }
    let isSubtracted = term.coefficient < 0
    let rounding = Extent(isSubtracted ? 0 : definition.divisor - 1)
    let parts = definition.terms.map { Extent([$0])?.minus(rounding) }
    switch (definition.function, isSubtracted) {
    case (.sum, _): return holds(Extent(definition.terms)?.minus(rounding))
    // At most, or at least, each of the terms.
    case (.minimum, true), (.maximum, false): return parts.contains(where: holds)
    // One of the terms, whichever that is.
    case (.minimum, false), (.maximum, true): return parts.allSatisfy(holds)
    }
  }
}
