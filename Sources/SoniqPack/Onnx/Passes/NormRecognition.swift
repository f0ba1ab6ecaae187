import SoniqGraph

/// Finds layer norms over the last axis that are written as arithmetic:
/// (x - mean(x)) / sqrt(mean((x - mean(x))²) + epsilon) * gamma + beta.
enum NormRecognition: DraftPass {
  static func run(_ draft: inout DraftGraph) throws(PackError) {
    let matcher = PatternMatcher(draft)
    for index in draft.nodes.indices {
      let node = draft.nodes[index]
      guard let form = norm(node.output, matcher), draft.rank(node.output) >= 2,
        case .fixed(let channels)? = draft.shape(node.output).last,
        let gamma = row(form.gamma, draft, channels, neutral: 1),
        let beta = row(form.beta, draft, channels, neutral: 0)
      else { continue }
      draft.nodes[index].operation = .layerNorm(gamma: gamma, beta: beta, epsilon: form.epsilon)
      draft.nodes[index].inputs = [form.input]
    }
  }

  private struct Form {
    var input: ValueID
    var epsilon: Float
    var gamma: ValueID?
    var beta: ValueID?
  }

  private static func norm(_ value: ValueID, _ matcher: PatternMatcher) -> Form? {
    for (product, beta) in matcher.orders(value, .add) where matcher.draft.known(beta) != nil {
      for (quotient, gamma) in matcher.orders(product, .multiply) where matcher.draft.known(gamma) != nil {
        guard var form = quotientForm(quotient, matcher) else { continue }
        (form.gamma, form.beta) = (gamma, beta)
        return form
      }
      // gamma may be in the factor: (x - mean) * (gamma / sqrt(...)) is not written by any exporter.
    }
    return nil
  }

  /// (x - mean) / sqrt(variance + epsilon), or times its reciprocal.
  private static func quotientForm(_ value: ValueID, _ matcher: PatternMatcher) -> Form? {
    if let (centred, root) = matcher.operands(value, .divide) {
      guard let sum = matcher.unary(root, .squareRoot) else { return nil }
      return form(centred, sum, matcher)
    }
    for (centred, inverse) in matcher.orders(value, .multiply) {
      if let root = matcher.unary(inverse, .reciprocal), let sum = matcher.unary(root, .squareRoot) {
        return form(centred, sum, matcher)
      }
    }
    return nil
  }

  private static func form(_ centred: ValueID, _ sum: ValueID, _ matcher: PatternMatcher) -> Form? {
    guard let (input, mean) = matcher.operands(centred, .subtract), matcher.reducedLast(mean, .mean) == input
    else {
      return nil
    }
    for (variance, epsilon) in matcher.orders(sum, .add) {
      guard let number = matcher.number(epsilon), number > 0,
        let squares = matcher.reducedLast(variance, .mean),
        isSquare(squares, of: centred, input, matcher)
      else { continue }
      return Form(input: input, epsilon: number)
    }
    return nil
  }

  /// Whether a value is the square of the centred input, which some exporters compute twice.
  private static func isSquare(
    _ value: ValueID, of centred: ValueID, _ input: ValueID, _ matcher: PatternMatcher
  ) -> Bool {
    func isCentred(_ other: ValueID) -> Bool {
      if other == centred { return true }
      guard let (left, right) = matcher.operands(other, .subtract) else { return false }
      return left == input && matcher.reducedLast(right, .mean) == input
    }
    if let (base, power) = matcher.operands(value, .power) {
      return isCentred(base) && matcher.number(power) == 2
    }
    if let (left, right) = matcher.operands(value, .multiply) { return isCentred(left) && isCentred(right) }
    return false
  }

  private static func row(_ value: ValueID?, _ draft: DraftGraph, _ channels: Int, neutral: Float) -> [Float]?
  {
    guard let value else { return [Float](repeating: neutral, count: channels) }
    guard let known = draft.known(value), let floats = known.floats else { return nil }
    if floats.count == 1 { return [Float](repeating: floats[0], count: channels) }
    return floats.count == channels && known.shape.last == channels ? floats : nil
  }
}
