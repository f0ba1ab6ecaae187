import SoniqGraph

/// What the heads of queries, keys or values are made of.
struct HeadSource {
  /// [batch, positions, channels]
  let value: ValueID
  let heads: Int
  /// What it is multiplied with.
  let factor: Float

  /// nil when the value is not the heads of such a value in this order of [batch, positions, heads, length].
  init?(_ value: ValueID, _ permutation: [Int], _ matcher: PatternMatcher) {
    var factor: Float = 1
    var current = value
    while let (inner, number) = matcher.scaled(current) {
      factor *= number
      current = inner
    }
    var order = Array(permutation.indices)
    while let node = matcher.maker(current), case .tensor(.transpose(let step)) = node.operation,
      step.permutation.count == 4
    {
      order = order.map { step.permutation[$0] }
      current = node.inputs[0]
      while let (inner, number) = matcher.scaled(current) {
        factor *= number
        current = inner
      }
    }
    guard order == permutation, let whole = matcher.reshaped(current) else { return nil }
    let split = matcher.draft.shape(current)
    var source = whole
    while matcher.draft.rank(source) != 3, let inner = matcher.reshaped(source) { source = inner }
    while let (inner, number) = matcher.scaled(source) {
      factor *= number
      source = inner
    }
    let shape = matcher.draft.shape(source)
    guard shape.count == 3, split.count == 4, split[0] == shape[0], split[1] == shape[1],
      case .fixed(let heads) = split[2], heads > 0
    else { return nil }
    self.value = source
    self.heads = heads
    self.factor = factor
  }
}

extension PatternMatcher {
  /// A value times a number.
  func scaled(_ value: ValueID) -> (ValueID, Float)? {
    for (inner, other) in orders(value, .multiply) {
      if let number = number(other) { return (inner, number) }
    }
    if let (inner, other) = operands(value, .divide), let number = number(other), number != 0 {
      return (inner, 1 / number)
    }
    return nil
  }
}
