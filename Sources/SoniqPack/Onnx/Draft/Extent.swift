import SoniqGraph

/// A whole number that may depend on dynamic sizes: a sum of whole numbers times symbols.
struct Extent: Sendable, Hashable {
  /// Like ones added up, none of them 0, in one order.
  private(set) var terms: [SizeTerm]

  init(_ size: Int) { terms = size == 0 ? [] : [SizeTerm(size)] }

  init(coefficient: Int, symbols: [Int]) { terms = coefficient == 0 ? [] : [SizeTerm(coefficient, symbols)] }

  /// nil when a number leaves Int.
  init?(_ terms: [SizeTerm]) {
    var sums: [[Int]: Int] = [:]
    for term in terms {
      let (sum, overflow) = sums[term.symbols, default: 0].addingReportingOverflow(term.coefficient)
      guard !overflow else { return nil }
      sums[term.symbols] = sum
    }
    self.terms = sums.filter { $0.value != 0 }.map { SizeTerm($0.value, $0.key) }.sorted {
      ($1.symbols.count, $0.symbols) < ($0.symbols.count, $1.symbols)
    }
  }

  var expression: SizeExpression { SizeExpression(terms) }

  /// nil when it depends on dynamic sizes.
  var fixed: Int? {
    terms.isEmpty ? 0 : terms.count == 1 && terms[0].symbols.isEmpty ? terms[0].coefficient : nil
  }

  /// The one symbol that it is.
  var symbol: Int? { expression.symbol }

  /// Whether no part of it is negative.
  var isNotNegative: Bool { terms.allSatisfy { $0.coefficient >= 0 } }

  func plus(_ other: Extent) -> Extent? { Extent(terms + other.terms) }

  func minus(_ other: Extent) -> Extent? { other.times(Extent(-1)).flatMap { plus($0) } }

  /// nil when it leaves Int.
  func times(_ other: Extent) -> Extent? {
    var products: [SizeTerm] = []
    for left in terms {
      for right in other.terms {
        let (product, overflow) = left.coefficient.multipliedReportingOverflow(by: right.coefficient)
        guard !overflow else { return nil }
        products.append(SizeTerm(product, left.symbols + right.symbols))
      }
    }
    return Extent(products)
  }

  /// The exact quotient, or nil.
  func divided(by other: Extent) -> Extent? {
    if self == other, !terms.isEmpty { return Extent(1) }
    guard other.terms.count == 1, let divisor = other.terms.first else { return byFirstTerm(of: other) }
    var quotients: [SizeTerm] = []
    for term in terms {
      guard let quotient = term.divided(by: divisor) else { return nil }
      quotients.append(quotient)
    }
    return Extent(quotients)
  }

  /// Of a sum: the quotient of the first terms, if that times the divisor is all of it.
  private func byFirstTerm(of other: Extent) -> Extent? {
    guard let first = terms.first, let divisor = other.terms.first, let quotient = first.divided(by: divisor)
    else { return nil }
    guard let part = Extent([quotient]), let product = part.times(other), let rest = minus(product) else {
      return nil
    }
    if rest.terms.isEmpty { return part }
    guard rest.terms.count < terms.count else { return nil }
    return rest.divided(by: other).flatMap { part.plus($0) }
  }
}

extension SizeTerm {
  fileprivate func divided(by other: SizeTerm) -> SizeTerm? {
    guard other.coefficient != 0, other.coefficient != -1 || coefficient != .min,
      coefficient % other.coefficient == 0
    else { return nil }
    var rest = symbols
    for symbol in other.symbols {
      guard let place = rest.firstIndex(of: symbol) else { return nil }
      rest.remove(at: place)
    }
    return SizeTerm(coefficient / other.coefficient, rest)
  }
}

private func < (left: (Int, [Int]), right: (Int, [Int])) -> Bool {
  left.0 != right.0 ? left.0 < right.0 : left.1.lexicographicallyPrecedes(right.1)
}
