/// Two of one shape, rows of floats -> same shape.
package struct Add: Operator {
  package static let schema = OperatorSchema("add", tag: 6)

  package init() {}
  package var operation: Operation { .add }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try node.requireInputs(2...2)
    try node.require(0, is: .float32)
    try node.require(1, is: .float32)
    let shape = node.shape(0)
    try node.require(1, hasShape: shape)
    _ = try node.channels(shape)
    return node.floats(shape)
  }
}
