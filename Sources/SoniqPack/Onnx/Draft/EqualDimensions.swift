import SoniqGraph

/// Which dynamic sizes of different names an operation needs to be equal. A size is never taken as the 1 that
/// broadcasting repeats: two names meet as one size.
extension DraftGraph {
  /// Remembers the sizes that would have to be equal for an operation to be possible.
  mutating func requireEqualSizes(_ operation: Operation, _ inputs: [ValueID]) {
    let shapes = inputs.map { values[$0].shape }
    guard let first = shapes.first else { return }
    switch operation {
    case .binary, .select:
      for shape in shapes.dropFirst() { requireEqual(first.reversed(), shape.reversed()) }
      if shapes.count == 3 { requireEqual(shapes[1].reversed(), shapes[2].reversed()) }
    case .expand(let expand): requireEqual(expand.shape.reversed(), first.reversed())
    case .concatenate(let concatenate):
      for shape in shapes.dropFirst() where shape.count == first.count {
        for place in first.indices where place != concatenate.axis {
          requireEqual(first[place], shape[place])
        }
      }
    case .matmul(let matmul):
      guard let second = shapes.last, first.count >= 2, second.count >= 2 else { return }
      let (left, right) = (Array(first.reversed()), Array(second.reversed()))
      requireEqual(left[0], right[matmul.transposesRight ? 0 : 1])
      requireEqual(Array(left.dropFirst(2)), Array(right.dropFirst(2)))
    default: return
    }
  }

  /// Of shapes that are broadcast: a 1 fits everything.
  private mutating func requireEqual(_ left: [Dimension], _ right: [Dimension]) {
    for (first, second) in zip(left, right) where first != .fixed(1) && second != .fixed(1) {
      requireEqual(first, second)
    }
  }

  mutating func requireEqual(_ left: Dimension, _ right: Dimension) {
    guard case .symbol(let first) = left, case .symbol(let second) = right, first != second else {
      return requireEqual(extent(left), extent(right))
    }
    requireEqual(first, second)
  }

  /// Two products of sizes that differ in one size each, or in one that must be a number then.
  mutating func requireEqual(_ left: Extent, _ right: Extent) {
    if let number = right.fixed, requireLinear(left, number) { return }
    if let number = left.fixed, requireLinear(right, number) { return }
    guard left.terms.count == 1, right.terms.count == 1 else { return }
    var rest = right.terms[0].symbols
    let others = left.terms[0].symbols.filter { symbol in
      guard let place = rest.firstIndex(of: symbol) else { return true }
      rest.remove(at: place)
      return false
    }
    let numbers = (left.terms[0].coefficient, right.terms[0].coefficient)
    switch (others.count, rest.count) {
    case (1, 1) where numbers.0 == numbers.1: requireEqual(others[0], rest[0])
    case (1, 0): requireEqual(others[0], times: numbers.0, to: numbers.1)
    case (0, 1): requireEqual(rest[0], times: numbers.1, to: numbers.0)
    default: return
    }
  }

  /// A size times a number and a number more, as 10 * width - 380. Returns whether it is that.
  private mutating func requireLinear(_ extent: Extent, _ number: Int) -> Bool {
    let moving = extent.terms.filter { !$0.symbols.isEmpty }
    guard moving.count == 1, moving[0].symbols.count == 1, extent.terms.count == 2 else { return false }
    let constant = extent.terms.first { $0.symbols.isEmpty }?.coefficient ?? 0
    let (rest, overflow) = number.subtractingReportingOverflow(constant)
    if !overflow { requireEqual(moving[0].symbols[0], times: moving[0].coefficient, to: rest) }
    return true
  }

  /// A size may have to be a number, as where weights have so many inputs.
  private mutating func requireEqual(_ symbol: Int, times factor: Int, to number: Int) {
    guard factor != 0, number != .min, number % factor == 0, (1...maximumDimension).contains(number / factor)
    else { return }
    neededNumbers.append((symbols[symbol].name, number / factor))
  }

  /// Sizes of inputs stay, then the first ones: what follows from others is compared with them in each run.
  private mutating func requireEqual(_ left: Int, _ right: Int) {
    var (kept, other) = (min(left, right), max(left, right))
    if symbols[kept].definition != nil, symbols[other].definition == nil { (kept, other) = (other, kept) }
    neededEqual.append((symbols[kept].name, symbols[other].name))
  }
}
