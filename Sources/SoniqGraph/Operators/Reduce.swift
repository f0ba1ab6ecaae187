package enum ReduceFunction: UInt8, AttributeTag, Hashable, BitwiseCopyable {
  case sum = 1, mean, maximum, minimum, product, sumOfSquares, l1, l2
}

/// float32 over one or more axes; [1] when no dimension is left.
package struct Reduce: Operator {
  package static let schema = OperatorSchema(tensor: "reduce", tag: 13)
  package var function = ReduceFunction.sum
  package var axes: [Int] = []
  package var keepsDimensions = false

  package init() {}
  package init(_ function: ReduceFunction, axes: [Int], keepsDimensions: Bool) {
    (self.function, self.axes, self.keepsDimensions) = (function, axes, keepsDimensions)
  }
  package var operation: Operation { .reduce(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.tag("function", &function)
    try coder.flag("keepsDimensions", &keepsDimensions)
    // A bit for each axis.
    let known = axes.reduce(0) { $0 | 1 << $1 }
    var mask = known
    try coder.byte("axes", &mask, in: 1...255)
    if mask != known { axes = (0..<maximumRank).filter { mask >> $0 & 1 == 1 } }
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    let shape = try node.one(.float32)
    for (position, axis) in axes.enumerated() {
      try node.require(axis: axis, rank: shape.count, "axes", position)
    }
    try node.require(!axes.isEmpty && Set(axes).count == axes.count, "axes")
    return node.floats(node.without(axes, shape, keepsDimensions: keepsDimensions))
  }
}

extension Operation {
  package static func reduce(_ function: ReduceFunction, axes: [Int], keepsDimensions: Bool) -> Operation {
    .reduce(Reduce(function, axes: axes, keepsDimensions: keepsDimensions))
  }
}
