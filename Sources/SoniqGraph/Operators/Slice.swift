/// One dimension of a slice: elements begin, begin + step, ... `count` of them; step may be negative.
package struct SliceRange: Sendable, Hashable {
  package var begin: Int
  package var step: Int
  /// nil keeps the dimension whole (begin 0, step 1), as a symbol must be.
  package var count: Int?
  package init(begin: Int, step: Int, count: Int?) {
    self.begin = begin
    self.step = step
    self.count = count
  }
}

/// x -> a part of it: one range for each dimension.
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
    let whole = SliceRange(begin: 0, step: 1, count: nil)
    try coder.list(&ranges, count: rank, of: "rank", start: whole) { (coder, range) throws(Coder.Failure) in
      try coder.word("begin", &range.begin, in: 0...maximumDimension)
      try coder.signed("step", &range.step)
      var count = range.count ?? 0
      try coder.word("count", &count, in: 0...maximumDimension)
      range.count = count == 0 ? nil : count
    }
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    var shape = try node.one(nil)
    guard ranges.count == shape.count else { throw node.fault(.shapeMismatch, "ranges") }
    for (position, range) in ranges.enumerated() {
      guard let count = range.count else {
        guard range.begin == 0, range.step == 1 else {
          throw node.fault(.invalidAttribute, "ranges", position)
        }
        continue
      }
      guard case .fixed(let size) = shape[position], (0..<size).contains(range.begin), count >= 1,
        count <= size, range.step != 0, abs(range.step.clamped) <= maximumDimension
      else { throw node.fault(.invalidAttribute, "ranges", position) }
      // Of 31 bits each: the product stays within 62.
      let last = range.begin + range.step * (count - 1)
      guard (0..<size).contains(last) else { throw node.fault(.invalidAttribute, "ranges", position) }
      shape[position] = .fixed(count)
    }
    return node.same(shape)
  }
}

extension Int {
  /// Within 33 bits, so that `abs` and products with 31 bits cannot overflow.
  fileprivate var clamped: Int { Swift.min(Swift.max(self, -(1 << 33)), 1 << 33) }
}

extension Operation {
  package static func slice(_ ranges: [SliceRange]) -> Operation {
    .slice(Slice(ranges))
  }
}
