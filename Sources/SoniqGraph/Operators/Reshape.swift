/// x -> the same elements in another shape; the products of sizes must be equal in every run.
package struct Reshape: Operator {
  package static let schema = OperatorSchema(tensor: "reshape", tag: 7)
  package var shape: [Dimension] = []

  package init() {}
  package init(_ shape: [Dimension]) { self.shape = shape }
  package var operation: Operation { .reshape(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.shape(&shape, reserved: 2)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    let input = try node.one(nil)
    try node.requireRank(shape.count)
    for (position, dimension) in shape.enumerated() {
      _ =
        try dimension.isDynamic
        ? node.bound(dimension, "shape") : node.fixed(dimension.fixedSize, "shape", position)
    }
    guard let from = node.elements(input), let to = node.elements(shape) else {
      throw node.fault(.invalidSize, "shape")
    }
    guard from == to else { throw node.fault(.shapeMismatch, "shape") }
    return node.same(shape)
  }
}

extension Operation {
  package static func reshape(_ shape: [Dimension]) -> Operation {
    .reshape(Reshape(shape))
  }
}
