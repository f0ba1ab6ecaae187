/// float32 or int32 x -> the `count` largest (smallest) elements along an axis, which is fixed, in their order, and their
/// int32 indices. A count of 0 is all of the axis, which may be a symbol. Of equal elements the one with the lower index
/// comes first. NaN counts as larger than every number.
package struct TopK: Operator {
  package static let schema = OperatorSchema(tensor: "topK", tag: 22, since: 3)
  package var axis = 0
  package var isSmallest = false
  package var count = 1

  package init() {}
  package init(axis: Int, isSmallest: Bool, count: Int) {
    (self.axis, self.isSmallest, self.count) = (axis, isSmallest, count)
  }
  package var operation: Operation { .topK(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.axis(&axis)
    try coder.flag("isSmallest", &isSmallest)
    try coder.reserved(1)
    try coder.word("count", &count, in: 0...maximumDimension)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try inferredOutputs(node)[0]
  }

  package func inferredOutputs(_ node: NodeInference) throws(GraphError) -> [InferredOutput] {
    var shape = try node.one(nil)
    try node.requireComputed(0)
    try node.require(axis: axis, rank: shape.count)
    if count != 0 {
      guard case .fixed(let size) = shape[axis] else { throw node.fault(.shapeMismatch, "inputs", 0) }
      try node.require((1...size).contains(count), "count")
      shape[axis] = .fixed(count)
    }
    return [node.same(shape), InferredOutput(elementType: .int32, shape: shape)]
  }
}

extension Operation {
  package static func topK(axis: Int, isSmallest: Bool = false, count: Int) -> Operation {
    .topK(TopK(axis: axis, isSmallest: isSmallest, count: count))
  }
}
