/// [..., inputs of the matrix] -> [..., outputs].
package struct Linear: Operator {
  package static let schema = OperatorSchema("linear", tag: 3)
  /// A matrix without taps, or a floatMatrix.
  package var matrix: ConstantID = 0

  package init() {}
  package init(matrix: ConstantID) { self.matrix = matrix }
  package var operation: Operation { .linear(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.constant("matrix", &matrix)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    let shape = try node.rows()
    let sizes: (inputs: Int, outputs: Int)
    switch try node.constant(matrix, "matrix") {
    case .matrix(let packed) where packed.taps == 1: sizes = (packed.inputs, packed.outputs)
    case .floatMatrix(let float): sizes = (float.inputs, float.outputs)
    default: throw node.fault(.wrongKind, "matrix", constant: matrix)
    }
    guard shape.last == .fixed(sizes.inputs) else {
      throw node.fault(.shapeMismatch, "matrix.inputs", constant: matrix)
    }
    return node.floats(shape.dropLast() + [.fixed(sizes.outputs)])
  }
}

extension Operation {
  package static func linear(matrix: ConstantID) -> Operation {
    .linear(Linear(matrix: matrix))
  }
}
