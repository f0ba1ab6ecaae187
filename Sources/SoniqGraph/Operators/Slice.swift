/// One dimension of a slice: elements begin, begin + step, ... `count` of them; step may be negative.
package struct SliceRange: Sendable, Hashable {
  package var begin: Int
  /// The begin is the size of this symbol, less 1; `begin` is 0.
  package var beginSymbol: Int?
  package var step: Int
  /// nil keeps the dimension whole (begin 0, step 1).
  package var count: Dimension?

  package init(begin: Int, step: Int, count: Int?) {
    self.init(begin: begin, step: step, count: count.map(Dimension.fixed))
  }
  package init(begin: Int, beginSymbol: Int? = nil, step: Int, count: Dimension?) {
    self.begin = begin
    self.beginSymbol = beginSymbol
    self.step = step
    self.count = count
  }

  package static let whole = SliceRange(begin: 0, step: 1, count: nil as Dimension?)

  /// Whether it lies within a dimension; `size` is that of a symbol.
  package func fits(_ length: Int, _ size: (Int) -> Int) -> Bool {
    guard let count else { return true }
    let first = beginSymbol.map { size($0) - 1 } ?? begin
    let taken = if case .symbol(let symbol) = count { size(symbol) } else { count.fixedSize }
    guard (0..<length).contains(first), taken >= 1, taken <= length else { return false }
    // Of 31 bits each: the product stays within 62.
    return (0..<length).contains(first + step * (taken - 1))
  }

  /// The symbols that say in a run whether it fits.
  package func isDynamic(in dimension: Dimension) -> Bool {
    count.map { $0.isDynamic || dimension.isDynamic || beginSymbol != nil } ?? false
  }
}

/// x -> a part of it: one range for each dimension. Where sizes are symbols, a run in which the range does not lie within
/// the dimension is refused.
package struct Slice: Operator {
  package static let schema = OperatorSchema(tensor: "slice", tag: 10)
  package var ranges: [SliceRange] = []

  package init() {}
  package init(_ ranges: [SliceRange]) { self.ranges = ranges }
  package var operation: Operation { .slice(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    var rank = ranges.count
    try coder.rank(&rank)
    try coder.reserved(2)
    try coder.list(&ranges, count: rank, of: "rank", start: .whole) { (coder, range) throws(Coder.Failure) in
      // A symbol stands for its size less 1.
      var begin = range.beginSymbol.map(Dimension.symbol) ?? .fixed(range.begin)
      try coder.dimension("begin", &begin, from: 0, symbolsSince: 3)
      try coder.signed("step", &range.step)
      var count = range.count ?? .fixed(0)
      try coder.dimension("count", &count, from: 0, symbolsSince: 3)
      range.count = count == .fixed(0) ? nil : count
      (range.begin, range.beginSymbol) =
        if case .symbol(let symbol) = begin { (0, symbol) } else { (begin.fixedSize, nil) }
    }
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    var shape = try node.one(nil)
    guard ranges.count == shape.count else { throw node.fault(.shapeMismatch, "ranges") }
    for (position, range) in ranges.enumerated() {
      guard let count = range.count else {
        guard range == .whole else { throw node.fault(.invalidAttribute, "ranges", position) }
        continue
      }
      _ = try node.bound(count, "ranges")
      if let symbol = range.beginSymbol { _ = try node.bound(.symbol(symbol), "ranges") }
      // Where a size is a symbol, the run checks the rest.
      let isPossible =
        range.isDynamic(in: shape[position]) || range.fits(shape[position].fixedSize) { _ in 1 }
      guard range.begin >= 0, range.begin <= maximumDimension, range.beginSymbol == nil || range.begin == 0,
        range.step != 0, (-maximumDimension...maximumDimension).contains(range.step), isPossible
      else { throw node.fault(.invalidAttribute, "ranges", position) }
      shape[position] = count
    }
    return node.same(shape)
  }
}

extension Operation {
  package static func slice(_ ranges: [SliceRange]) -> Operation {
    .slice(Slice(ranges))
  }
}
