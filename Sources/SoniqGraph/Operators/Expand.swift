/// x -> broadcast to the shape, whose symbols are in the shape of an input of the graph, or defined.
package struct Expand: Operator {
  package static let schema = OperatorSchema(tensor: "expand", tag: 8)
  package var shape: [Dimension] = []

  package init() {}
  package init(_ shape: [Dimension]) { self.shape = shape }
  package var operation: Operation { .expand(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.shape(&shape, reserved: 2)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    let input = try node.one(nil)
    try node.requireRank(shape.count)
    // What no input has gets no size in a run.
    for dimension in shape { _ = try node.bound(dimension, "shape") }
    guard try node.broadcast(shape, input, input: 0) == shape else {
      throw node.fault(.shapeMismatch, "shape")
    }
    return node.same(shape)
  }
}

extension Operation {
  package static func expand(_ shape: [Dimension]) -> Operation {
    .expand(Expand(shape))
  }
}
