/// [..., K] -> same shape: each row less its mean, divided by its deviation, times gamma, plus beta.
package struct LayerNorm: Operator {
  package static let schema = OperatorSchema("layerNorm", tag: 4)
  /// Dense float32 [K].
  package var gamma: ConstantID = 0
  package var beta: ConstantID = 0
  package var epsilon: Float = 0

  package init() {}
  package init(gamma: ConstantID, beta: ConstantID, epsilon: Float) {
    (self.gamma, self.beta, self.epsilon) = (gamma, beta, epsilon)
  }
  package var operation: Operation { .layerNorm(self) }
  package var finiteConstants: [(constant: ConstantID, field: String)] { [(gamma, "gamma"), (beta, "beta")] }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.constant("gamma", &gamma)
    try coder.constant("beta", &beta)
    try coder.float("epsilon", &epsilon)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    let shape = try node.rows()
    try node.requireRow(gamma, "gamma", of: shape)
    try node.requireRow(beta, "beta", of: shape)
    try node.require(positive: epsilon, "epsilon")
    return node.floats(shape)
  }
}

extension Operation {
  package static func layerNorm(gamma: ConstantID, beta: ConstantID, epsilon: Float) -> Operation {
    .layerNorm(LayerNorm(gamma: gamma, beta: beta, epsilon: epsilon))
  }
}
