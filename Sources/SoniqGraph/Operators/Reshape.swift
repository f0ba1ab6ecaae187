import SoniqCore

/// x -> same elements. The shape's symbols are those of x, in their order.
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
    let from = try parts(node, input, "inputs")
    let to = try parts(node, shape, "shape")
    guard from.symbols == to.symbols, from.elements == to.elements else {
      throw node.fault(.shapeMismatch, "shape")
    }
    return node.same(shape)
  }

  /// The symbols of a shape in order, and the product of its fixed dimensions.
  private func parts(
    _ node: NodeInference, _ shape: [Dimension], _ field: String
  ) throws(GraphError) -> (symbols: [Int], elements: Int) {
    var symbols: [Int] = []
    var elements = 1
    for (position, dimension) in shape.enumerated() {
      switch dimension {
      case .symbol(let symbol): symbols.append(symbol)
      case .fixed(let size):
        guard let product = checkedProduct(elements, size), product > 0 else {
          throw node.fault(.invalidSize, field, position)
        }
        elements = product
      }
    }
    return (symbols, elements)
  }
}

extension Operation {
  package static func reshape(_ shape: [Dimension]) -> Operation {
    .reshape(Reshape(shape))
  }
}
