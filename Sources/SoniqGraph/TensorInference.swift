import SoniqCore

extension Graph {
  /// Checks a node whose operation is `.tensor` and infers its output.
  func inferredTensor(_ index: Int, _ operation: TensorOperation) throws(GraphError) -> InferredOutput {
    let check = TensorInference(graph: self, index: index)
    switch operation {
    case .constant(let constant): return try check.constant(constant)
    case .unary(let function): return try check.unary(function)
    case .binary(let function): return try check.binary(function)
    case .select: return try check.select()
    case .cast(let type): return try check.cast(type)
    case .transpose(let permutation): return try check.transpose(permutation)
    case .reshape(let shape): return try check.reshape(shape)
    case .expand(let shape): return try check.expand(shape)
    case .concatenate(let axis): return try check.concatenate(axis)
    case .slice(let ranges): return try check.slice(ranges)
    case .pad(let mode, let before, let after, let value): return try check.pad(mode, before, after, value)
    case .gather(let axis): return try check.gather(axis)
    case .reduce(_, let axes, let keeps): return try check.reduce(axes, keepsDimensions: keeps)
    case .softmax(let axis, _):
      let shape = try check.one(.float32)
      try check.require(axis: axis, rank: shape.count)
      return InferredOutput(elementType: .float32, shape: shape)
    case .cumulate(let axis, _, _):
      try check.requireInputs(1...1)
      try check.require(axis: axis, rank: check.shape(0).count)
      return InferredOutput(elementType: check.value(0).elementType, shape: check.shape(0))
    case .argument(_, let axis, let keeps, _): return try check.argument(axis, keepsDimensions: keeps)
    case .matmul(let transposesRight): return try check.matmul(transposesRight: transposesRight)
    case .pool(_, let window): return try check.pool(window)
    case .resize(_, _, _, let height, let width, let scaleHeight, let scaleWidth):
      return try check.resize(height, width, scaleHeight, scaleWidth)
    case .foldTaps(let window, let height, let width, let bias):
      return try check.foldTaps(window, height, width, bias: bias)
    }
  }
}

/// The checks of one tensor node, whose inputs are in range; remembers its index for the errors.
struct TensorInference {
  let graph: Graph
  let index: Int

  var inputs: [ValueID] { graph.nodes[index].inputs }

  func fault(_ code: GraphError.Code, _ field: String, _ element: Int? = nil) -> GraphError {
    GraphError(code, node: index, field: field, element: element)
  }

  func value(_ input: Int) -> Value { graph.values[inputs[input]] }
  func shape(_ input: Int) -> [Dimension] { value(input).shape }

  func requireInputs(_ counts: ClosedRange<Int>) throws(GraphError) {
    guard counts.contains(inputs.count) else { throw fault(.wrongInputCount, "inputs") }
  }

  func require(_ input: Int, is type: ElementType) throws(GraphError) {
    guard value(input).elementType == type else { throw fault(.elementTypeMismatch, "inputs", input) }
  }

  func requireSameType(_ left: Int, _ right: Int) throws(GraphError) {
    try require(right, is: value(left).elementType)
  }

  func require(axis: Int, rank: Int, _ field: String = "axis", _ element: Int? = nil) throws(GraphError) {
    guard (0..<rank).contains(axis) else { throw fault(.invalidAttribute, field, element) }
  }

  func require(_ size: Int, in range: ClosedRange<Int>, _ field: String) throws(GraphError) {
    guard range.contains(size) else { throw fault(.invalidAttribute, field) }
  }

  /// The shape of the one input, of this type or of any.
  func one(_ type: ElementType?) throws(GraphError) -> [Dimension] {
    try requireInputs(1...1)
    if let type { try require(0, is: type) }
    return shape(0)
  }

  /// The one float32 input [B,H,W,C]; H, W and C are fixed.
  func image() throws(GraphError) -> (batch: Dimension, height: Int, width: Int, channels: Int) {
    let shape = try one(.float32)
    guard shape.count == 4, case .fixed(let height) = shape[1], case .fixed(let width) = shape[2],
      case .fixed(let channels) = shape[3]
    else { throw fault(.shapeMismatch, "inputs", 0) }
    return (shape[0], height, width, channels)
  }

  /// The shape in which two shapes meet as in numpy: aligned at the end, dimensions equal or one of them 1.
  func broadcast(
    _ left: [Dimension], _ right: [Dimension], input: Int
  ) throws(GraphError) -> [Dimension] {
    var shape = left.count >= right.count ? left : right
    let other = left.count >= right.count ? right : left
    for position in other.indices {
      let place = shape.count - other.count + position
      if shape[place] == other[position] || other[position] == .fixed(1) { continue }
      guard shape[place] == .fixed(1) else { throw fault(.shapeMismatch, "inputs", input) }
      shape[place] = other[position]
    }
    return shape
  }

  /// A shape without dimensions is [1].
  func atLeastOne(_ shape: [Dimension]) -> [Dimension] { shape.isEmpty ? [.fixed(1)] : shape }

  /// A new size of a dimension.
  func fixed(_ size: Int, _ field: String, _ element: Int? = nil) throws(GraphError) -> Dimension {
    guard (1...maximumDimension).contains(size) else { throw fault(.invalidSize, field, element) }
    return .fixed(size)
  }

  func requireRank(_ rank: Int) throws(GraphError) {
    guard (1...maximumRank).contains(rank) else { throw fault(.invalidSize, "rank") }
  }
}
