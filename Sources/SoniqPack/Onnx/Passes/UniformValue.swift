import SoniqGraph

/// The one number that all elements of a value are, whatever the host gives: of masks that hide nothing, as exporters
/// write them where a model has none.
enum UniformValue {
  /// nil when elements differ, or cannot be told.
  static func of(_ value: ValueID, _ matcher: PatternMatcher) -> Float? {
    var budget = 64
    return evaluate(value, matcher, &budget)
  }

  /// Scores with a mask that hides nothing, whatever the host gives.
  static func unhidden(_ value: ValueID, _ matcher: PatternMatcher) -> ValueID? {
    var scores: ValueID?
    for (inner, other) in matcher.orders(value, .add) where of(other, matcher) == 0 { scores = inner }
    if let node = matcher.maker(value), case .tensor(.select) = node.operation,
      let condition = of(node.inputs[0], matcher)
    {
      scores = node.inputs[condition != 0 ? 1 : 2]
    }
    guard let scores, matcher.draft.shape(scores) == matcher.draft.shape(value) else { return nil }
    return scores
  }

  private static func evaluate(_ value: ValueID, _ matcher: PatternMatcher, _ budget: inout Int) -> Float? {
    budget -= 1
    guard budget > 0 else { return nil }
    if let known = matcher.draft.known(value) { return number(known) }
    guard let node = matcher.maker(value) else { return nil }
    switch node.operation {
    case .tensor(.reshape), .tensor(.expand), .tensor(.transpose), .tensor(.slice):
      return evaluate(node.inputs[0], matcher, &budget)
    case .tensor(.cast(let cast)):
      guard let number = evaluate(node.inputs[0], matcher, &budget) else { return nil }
      guard cast.elementType.byteCount > 1 else { return nil }
      return cast.elementType == .int32 ? number.rounded(.towardZero) : number
    case .element(let function):
      return evaluate(node.inputs[0], matcher, &budget).map { MaskEvaluation.apply(function, $0) }
    case .tensor(.unary(.not)):
      return evaluate(node.inputs[0], matcher, &budget).map { MaskEvaluation.not($0) }
    case .tensor(.binary(let operation)): return binary(operation.function, node.inputs, matcher, &budget)
    case .tensor(.select):
      if let condition = evaluate(node.inputs[0], matcher, &budget) {
        return evaluate(node.inputs[condition != 0 ? 1 : 2], matcher, &budget)
      }
      guard let yes = evaluate(node.inputs[1], matcher, &budget),
        let no = evaluate(node.inputs[2], matcher, &budget), yes == no
      else { return nil }
      return yes
    default: return nil
    }
  }

  /// The number that all elements of a constant are.
  static func number(_ known: KnownTensor) -> Float? {
    if let uniform = known.uniform { return uniform }
    guard let integers = known.integers, let first = integers.first, integers.allSatisfy({ $0 == first })
    else { return nil }
    return Float(first)
  }

  private static func binary(
    _ function: BinaryFunction, _ inputs: [ValueID], _ matcher: PatternMatcher, _ budget: inout Int
  ) -> Float? {
    let left = evaluate(inputs[0], matcher, &budget)
    let right = evaluate(inputs[1], matcher, &budget)
    if let left, let right { return MaskEvaluation.apply(function, left, right) }
    switch (function, left ?? right) {
    case (.and, 0?): return 0
    case (.or, let number?) where number != 0: return 1
    default: break
    }
    if let right { return compared(inputs[0], function, right, matcher) }
    let mirrored: [BinaryFunction: BinaryFunction] = [
      .less: .greater, .lessOrEqual: .greaterOrEqual, .greater: .less, .greaterOrEqual: .lessOrEqual,
      .equal: .equal,
    ]
    guard let left, let turned = mirrored[function] else { return nil }
    return compared(inputs[1], turned, left, matcher)
  }

  /// Counted places against a number that none of them goes below: positions are never negative.
  private static func compared(
    _ value: ValueID, _ function: BinaryFunction, _ number: Float, _ matcher: PatternMatcher
  ) -> Float? {
    guard let least = IndexGrid.of(value, matcher.draft)?.least.map({ Float($0) }) else { return nil }
    switch function {
    case .greaterOrEqual where least >= number, .greater where least > number: return 1
    case .less where least >= number, .lessOrEqual where least > number, .equal where least > number: return 0
    default: return nil
    }
  }
}
