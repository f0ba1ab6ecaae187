import SoniqCore

/// Operations that move elements without changing them.
extension TensorInference {
  private func same(_ shape: [Dimension]) -> InferredOutput {
    InferredOutput(elementType: value(0).elementType, shape: shape)
  }

  func transpose(_ permutation: [Int]) throws(GraphError) -> InferredOutput {
    let shape = try one(nil)
    guard permutation.count == shape.count, Set(permutation) == Set(shape.indices) else {
      throw fault(.notAPermutation, "permutation")
    }
    return same(permutation.map { shape[$0] })
  }

  func reshape(_ target: [Dimension]) throws(GraphError) -> InferredOutput {
    let shape = try one(nil)
    try requireRank(target.count)
    let from = try parts(shape, "inputs")
    let to = try parts(target, "shape")
    guard from.symbols == to.symbols, from.elements == to.elements else {
      throw fault(.shapeMismatch, "shape")
    }
    return same(target)
  }

  /// The symbols of a shape in order, and the product of its fixed dimensions.
  private func parts(
    _ shape: [Dimension], _ field: String
  ) throws(GraphError) -> (symbols: [Int], elements: Int) {
    var symbols: [Int] = []
    var elements = 1
    for (position, dimension) in shape.enumerated() {
      switch dimension {
      case .symbol(let symbol): symbols.append(symbol)
      case .fixed(let size):
        guard let product = checkedProduct(elements, size), product > 0 else {
          throw fault(.invalidSize, field, position)
        }
        elements = product
      }
    }
    return (symbols, elements)
  }

  func expand(_ target: [Dimension]) throws(GraphError) -> InferredOutput {
    let shape = try one(nil)
    try requireRank(target.count)
    // What no input has gets no size in a run.
    for case .symbol(let symbol) in target {
      let isBound = graph.inputs.contains { graph.values[$0.value].shape.contains(.symbol(symbol)) }
      guard isBound else { throw fault(.indexOutOfRange, "shape") }
    }
    guard try broadcast(target, shape, input: 0) == target else { throw fault(.shapeMismatch, "shape") }
    return same(target)
  }

  func concatenate(_ axis: Int) throws(GraphError) -> InferredOutput {
    try requireInputs(1...maximumNodeInputs)
    var shape = shape(0)
    try require(axis: axis, rank: shape.count)
    var sum = 0
    for input in inputs.indices {
      try requireSameType(0, input)
      var other = self.shape(input)
      guard other.count == shape.count, case .fixed(let size) = other[axis] else {
        throw fault(.shapeMismatch, "inputs", input)
      }
      other[axis] = shape[axis]
      guard other == shape else { throw fault(.shapeMismatch, "inputs", input) }
      sum += size  // at most maximumNodeInputs sizes of 31 bits
    }
    shape[axis] = try fixed(sum, "inputs")
    return same(shape)
  }

  func slice(_ ranges: [SliceRange]) throws(GraphError) -> InferredOutput {
    var shape = try one(nil)
    guard ranges.count == shape.count else { throw fault(.shapeMismatch, "ranges") }
    for (position, range) in ranges.enumerated() {
      guard let count = range.count else {
        guard range.begin == 0, range.step == 1 else { throw fault(.invalidAttribute, "ranges", position) }
        continue
      }
      guard case .fixed(let size) = shape[position], (0..<size).contains(range.begin), count >= 1,
        count <= size, range.step != 0, abs(range.step.clamped) <= maximumDimension
      else { throw fault(.invalidAttribute, "ranges", position) }
      // Of 31 bits each: the product stays within 62.
      let last = range.begin + range.step * (count - 1)
      guard (0..<size).contains(last) else { throw fault(.invalidAttribute, "ranges", position) }
      shape[position] = .fixed(count)
    }
    return same(shape)
  }

  func pad(
    _ mode: PadMode, _ before: [Int], _ after: [Int], _ value: Float
  ) throws(GraphError) -> InferredOutput {
    var shape = try one(nil)
    guard before.count == shape.count, after.count == shape.count else {
      throw fault(.shapeMismatch, "before")
    }
    guard !value.isNaN else { throw fault(.invalidAttribute, "value") }
    for position in shape.indices where before[position] != 0 || after[position] != 0 {
      let (low, high) = (before[position], after[position])
      guard case .fixed(let size) = shape[position], (0...maximumDimension).contains(low),
        (0...maximumDimension).contains(high)
      else { throw fault(.invalidAttribute, "before", position) }
      shape[position] = try fixed(low + size + high, "before", position)
    }
    return same(shape)
  }

  func gather(_ axis: Int) throws(GraphError) -> InferredOutput {
    try requireInputs(2...2)
    try require(1, is: .int32)
    let data = shape(0)
    try require(axis: axis, rank: data.count)
    let shape = Array(data[..<axis]) + self.shape(1) + Array(data[(axis + 1)...])
    try requireRank(shape.count)
    return same(shape)
  }
}

extension Int {
  /// Within 33 bits, so that `abs` and products with 31 bits cannot overflow.
  fileprivate var clamped: Int { Swift.min(Swift.max(self, -(1 << 33)), 1 << 33) }
}
