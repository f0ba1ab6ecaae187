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

  private mutating func requireEqual(_ left: [Dimension], _ right: [Dimension]) {
    for (first, second) in zip(left, right) { requireEqual(first, second) }
  }

  private mutating func requireEqual(_ left: Dimension, _ right: Dimension) {
    requireEqual(extent(left), extent(right))
  }

  /// Two sizes that differ in one name each.
  mutating func requireEqual(_ left: Extent, _ right: Extent) {
    guard left.coefficient == right.coefficient, left.symbols.count == right.symbols.count else { return }
    var rest = right.symbols
    let others = left.symbols.filter { symbol in
      guard let place = rest.firstIndex(of: symbol) else { return true }
      rest.remove(at: place)
      return false
    }
    guard others.count == 1, rest.count == 1 else { return }
    equalSymbols.append((min(others[0], rest[0]), max(others[0], rest[0])))
  }
}
