/// How many rows a call has, as far as the choice of a kernel depends on it.
package enum RowClass: Int, Sendable, Hashable, CaseIterable, Comparable {
  case one, two, four, eight, sixteen, many

  package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

  /// The class of `rows` rows, 1 or more.
  @inlinable
  package init(rows: Int) {
    self =
      rows >= 32
      ? .many : rows >= 16 ? .sixteen : rows >= 8 ? .eight : rows >= 4 ? .four : rows >= 2 ? .two : .one
  }

  /// The fewest rows of the class.
  package var lowest: Int {
    switch self {
    case .one: 1
    case .two: 2
    case .four: 4
    case .eight: 8
    case .sixteen: 16
    case .many: 32
    }
  }

  /// The rows for which the class is measured.
  package var representative: Int {
    switch self {
    case .one: 1
    case .two: 2
    case .four: 4
    case .eight: 8
    case .sixteen: 16
    case .many: 64
    }
  }
}
