import SoniqGraph

/// Looks from values back at what makes them.
struct PatternMatcher {
  let draft: DraftGraph
  private let makers: [Int?]
  let uses: [Int]

  init(_ draft: DraftGraph) {
    self.draft = draft
    makers = draft.makers()
    uses = draft.useCounts()
  }

  func maker(_ value: ValueID) -> DraftNode? {
    makers.indices.contains(value) ? makers[value].map { draft.nodes[$0] } : nil
  }

  /// Both operands of the function of two numbers that makes the value.
  func operands(_ value: ValueID, _ function: BinaryFunction) -> (left: ValueID, right: ValueID)? {
    guard let node = maker(value), case .tensor(.binary(Binary(function))) = node.operation else {
      return nil
    }
    return (node.inputs[0], node.inputs[1])
  }

  /// The operands in both orders.
  func orders(_ value: ValueID, _ function: BinaryFunction) -> [(ValueID, ValueID)] {
    operands(value, function).map { [($0.left, $0.right), ($0.right, $0.left)] } ?? []
  }

  /// The operand of a function of one number.
  func unary(_ value: ValueID, _ kind: ElementKind) -> ValueID? {
    guard let node = maker(value), case .element(let function) = node.operation, function.kind == kind
    else { return nil }
    return node.inputs[0]
  }

  /// The operand of `not`.
  func inverted(_ value: ValueID) -> ValueID? {
    guard let node = maker(value), case .tensor(.unary(.not)) = node.operation else { return nil }
    return node.inputs[0]
  }

  /// The number that all elements of a constant are.
  func number(_ value: ValueID) -> Float? { draft.known(value)?.uniform }

  /// The operand of a transpose, which must be this one.
  func transposed(_ value: ValueID, _ permutation: [Int]) -> ValueID? {
    guard let node = maker(value), case .tensor(.transpose(Transpose(permutation))) = node.operation else {
      return nil
    }
    return node.inputs[0]
  }

  /// What a reshape has another shape of.
  func reshaped(_ value: ValueID) -> ValueID? {
    guard let node = maker(value), case .tensor(.reshape) = node.operation else { return nil }
    return node.inputs[0]
  }

  /// The operand of a reduction over the last axis that keeps it.
  func reducedLast(_ value: ValueID, _ function: ReduceFunction) -> ValueID? {
    guard let node = maker(value), case .tensor(.reduce(let reduce)) = node.operation,
      reduce == Reduce(function, axes: [draft.rank(node.inputs[0]) - 1], keepsDimensions: true)
    else { return nil }
    return node.inputs[0]
  }
}
