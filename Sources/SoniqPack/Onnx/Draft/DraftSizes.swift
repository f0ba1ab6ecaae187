import SoniqCore
import SoniqGraph

// Dynamic sizes of a draft: those of inputs, and those that follow from them.

extension DraftGraph {
  /// A dimension written out as far as it is a sum of products of sizes.
  func extent(_ dimension: Dimension) -> Extent {
    switch dimension {
    case .fixed(let size): return Extent(size)
    case .symbol(let symbol):
      let whole = Extent(coefficient: 1, symbols: [symbol])
      return sizes.sum(symbol).flatMap { Extent($0) } ?? whole
    }
  }

  /// The largest value of a dimension, or nil when it leaves Int.
  func maximum(_ dimension: Dimension) -> Int? {
    switch dimension {
    case .fixed(let size): size
    case .symbol(let symbol): maximum(symbol)
    }
  }

  /// Of what is defined: by the maximums of now, which passes lower.
  private func maximum(_ symbol: Int) -> Int? {
    let stated = symbols[symbol].maximum
    guard let definition = symbols[symbol].definition else { return stated }
    var isKnown = true
    let bound = definition.upperBound { symbol in
      guard let maximum = maximum(symbol) else {
        isKnown = false
        return 1
      }
      return maximum
    }
    guard isKnown, let bound else { return nil }
    return max(1, min(stated, bound))
  }

  /// A number of at most `bound(of:).most` and at least `.least` whatever the sizes are; nil where it leaves Int.
  func bounds(_ extent: Extent) -> (least: Int, most: Int)? {
    guard let most = extent.expression.upperBound({ maximum($0) ?? maximumDimension }),
      let negated = extent.times(Extent(-1)),
      let least = negated.expression.upperBound({ maximum($0) ?? maximumDimension })
    else { return nil }
    return (-least, most)
  }

  /// The dimension of this extent, which gets a symbol where no size is it yet.
  mutating func dimension(_ extent: Extent) throws(PackError) -> Dimension {
    if let size = extent.fixed { return .fixed(size) }
    return try dimension(extent.expression)
  }

  /// The dimension of this size, which gets a symbol where none is it yet.
  mutating func dimension(_ expression: SizeExpression) throws(PackError) -> Dimension {
    if let known = sizes.dimension(expression) { return known }
    guard let normal = sizes.normalized(expression), symbols.count < 1 << 10 else {
      throw PackError(
        .data, "the size \(words(expression)) is too long to be written; fix dynamic sizes with --shape")
    }
    let name = words(normal)
    // Another conversion found what it must be.
    if let number = equalSizes.number(of: name) {
      symbols.append(
        Symbol(
          name: name, maximum: maximumDimension, definition: normal,
          equals: [SizeExpression([SizeTerm(number)])]))
      return .fixed(number)
    }
    if let same = equalSizes.other(than: name, in: symbols) {
      sizes.symbols[same].equals.append(normal)
      return .symbol(same)
    }
    symbols.append(Symbol(name: name, maximum: maximumDimension, definition: normal))
    return .symbol(symbols.count - 1)
  }

  /// The product of dimensions, or nil when it leaves Int.
  func product(_ shape: some Sequence<Dimension>) -> Extent? {
    var product: Extent? = Extent(1)
    for dimension in shape { product = product?.times(extent(dimension)) }
    return product
  }

  func words(_ shape: [Dimension]) -> String {
    let sizes = shape.map { dimension -> String in
      switch dimension {
      case .fixed(let size): "\(size)"
      case .symbol(let symbol): symbols[symbol].name
      }
    }
    return "[" + sizes.joined(separator: ", ") + "]"
  }

  func words(_ expression: SizeExpression) -> String { expression.text { symbols[$0].name } }
  func words(_ extent: Extent) -> String { words(extent.expression) }
}
