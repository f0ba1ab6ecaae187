/// float32; the axis may be a symbol.
package struct Softmax: Operator {
  package static let schema = OperatorSchema(tensor: "softmax", tag: 14)
  package var axis = 0
  package var isLogarithm = false

  package init() {}
  package init(axis: Int, isLogarithm: Bool = false) { (self.axis, self.isLogarithm) = (axis, isLogarithm) }
  package var operation: Operation { .softmax(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.axis(&axis)
    try coder.flag("isLogarithm", &isLogarithm)
    try coder.reserved(1)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    let shape = try node.one(.float32)
    try node.require(axis: axis, rank: shape.count)
    return node.floats(shape)
  }
}

extension Operation {
  package static func softmax(axis: Int, isLogarithm: Bool) -> Operation {
    .softmax(Softmax(axis: axis, isLogarithm: isLogarithm))
  }
}
