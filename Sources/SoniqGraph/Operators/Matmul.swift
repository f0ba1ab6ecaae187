/// [..., M, K] x [..., K, N] -> [..., M, N] as numpy.matmul, float32. transposesRight: [..., N, K].
package struct Matmul: Operator {
  package static let schema = OperatorSchema(tensor: "matmul", tag: 16)
  package var transposesRight = false

  package init() {}
  package init(transposesRight: Bool) { self.transposesRight = transposesRight }
  package var operation: Operation { .matmul(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.flag("transposesRight", &transposesRight)
    try coder.reserved(2)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try node.requireInputs(2...2)
    try node.require(0, is: .float32)
    try node.require(1, is: .float32)
    let left = node.shape(0)
    let right = node.shape(1)
    guard left.count >= 2 else { throw node.fault(.shapeMismatch, "inputs", 0) }
    guard right.count >= 2 else { throw node.fault(.shapeMismatch, "inputs", 1) }
    let columns = right[right.count - (transposesRight ? 2 : 1)]
    let depth = right[right.count - (transposesRight ? 1 : 2)]
    guard left[left.count - 1] == depth else { throw node.fault(.shapeMismatch, "inputs", 1) }
    let batch = try node.broadcast(Array(left.dropLast(2)), Array(right.dropLast(2)), input: 1)
    return node.floats(batch + [left[left.count - 2], columns])
  }
}

extension Operation {
  package static func matmul(transposesRight: Bool) -> Operation {
    .matmul(Matmul(transposesRight: transposesRight))
  }
}
