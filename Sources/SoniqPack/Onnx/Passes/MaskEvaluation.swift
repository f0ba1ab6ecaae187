import Glibc
import SoniqGraph

/// Follows a value back to a mask that the host gives, int32 [batch, positions] of 0 and 1, and tells what the value
/// is where the mask is 0 and where it is 1.
struct MaskEvaluation {
  /// The host's mask.
  var mask: ValueID
  var whenMasked: Float
  var whenKept: Float
  /// The axes of the value that are the mask's batch and positions; the others are broadcast.
  var batchAxis: Int
  var positionAxis: Int

  /// nil when the value depends on anything else.
  static func of(_ value: ValueID, _ matcher: PatternMatcher) -> MaskEvaluation? {
    var budget = 64
    return evaluate(value, matcher, &budget)
  }

  private static func evaluate(
    _ value: ValueID, _ matcher: PatternMatcher, _ budget: inout Int
  ) -> MaskEvaluation? {
    budget -= 1
    let draft = matcher.draft
    guard budget > 0 else { return nil }
    if draft.inputs.contains(where: { $0.value == value }) {
      guard draft.rank(value) == 2 else { return nil }
      let isWhole = draft.values[value].elementType == .int32
      guard isWhole else { return nil }
      return MaskEvaluation(mask: value, whenMasked: 0, whenKept: 1, batchAxis: 0, positionAxis: 1)
    }
    guard let node = matcher.maker(value) else { return nil }
    switch node.operation {
    case .element(let function):
      return evaluate(node.inputs[0], matcher, &budget)?.mapped { apply(function, $0) }
    case .tensor(.unary(.not)):
      return evaluate(node.inputs[0], matcher, &budget)?.mapped { not($0) }
    case .tensor(.cast(Cast(.int32))) where draft.isBytesOfHost(node.inputs[0]):
      guard draft.rank(value) == 2 else { return nil }
      return MaskEvaluation(mask: value, whenMasked: 0, whenKept: 1, batchAxis: 0, positionAxis: 1)
    case .tensor(.cast(let cast)) where cast.elementType.isComputed:
      return evaluate(node.inputs[0], matcher, &budget)?.mapped {
        cast.elementType == .int32 ? $0.rounded(.towardZero) : $0
      }
    case .tensor(.reshape(let reshape)):
      return evaluate(node.inputs[0], matcher, &budget)?.reshaped(
        draft, from: draft.shape(node.inputs[0]), to: reshape.shape)
    case .tensor(.expand(let expand)):
      return evaluate(node.inputs[0], matcher, &budget)?.aligned(
        from: draft.rank(node.inputs[0]), to: expand.shape.count)
    case .tensor(.binary(let binary)):
      return combined(node, matcher, &budget) { apply(binary.function, $0[0], $0[1]) }
    case .tensor(.select):
      return combined(node, matcher, &budget) { $0[0] != 0 ? $0[1] : $0[2] }
    default: return nil
    }
  }

  /// An operation on masks of the same origin and constants.
  private static func combined(
    _ node: DraftNode, _ matcher: PatternMatcher, _ budget: inout Int, _ apply: ([Float]) -> Float?
  ) -> MaskEvaluation? {
    let rank = matcher.draft.rank(node.output)
    var masked: [Float] = []
    var kept: [Float] = []
    var whole: MaskEvaluation?
    for input in node.inputs {
      if let number = UniformValue.of(input, matcher) {
        masked.append(number)
        kept.append(number)
        continue
      }
      guard let part = evaluate(input, matcher, &budget)?.aligned(from: matcher.draft.rank(input), to: rank)
      else { return nil }
      if let whole {
        guard whole.mask == part.mask, whole.batchAxis == part.batchAxis,
          whole.positionAxis == part.positionAxis
        else { return nil }
      }
      whole = part
      masked.append(part.whenMasked)
      kept.append(part.whenKept)
    }
    guard var whole, let low = apply(masked), let high = apply(kept) else { return nil }
    (whole.whenMasked, whole.whenKept) = (low, high)
    return whole
  }

  private func mapped(_ apply: (Float) -> Float?) -> MaskEvaluation? {
    guard let low = apply(whenMasked), let high = apply(whenKept) else { return nil }
    var result = self
    (result.whenMasked, result.whenKept) = (low, high)
    return result
  }

  /// Dimensions of 1 are added in front.
  private func aligned(from rank: Int, to target: Int) -> MaskEvaluation? {
    guard target >= rank else { return nil }
    var result = self
    result.batchAxis += target - rank
    result.positionAxis += target - rank
    return result
  }

  /// A reshape that adds or drops dimensions of 1 only.
  private func reshaped(_ draft: DraftGraph, from shape: [Dimension], to target: [Dimension])
    -> MaskEvaluation?
  {
    guard let groups = ReshapeGroups.split(draft, shape, target) else { return nil }
    var result = self
    for group in groups {
      let inputs = group.input.filter { shape[$0] != .fixed(1) }
      let outputs = group.output.filter { target[$0] != .fixed(1) }
      guard inputs.count <= 1, inputs.count == outputs.count else { return nil }
      guard let input = inputs.first, let output = outputs.first else { continue }
      if input == batchAxis { result.batchAxis = output }
      if input == positionAxis { result.positionAxis = output }
    }
    // A batch of 1 may be anywhere in front.
    if shape[batchAxis] == .fixed(1) { result.batchAxis = 0 }
    guard shape[positionAxis] != .fixed(1) else { return nil }
    return result
  }

  static func not(_ x: Float) -> Float { x == 0 ? 1 : 0 }

  static func apply(_ function: ElementFunction, _ x: Float) -> Float { Float(function.value(Double(x))) }

  static func apply(_ function: BinaryFunction, _ left: Float, _ right: Float) -> Float? {
    switch function {
    case .add: left + right
    case .subtract: left - right
    case .multiply: left * right
    case .divide: left / right
    case .minimum: min(left, right)
    case .maximum: max(left, right)
    case .equal: left == right ? 1 : 0
    case .less: left < right ? 1 : 0
    case .lessOrEqual: left <= right ? 1 : 0
    case .greater: left > right ? 1 : 0
    case .greaterOrEqual: left >= right ? 1 : 0
    case .and: left != 0 && right != 0 ? 1 : 0
    case .or: left != 0 || right != 0 ? 1 : 0
    default: nil
    }
  }
}

extension DraftGraph {
  /// An input of int8 or uint8.
  fileprivate func isBytesOfHost(_ value: ValueID) -> Bool {
    values[value].elementType.byteCount == 1 && inputs.contains { $0.value == value }
  }
}
