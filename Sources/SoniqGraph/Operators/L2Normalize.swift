/// [..., K] -> same shape, each row divided by max(its Euclidean norm, epsilon).
package struct L2Normalize: Operator {
  package static let schema = OperatorSchema("l2Normalize", tag: 9)
  package var epsilon: Float = 0

  package init() {}
  package init(epsilon: Float) { self.epsilon = epsilon }
  package var operation: Operation { .l2Normalize(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.float("epsilon", &epsilon)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try node.require(positive: epsilon, "epsilon")
    return node.floats(try node.rows())
  }
}

extension Operation {
  package static func l2Normalize(epsilon: Float) -> Operation {
    .l2Normalize(L2Normalize(epsilon: epsilon))
  }
}
