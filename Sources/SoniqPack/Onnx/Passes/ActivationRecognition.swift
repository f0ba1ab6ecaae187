import Glibc
import SoniqGraph

/// Finds activation functions that exporters write as arithmetic, by what they compute: the arithmetic between a
/// product and one of the values it comes from is tried at a few points and compared with the functions that are known.
enum ActivationRecognition: DraftPass {
  private static let points: [Double] = [
    -6, -4.5, -3.2, -2.5, -1.5, -1, -0.5, -0.1, 0, 0.2, 0.7, 1.3, 2.2, 2.9, 3.5, 5,
  ]
  private static let tolerance = 2e-5
  /// How many values back the operand is looked for.
  private static let maximumDepth = 14

  private struct Candidate {
    let function: ElementFunction
    let value: @Sendable (Double) -> Double
  }

  private static let candidates: [ElementFunction] = [
    .geluErf, .geluTanh, .silu, .hardSwish, .hardSigmoid(alpha: 1 / 6, beta: 0.5), ElementFunction(.mish),
  ]

  static func run(_ draft: inout DraftGraph) throws(PackError) {
    let matcher = PatternMatcher(draft)
    let known = candidates.map { Candidate(function: $0, value: $0.value) }
    for index in draft.nodes.indices {
      let node = draft.nodes[index]
      switch node.operation {
      case .tensor(.binary(Binary(.multiply))), .tensor(.binary(Binary(.divide))): break
      default: continue
      }
      guard draft.values[node.output].elementType == .float32,
        let (operand, function) = match(node, matcher, known),
        !function.kind.isActivation || draft.rank(operand) >= 2
      else { continue }
      draft.nodes[index].operation = .element(function)
      draft.nodes[index].inputs = [operand]
    }
  }

  private static func match(
    _ root: DraftNode, _ matcher: PatternMatcher, _ known: [Candidate]
  ) -> (ValueID, ElementFunction)? {
    var queue = root.inputs
    var seen: Set<ValueID> = []
    var place = 0
    while place < queue.count, place < maximumDepth {
      let value = queue[place]
      place += 1
      guard matcher.draft.known(value) == nil, seen.insert(value).inserted else { continue }
      if matcher.draft.shape(value) == matcher.draft.shape(root.output),
        let function = function(root.output, of: value, matcher, known)
      {
        return (value, function)
      }
      if let node = matcher.maker(value), isArithmetic(node.operation) { queue += node.inputs }
    }
    return nil
  }

  private static func function(
    _ root: ValueID, of operand: ValueID, _ matcher: PatternMatcher, _ known: [Candidate]
  ) -> ElementFunction? {
    var results: [Double] = []
    for point in points {
      var values: [ValueID: Double] = [operand: point]
      var budget = 64
      guard let result = evaluate(root, matcher, &values, &budget) else { return nil }
      results.append(result)
    }
    return known.first { candidate in
      zip(points, results).allSatisfy { abs(candidate.value($0) - $1) <= tolerance }
    }?.function
  }

  private static func isArithmetic(_ operation: DraftOperation) -> Bool {
    switch operation {
    case .element, .tensor(.binary): true
    default: false
    }
  }

  /// The value at a point; nil when it depends on anything but the operand.
  private static func evaluate(
    _ value: ValueID, _ matcher: PatternMatcher, _ values: inout [ValueID: Double], _ budget: inout Int
  ) -> Double? {
    if let done = values[value] { return done }
    if matcher.draft.known(value) != nil { return matcher.number(value).map { Double($0) } }
    budget -= 1
    guard budget > 0, let node = matcher.maker(value) else { return nil }
    var result: Double?
    switch node.operation {
    case .element(let function):
      result = evaluate(node.inputs[0], matcher, &values, &budget).map { function.value($0) }
    case .tensor(.binary(let binary)):
      guard let left = evaluate(node.inputs[0], matcher, &values, &budget),
        let right = evaluate(node.inputs[1], matcher, &values, &budget)
      else { return nil }
      result = apply(binary.function, left, right)
    default: return nil
    }
    values[value] = result
    return result
  }

  private static func apply(_ function: BinaryFunction, _ left: Double, _ right: Double) -> Double? {
    switch function {
    case .add: left + right
    case .subtract: left - right
    case .multiply: left * right
    case .divide: left / right
    case .minimum: min(left, right)
    case .maximum: max(left, right)
    case .power: pow(left, right)
    default: nil
    }
  }
}
