package enum PadMode: UInt8, AttributeTag, Hashable, BitwiseCopyable {
  case constant = 1, reflect, edge, wrap
}

/// Counts before and after each dimension (not negative). The modes
/// repeat when a count exceeds the dimension. Other types than float32 take the value as `Cast`
/// does.
package struct Pad: Operator {
  package static let schema = OperatorSchema(tensor: "pad", tag: 11)
  package var mode = PadMode.constant
  package var before: [Int] = []
  package var after: [Int] = []
  package var value: Float = 0

  package init() {}
  package init(_ mode: PadMode, before: [Int], after: [Int], value: Float) {
    (self.mode, self.before, self.after, self.value) = (mode, before, after, value)
  }
  package var operation: Operation { .pad(self) }

  package mutating func code<Coder: AttributeCoder>(_ coder: inout Coder) throws(Coder.Failure) {
    try coder.tag("mode", &mode)
    var rank = before.count
    try coder.rank(&rank)
    try coder.reserved(1)
    try coder.float("value", &value)
    try coder.words("before", &before, count: rank, of: "rank", in: 0...maximumDimension)
    try coder.words("after", &after, count: rank, of: "rank", in: 0...maximumDimension)
  }

  package func inferredOutput(_ node: NodeInference) throws(GraphError) -> InferredOutput {
    var shape = try node.one(nil)
    guard before.count == shape.count, after.count == shape.count else {
      throw node.fault(.shapeMismatch, "before")
    }
    try node.require(!value.isNaN, "value")
    for position in shape.indices where before[position] != 0 || after[position] != 0 {
      let (low, high) = (before[position], after[position])
      guard (0...maximumDimension).contains(low), (0...maximumDimension).contains(high) else {
        throw node.fault(.invalidAttribute, "before", position)
      }
      shape[position] = try node.sum(shape[position], plus: low + high, "before", position)
    }
    return node.same(shape)
  }
}

extension Operation {
  package static func pad(_ mode: PadMode, before: [Int], after: [Int], value: Float) -> Operation {
    .pad(Pad(mode, before: before, after: after, value: value))
  }
}
