package import SoniqGraph

/// A shape whose symbols get their sizes in a run.
package struct Extents: BitwiseCopyable, Sendable {
  package let rank: Int
  /// A symbol's index, or the negated size.
  private var references = InlineArray<8, Int>(repeating: -1)

  /// - Parameter shape: of at most 8 dimensions.
  package init(_ shape: [Dimension]) {
    rank = min(shape.count, 8)
    for position in 0..<rank {
      switch shape[position] {
      case .fixed(let size): references[position] = -size
      case .symbol(let symbol): references[position] = symbol
      }
    }
  }

  /// The size of a dimension; `sizes` are those of the symbols.
  func size(_ position: Int, _ sizes: UnsafePointer<Int>) -> Int {
    let reference = references[position]
    return reference < 0 ? 0 &- reference : sizes[reference]
  }

  /// The product of some dimensions; the plan's memory holds as many elements, so it cannot overflow.
  func elements(_ range: Range<Int>, _ sizes: UnsafePointer<Int>) -> Int {
    var product = 1
    for position in range { product &*= size(position, sizes) }
    return product
  }
  func elements(_ sizes: UnsafePointer<Int>) -> Int { elements(0..<rank, sizes) }
}
