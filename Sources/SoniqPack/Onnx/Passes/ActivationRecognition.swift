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
    let operation: DraftOperation
    let apply: (Double) -> Double
  }

  private static var candidates: [Candidate] {
    let root = (2 / Double.pi).squareRoot()
    return [
      Candidate(operation: .activation(.geluErf)) { 0.5 * $0 * (1 + erf($0 / 2.0.squareRoot())) },
      Candidate(operation: .activation(.geluTanh)) {
        0.5 * $0 * (1 + tanh(root * ($0 + 0.044715 * $0 * $0 * $0)))
      },
      Candidate(operation: .activation(.silu)) { $0 / (1 + exp(-$0)) },
      Candidate(operation: .activation(.hardSwish)) { $0 * min(max($0 / 6 + 0.5, 0), 1) },
      Candidate(operation: .tensor(.unary(.hardSigmoid(alpha: 1 / 6, beta: 0.5)))) {
        min(max($0 / 6 + 0.5, 0), 1)
      },
      Candidate(operation: .tensor(.unary(.mish))) { $0 * tanh(log1p(exp($0))) },
    ]
  }

  static func run(_ draft: inout DraftGraph) throws(PackError) {
    let matcher = PatternMatcher(draft)
    let known = candidates
    for index in draft.nodes.indices {
      let node = draft.nodes[index]
      switch node.operation {
      case .tensor(.binary(Binary(.multiply))), .tensor(.binary(Binary(.divide))): break
      default: continue
      }
      guard draft.values[node.output].elementType == .float32,
        let (operand, operation) = match(node, matcher, known)
      else { continue }
      if case .activation = operation, draft.rank(operand) < 2 { continue }
      draft.nodes[index].operation = operation
      draft.nodes[index].inputs = [operand]
    }
  }

  private static func match(
    _ root: DraftNode, _ matcher: PatternMatcher, _ known: [Candidate]
  ) -> (ValueID, DraftOperation)? {
    var queue = root.inputs
    var seen: Set<ValueID> = []
    var place = 0
    while place < queue.count, place < maximumDepth {
      let value = queue[place]
      place += 1
      guard matcher.draft.known(value) == nil, seen.insert(value).inserted else { continue }
      if matcher.draft.shape(value) == matcher.draft.shape(root.output),
        let operation = function(root.output, of: value, matcher, known)
      {
        return (value, operation)
      }
      if let node = matcher.maker(value), isArithmetic(node.operation) { queue += node.inputs }
    }
    return nil
  }

  private static func function(
    _ root: ValueID, of operand: ValueID, _ matcher: PatternMatcher, _ known: [Candidate]
  ) -> DraftOperation? {
    var results: [Double] = []
    for point in points {
      var values: [ValueID: Double] = [operand: point]
      var budget = 64
      guard let result = evaluate(root, matcher, &values, &budget) else { return nil }
      results.append(result)
    }
    return known.first { candidate in
      zip(points, results).allSatisfy { abs(candidate.apply($0) - $1) <= tolerance }
    }?.operation
  }

  private static func isArithmetic(_ operation: DraftOperation) -> Bool {
    switch operation {
    case .tensor(.unary), .tensor(.binary), .activation: true
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
    case .tensor(.unary(let unary)):
      result = evaluate(node.inputs[0], matcher, &values, &budget).flatMap { apply(unary.function, $0) }
    case .activation(let function):
      result = evaluate(node.inputs[0], matcher, &values, &budget).map { apply(function, $0) }
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

  private static func apply(_ function: UnaryFunction, _ x: Double) -> Double? {
    switch function {
    case .clip(let low, let high): min(max(x, Double(low)), Double(high))
    case .hardSigmoid(let alpha, let beta): min(max(Double(alpha) * x + Double(beta), 0), 1)
    case .softplus: log1p(exp(x))
    case .erf: erf(x)
    case .exponential: exp(x)
    case .logarithm: log(x)
    case .negative: -x
    case .reciprocal: 1 / x
    case .squareRoot: x.squareRoot()
    case .absolute: abs(x)
    default: nil
    }
  }

  private static func apply(_ function: ActivationFunction, _ x: Double) -> Double {
    switch function {
    case .relu: max(x, 0)
    case .relu6: min(max(x, 0), 6)
    case .hardSwish: x * min(max(x / 6 + 0.5, 0), 1)
    case .sigmoid: 1 / (1 + exp(-x))
    case .tanh: tanh(x)
    case .silu: x / (1 + exp(-x))
    case .geluErf: 0.5 * x * (1 + erf(x / 2.0.squareRoot()))
    case .geluTanh: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    }
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
