/// data, indices int32 (negative counts from the end; out of range is an error of the run) -> the indices'
/// dimensions in the place of the axis.
package struct Gather: Operator {
  package static let schema = OperatorSchema(tensor: "gather", tag: 12)
  package var axis = 0

  package init() {}
  package init(axis: Int) { self.axis = axis }
  package var operation: Operation { .gather(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.axis(&axis)
    try coder.reserved(2)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try node.requireInputs(2...2)
    try node.require(1, is: .int32)
    let data = node.shape(0)
    try node.require(axis: axis, rank: data.count)
    let shape = Array(data[..<axis]) + node.shape(1) + Array(data[(axis + 1)...])
    try node.requireRank(shape.count)
    return node.same(shape)
  }
}

extension Operation {
  package static func gather(axis: Int) -> Operation {
    .gather(Gather(axis: axis))
  }
}
