/// x -> its parts along an axis, which is fixed: one output for each size.
package struct Split: Operator {
  package static let schema = OperatorSchema(tensor: "split", tag: 21, since: 3)
  package var axis = 0
  /// 1 ... `maximumNodeOutputs` sizes, whose sum is the axis.
  package var sizes: [Int] = []

  package init() {}
  package init(axis: Int, sizes: [Int]) { (self.axis, self.sizes) = (axis, sizes) }
  package var operation: Operation { .split(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.axis(&axis)
    try coder.reserved(2)
    var count = sizes.count
    try coder.count("sizes.count", &count, limit: maximumNodeOutputs)
    try coder.words("sizes", &sizes, count: count, of: "sizes.count", in: 1...maximumDimension)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try inferredOutputs(node)[0]
  }

  package func inferredOutputs(_ node: NodeInference) throws(GraphError) -> [InferredOutput] {
    let shape = try node.one(nil)
    try node.require(axis: axis, rank: shape.count)
    guard case .fixed(let whole) = shape[axis] else { throw node.fault(.shapeMismatch, "inputs", 0) }
    try node.require((1...maximumNodeOutputs).contains(sizes.count), "sizes.count")
    var rest = whole
    var parts: [InferredOutput] = []
    for (position, size) in sizes.enumerated() {
      guard (1...maximumDimension).contains(size), size <= rest else {
        throw node.fault(.invalidAttribute, "sizes", position)
      }
      rest -= size
      var part = shape
      part[axis] = .fixed(size)
      parts.append(node.same(part))
    }
    try node.require(rest == 0, "sizes")
    return parts
  }
}

extension Operation {
  package static func split(axis: Int, sizes: [Int]) -> Operation { .split(Split(axis: axis, sizes: sizes)) }
}
