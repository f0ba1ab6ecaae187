/// How an update meets what is at its place: replaces it, or the sum, product, greater or lesser of both.
package enum ScatterReduction: UInt8, AttributeTag, Hashable, BitwiseCopyable {
  case replace = 1, add, multiply, maximum, minimum
}

/// data, indices int32, updates of the data's type -> data with the updates at places of an axis. Update [.., i, ..]
/// goes to [.., indices[.., i, ..], ..]; negative indices count from the end, others out of range are an error of the
/// run. Updates of one place come one after the other, in their order along the axis. Any type with `replace`, float32
/// or int32 otherwise.
///
/// All three have one rank. A dimension of the indices is that of the updates or 1, along which they are repeated; but
/// for the axis, the updates' are at most the data's.
package struct Scatter: Operator {
  package static let schema = OperatorSchema(tensor: "scatter", tag: 23, since: 3)
  package var axis = 0
  package var reduction = ScatterReduction.replace

  package init() {}
  package init(axis: Int, _ reduction: ScatterReduction) {
    (self.axis, self.reduction) = (axis, reduction)
  }
  package var operation: Operation { .scatter(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.axis(&axis)
    try coder.tag("reduction", &reduction)
    try coder.reserved(1)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    try node.requireInputs(3...3)
    let (data, indices, updates) = (node.shape(0), node.shape(1), node.shape(2))
    try node.require(1, is: .int32, rank: data.count)
    try node.requireSameType(0, 2)
    if reduction != .replace { try node.requireComputed(0) }
    guard updates.count == data.count else { throw node.fault(.shapeMismatch, "inputs", 2) }
    try node.require(axis: axis, rank: data.count)
    for position in data.indices {
      guard indices[position] == updates[position] || indices[position] == .fixed(1) else {
        throw node.fault(.shapeMismatch, "inputs", 1)
      }
      if position == axis || updates[position] == data[position] { continue }
      guard case .fixed(let size) = data[position], case .fixed(let part) = updates[position], part <= size
      else { throw node.fault(.shapeMismatch, "inputs", 2) }
    }
    return node.same(data)
  }
}

extension Operation {
  package static func scatter(axis: Int, _ reduction: ScatterReduction = .replace) -> Operation {
    .scatter(Scatter(axis: axis, reduction))
  }
}
