/// Operations in which many elements make one.
extension TensorInference {
  func reduce(_ axes: [Int], keepsDimensions: Bool) throws(GraphError) -> InferredOutput {
    let shape = try one(.float32)
    for (position, axis) in axes.enumerated() {
      try require(axis: axis, rank: shape.count, "axes", position)
    }
    guard !axes.isEmpty, Set(axes).count == axes.count else { throw fault(.invalidAttribute, "axes") }
    return InferredOutput(
      elementType: .float32, shape: without(axes, shape, keepsDimensions: keepsDimensions))
  }

  func argument(_ axis: Int, keepsDimensions: Bool) throws(GraphError) -> InferredOutput {
    let shape = try one(.float32)
    try require(axis: axis, rank: shape.count)
    return InferredOutput(
      elementType: .int32, shape: without([axis], shape, keepsDimensions: keepsDimensions))
  }

  private func without(_ axes: [Int], _ shape: [Dimension], keepsDimensions: Bool) -> [Dimension] {
    let reduced = shape.indices.compactMap { position -> Dimension? in
      guard axes.contains(position) else { return shape[position] }
      return keepsDimensions ? .fixed(1) : nil
    }
    return atLeastOne(reduced)
  }

  func matmul(transposesRight: Bool) throws(GraphError) -> InferredOutput {
    try requireInputs(2...2)
    try require(0, is: .float32)
    try require(1, is: .float32)
    let left = shape(0)
    let right = shape(1)
    guard left.count >= 2 else { throw fault(.shapeMismatch, "inputs", 0) }
    guard right.count >= 2 else { throw fault(.shapeMismatch, "inputs", 1) }
    let columns = right[right.count - (transposesRight ? 2 : 1)]
    let depth = right[right.count - (transposesRight ? 1 : 2)]
    guard left[left.count - 1] == depth else { throw fault(.shapeMismatch, "inputs", 1) }
    let batch = try broadcast(Array(left.dropLast(2)), Array(right.dropLast(2)), input: 1)
    return InferredOutput(elementType: .float32, shape: batch + [left[left.count - 2], columns])
  }
}
