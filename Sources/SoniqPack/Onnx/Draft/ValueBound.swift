import SoniqGraph

/// The most that whole numbers, none of them negative, can be in a run: a number, plus one dynamic size where there is
/// a symbol. Positions that are counted by CumSum over a mask are at most as many as there are positions.
struct ValueBound: Hashable {
  var number: Int
  var symbol: Int?

  /// nil when nothing is known, or numbers may be negative.
  static func of(_ value: ValueID, _ draft: DraftGraph) -> ValueBound? {
    var budget = 64
    return of(value, draft, draft.makers(), &budget)
  }

  private static func of(
    _ value: ValueID, _ draft: DraftGraph, _ makers: [Int?], _ budget: inout Int
  ) -> ValueBound? {
    budget -= 1
    guard budget > 0 else { return nil }
    if let known = draft.known(value) {
      guard let integers = known.integers, let most = integers.max(), let least = integers.min(), least >= 0
      else { return nil }
      return Int(exactly: most).map { ValueBound(number: $0) }
    }
    guard value < makers.count, let maker = makers[value] else { return nil }
    let node = draft.nodes[maker]
    switch node.operation {
    case .iota(.fixed(let size)): return ValueBound(number: size - 1)
    case .iota(.symbol(let symbol)): return ValueBound(number: -1, symbol: symbol)
    case .tensor(.unary(.not)): return ValueBound(number: 1)
    case .tensor(.cast(Cast(.int32))), .tensor(.reshape), .tensor(.expand), .tensor(.transpose),
      .tensor(.slice):
      return of(node.inputs[0], draft, makers, &budget)
    case .tensor(.cumulate(let cumulate)):
      let bound = of(node.inputs[0], draft, makers, &budget)
      return bound?.times(draft.shape(node.inputs[0])[cumulate.axis])
    case .tensor(.binary(let binary)):
      switch binary.function {
      case .equal, .less, .lessOrEqual, .greater, .greaterOrEqual, .and, .or, .xor:
        return ValueBound(number: 1)
      case .add, .multiply:
        guard let left = of(node.inputs[0], draft, makers, &budget),
          let right = of(node.inputs[1], draft, makers, &budget)
        else { return nil }
        return binary.function == .add ? left.plus(right) : left.times(right)
      default: return nil
      }
    default: return nil
    }
  }

  init(number: Int, symbol: Int? = nil) {
    self.number = number
    self.symbol = symbol
  }

  private func plus(_ other: ValueBound) -> ValueBound? {
    guard symbol == nil || other.symbol == nil else { return nil }
    let (sum, overflow) = number.addingReportingOverflow(other.number)
    return overflow ? nil : ValueBound(number: sum, symbol: symbol ?? other.symbol)
  }

  private func times(_ other: ValueBound) -> ValueBound? {
    if self == ValueBound(number: 1) { return other }
    if other == ValueBound(number: 1) { return self }
    guard symbol == nil, other.symbol == nil else { return nil }
    let (product, overflow) = number.multipliedReportingOverflow(by: other.number)
    return overflow ? nil : ValueBound(number: product)
  }

  private func times(_ dimension: Dimension) -> ValueBound? {
    switch dimension {
    case .fixed(let size): times(ValueBound(number: size))
    case .symbol(let symbol): times(ValueBound(number: 0, symbol: symbol))
    }
  }
}

extension DraftGraph {
  /// A dynamic size that counts up the ids of a table can be no larger than the table allows.
  mutating func limitSize(countedBy ids: ValueID, rows: Int) {
    guard let bound = ValueBound.of(ids, self), let symbol = bound.symbol, symbols[symbol].definition == nil
    else { return }
    let most = rows - 1 - bound.number
    guard most >= 1 else { return }
    symbols[symbol].maximum = min(symbols[symbol].maximum, most)
  }
}
