/// No inputs -> the dense constant.
package struct ConstantTensor: Operator {
  package static let schema = OperatorSchema(tensor: "constant", tag: 1)
  package var constant: ConstantID = 0

  package init() {}
  package init(_ constant: ConstantID) { self.constant = constant }
  package var operation: Operation { .constant(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.reserved(3)
    try coder.constant("constant", &constant)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try node.requireInputs(0...0)
    let dense = try node.dense(constant, "constant")
    return InferredOutput(elementType: dense.elementType, shape: dense.shape.map(Dimension.fixed))
  }
}

extension Operation {
  package static func constant(_ constant: ConstantID) -> Operation {
    .constant(ConstantTensor(constant))
  }
}
