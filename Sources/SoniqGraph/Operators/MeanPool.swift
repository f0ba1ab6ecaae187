/// x [B,S,K] and optionally a mask int32 [B,S] -> [B,K], mean over the positions not masked.
package struct MeanPool: Operator {
  package static let schema = OperatorSchema("meanPool", tag: 8)

  package init() {}
  package var operation: Operation { .meanPool }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try node.requireInputs(1...2)
    try node.require(0, is: .float32, rank: 3)
    let shape = node.shape(0)
    _ = try node.channels(shape)
    if node.inputs.count == 2 { try node.requireMask(1, positions: Array(shape[..<2])) }
    return node.floats([shape[0], shape[2]])
  }
}
