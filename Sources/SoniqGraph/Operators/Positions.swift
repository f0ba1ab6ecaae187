/// Any int32 [B,S] (for its shape) -> int32 [B,S], value s at [b,s].
package struct Positions: Operator {
  package static let schema = OperatorSchema("positions", tag: 2)

  package init() {}
  package var operation: Operation { .positions }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try node.requireInputs(1...1)
    try node.require(0, is: .int32, rank: 2)
    return InferredOutput(elementType: .int32, shape: node.shape(0))
  }
}
