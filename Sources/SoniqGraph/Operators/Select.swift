/// condition int32, then two of one element type, broadcast.
package struct Select: Operator {
  package static let schema = OperatorSchema(tensor: "select", tag: 4)

  package init() {}
  package var operation: Operation { .select }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.reserved(3)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try node.requireInputs(3...3)
    try node.require(0, is: .int32)
    try node.requireSameType(1, 2)
    let choices = try node.broadcast(node.shape(1), node.shape(2), input: 2)
    return InferredOutput(
      elementType: node.value(1).elementType, shape: try node.broadcast(node.shape(0), choices, input: 0))
  }
}
