/// 1 ... `maximumNodeInputs` of one element type and of equal shapes but for the axis.
package struct Concatenate: Operator {
  package static let schema = OperatorSchema(tensor: "concatenate", tag: 9)
  package var axis = 0

  package init() {}
  package init(axis: Int) { self.axis = axis }
  package var operation: Operation { .concatenate(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.axis(&axis)
    try coder.reserved(2)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try node.requireInputs(1...maximumNodeInputs)
    var shape = node.shape(0)
    try node.require(axis: axis, rank: shape.count)
    var terms: [SizeTerm] = []
    for input in node.inputs.indices {
      try node.requireSameType(0, input)
      var other = node.shape(input)
      guard other.count == shape.count else { throw node.fault(.shapeMismatch, "inputs", input) }
      terms += SizeExpression(other[axis]).terms
      other[axis] = shape[axis]
      guard other == shape else { throw node.fault(.shapeMismatch, "inputs", input) }
    }
    shape[axis] = try node.size(SizeExpression(terms), "inputs")
    return node.same(shape)
  }
}

extension Operation {
  package static func concatenate(axis: Int) -> Operation {
    .concatenate(Concatenate(axis: axis))
  }
}
