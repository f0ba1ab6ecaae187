/// A whole number times sizes: coefficient * product of the sizes of symbols.
package struct SizeTerm: Sendable, Hashable {
  package var coefficient: Int
  /// Indices into `Graph.symbols`, in order, repeated for powers; none for a plain number.
  package var symbols: [Int]

  package init(_ coefficient: Int, _ symbols: [Int] = []) {
    self.coefficient = coefficient
    self.symbols = symbols.sorted()
  }
}

/// A size that follows from others: floor(function(terms) / divisor).
package struct SizeExpression: Sendable, Hashable {
  package enum Function: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
    case sum = 1, minimum, maximum
  }
  package var function: Function
  package var terms: [SizeTerm]
  package var divisor: Int

  package init(_ function: Function, _ terms: [SizeTerm], divisor: Int = 1) {
    self.function = function
    self.terms = terms
    self.divisor = divisor
  }

  /// A sum.
  package init(_ terms: [SizeTerm], divisor: Int = 1) { self.init(.sum, terms, divisor: divisor) }

  /// The size of a dimension as it is.
  package init(_ dimension: Dimension) {
    switch dimension {
    case .fixed(let size): self.init([SizeTerm(size)])
    case .symbol(let symbol): self.init([SizeTerm(1, [symbol])])
    }
  }

  package static let maximumTerms = 16
  /// Symbols of a term.
  package static let maximumFactors = maximumRank
  /// Of coefficients, either sign, and of divisors.
  package static let maximumNumber = Int(Int32.max)

  /// The symbols that it depends on.
  package var symbols: Set<Int> { Set(terms.flatMap(\.symbols)) }

  /// What depends on no size.
  package var constant: Int? {
    guard terms.allSatisfy({ $0.symbols.isEmpty }) else { return nil }
    return terms.isEmpty ? 0 : value { _ in 1 }
  }

  /// What is nothing but the size of one symbol.
  package var symbol: Int? {
    guard terms.count == 1, divisor == 1, terms[0].coefficient == 1, terms[0].symbols.count == 1 else {
      return nil
    }
    return terms[0].symbols[0]
  }

  /// nil when it leaves Int.
  package func value(_ size: (Int) -> Int) -> Int? {
    var values: [Int] = []
    for term in terms {
      var product = term.coefficient
      for symbol in term.symbols {
        guard let next = signedProduct(product, size(symbol)) else { return nil }
        product = next
      }
      values.append(product)
    }
    return combined(values).map { floorDivided($0, by: divisor) }
  }

  /// At most this while every size is at least 1 and at most `maximum` of its symbol; nil when that leaves Int.
  package func upperBound(_ maximum: (Int) -> Int) -> Int? {
    var values: [Int] = []
    for term in terms {
      var product = term.coefficient
      // A term below 0 is largest where its sizes are 1.
      for symbol in term.symbols where term.coefficient > 0 {
        guard let next = signedProduct(product, maximum(symbol)) else { return nil }
        product = next
      }
      values.append(product)
    }
    return combined(values).map { floorDivided($0, by: divisor) }
  }

  private func combined(_ values: [Int]) -> Int? {
    switch function {
    case .minimum: return values.min()
    case .maximum: return values.max()
    case .sum:
      var sum = 0
      for value in values {
        let (next, overflow) = sum.addingReportingOverflow(value)
        guard !overflow else { return nil }
        sum = next
      }
      return sum
    }
  }

  /// In words: "floor((width + 1) / 2)". `name` is that of a symbol.
  package func text(_ name: (Int) -> String) -> String {
    let parts = terms.map { term in
      let factors = term.symbols.map(name)
      if factors.isEmpty { return "\(term.coefficient)" }
      let isPlain = term.coefficient.magnitude == 1
      let product = ((isPlain ? [] : ["\(term.coefficient.magnitude)"]) + factors).joined(separator: " * ")
      return term.coefficient < 0 ? "-" + product : product
    }
    let inner: String
    switch function {
    case .sum:
      inner = parts.dropFirst().reduce(parts.first ?? "0") {
        $1.hasPrefix("-") ? "\($0) - \($1.dropFirst())" : "\($0) + \($1)"
      }
    case .minimum: inner = "min(\(parts.joined(separator: ", ")))"
    case .maximum: inner = "max(\(parts.joined(separator: ", ")))"
    }
    guard divisor > 1 else { return inner }
    return "floor(\(function == .sum && parts.count > 1 ? "(\(inner))" : inner) / \(divisor))"
  }
}

/// The largest whole number that is at most the quotient; `divisor` is at least 1.
package func floorDivided(_ number: Int, by divisor: Int) -> Int {
  let (quotient, rest) = number.quotientAndRemainder(dividingBy: divisor)
  return rest < 0 ? quotient - 1 : quotient
}

/// nil when it leaves Int.
func signedProduct(_ left: Int, _ right: Int) -> Int? {
  let (product, overflow) = left.multipliedReportingOverflow(by: right)
  return overflow ? nil : product
}
