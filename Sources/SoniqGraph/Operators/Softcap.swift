/// Rows of floats -> same shape: cap * tanh(x / cap).
package struct Softcap: Operator {
  package static let schema = OperatorSchema("softcap", tag: 17, since: 3)
  package var cap: Float = 1

  package init() {}
  package init(_ cap: Float) { self.cap = cap }
  package var operation: Operation { .softcap(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.float("cap", &cap)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try node.require(cap.isNormal && cap > 0, "cap")
    return node.floats(try node.rows())
  }
}
