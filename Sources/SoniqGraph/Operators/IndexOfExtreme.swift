/// float32 -> int32: index of the largest (smallest) element, the first or last of equal ones.
package struct IndexOfExtreme: Operator {
  package static let schema = OperatorSchema(tensor: "argument", tag: 15)
  package var isMinimum = false
  package var axis = 0
  package var keepsDimensions = false
  package var selectsLast = false

  package init() {}
  package init(isMinimum: Bool, axis: Int, keepsDimensions: Bool, selectsLast: Bool) {
    (self.isMinimum, self.axis) = (isMinimum, axis)
    (self.keepsDimensions, self.selectsLast) = (keepsDimensions, selectsLast)
  }
  package var operation: Operation { .argument(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.axis(&axis)
    var flags = [isMinimum, keepsDimensions, selectsLast]
    try coder.flags(["isMinimum", "keepsDimensions", "selectsLast"], &flags)
    (isMinimum, keepsDimensions, selectsLast) = (flags[0], flags[1], flags[2])
    try coder.reserved(1)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    let shape = try node.one(.float32)
    try node.require(axis: axis, rank: shape.count)
    return InferredOutput(
      elementType: .int32, shape: node.without([axis], shape, keepsDimensions: keepsDimensions))
  }
}

extension Operation {
  package static func argument(
    isMinimum: Bool, axis: Int, keepsDimensions: Bool, selectsLast: Bool
  ) -> Operation {
    .argument(
      IndexOfExtreme(
        isMinimum: isMinimum, axis: axis, keepsDimensions: keepsDimensions, selectsLast: selectsLast))
  }
}
