/// [..., K] -> same shape: each row divided by the root of its mean square, times gamma.
package struct RMSNorm: Operator {
  package static let schema = OperatorSchema("rmsNorm", tag: 13, since: 3)
  /// Dense float32 [K].
  package var gamma: ConstantID = 0
  package var epsilon: Float = 0

  package init() {}
  package init(gamma: ConstantID, epsilon: Float) { (self.gamma, self.epsilon) = (gamma, epsilon) }
  package var operation: Operation { .rmsNorm(self) }
  package var finiteConstants: [(constant: ConstantID, field: String)] { [(gamma, "gamma")] }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.constant("gamma", &gamma)
    try coder.float("epsilon", &epsilon)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    let shape = try node.rows()
    try node.requireRow(gamma, "gamma", of: shape)
    try node.require(positive: epsilon, "epsilon")
    return node.floats(shape)
  }
}

extension Operation {
  package static func rmsNorm(gamma: ConstantID, epsilon: Float) -> Operation {
    .rmsNorm(RMSNorm(gamma: gamma, epsilon: epsilon))
  }
}
