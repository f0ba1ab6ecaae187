/// Sums of all elements of the axis up to each, without itself where it is exclusive; from the other end where it is
/// reversed. The axis may be a symbol; int32 wraps.
package struct Cumulate: Operator {
  package static let schema = OperatorSchema(tensor: "cumulate", tag: 20)
  package var axis = 0
  package var isExclusive = false
  package var isReversed = false

  package init() {}
  package init(axis: Int, isExclusive: Bool, isReversed: Bool) {
    (self.axis, self.isExclusive, self.isReversed) = (axis, isExclusive, isReversed)
  }
  package var operation: Operation { .cumulate(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.axis(&axis)
    var flags = [isExclusive, isReversed]
    try coder.flags(["isExclusive", "isReversed"], &flags)
    (isExclusive, isReversed) = (flags[0], flags[1])
    try coder.reserved(1)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try node.requireInputs(1...1)
    try node.requireComputed(0)
    try node.require(axis: axis, rank: node.shape(0).count)
    return node.same(node.shape(0))
  }
}

extension Operation {
  package static func cumulate(axis: Int, isExclusive: Bool, isReversed: Bool) -> Operation {
    .cumulate(Cumulate(axis: axis, isExclusive: isExclusive, isReversed: isReversed))
  }
}
