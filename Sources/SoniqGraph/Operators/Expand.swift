/// x -> broadcast to the shape, whose symbols are in the shape of an input of the graph.
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
    for case .symbol(let symbol) in shape {
      let isBound = node.graph.inputs.contains {
        node.graph.values[$0.value].shape.contains(.symbol(symbol))
      }
      guard isBound else { throw node.fault(.indexOutOfRange, "shape") }
    }
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
