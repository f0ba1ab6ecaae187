import SoniqGraph

/// Finds norms over the last axis that are written as arithmetic: layer norms,
/// (x - mean(x)) / sqrt(mean((x - mean(x))²) + epsilon) * gamma + beta, and norms by the root of the mean square,
/// x / sqrt(mean(x²) + epsilon) * gamma.
enum NormRecognition: DraftPass {
  static func run(_ draft: inout DraftGraph) throws(PackError) {
    var matcher = PatternMatcher(draft)
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
    // With gamma first: its product is behind the norm without.
    for hasGamma in [true, false] {
      matcher = PatternMatcher(draft)
      for index in draft.nodes.indices { recognizeRMSNorm(index, hasGamma: hasGamma, &draft, matcher) }
    }
  }

  private static func recognizeRMSNorm(
    _ index: Int, hasGamma: Bool, _ draft: inout DraftGraph, _ matcher: PatternMatcher
  ) {
    let output = draft.nodes[index].output
    guard draft.rank(output) >= 2, case .fixed(let channels)? = draft.shape(output).last else { return }
    let products: [(ValueID, ValueID?)] =
      hasGamma
      ? matcher.orders(output, .multiply).filter { draft.known($0.1) != nil }.map { ($0.0, $0.1) }
      : [(output, nil)]
    for (product, gamma) in products {
      guard let form = rootForm(product, matcher), draft.shape(form.input) == draft.shape(output),
        let gamma = row(gamma, draft, channels, neutral: 1)
      else { continue }
      draft.nodes[index].operation = .rmsNorm(gamma: gamma, epsilon: form.epsilon)
      draft.nodes[index].inputs = [form.input]
      return
    }
  }

  /// x / sqrt(mean(x²) + epsilon), or times its reciprocal.
  private static func rootForm(_ value: ValueID, _ matcher: PatternMatcher) -> Form? {
    for (input, root) in quotients(value, matcher) {
      guard let sum = matcher.unary(root, .squareRoot) else { continue }
      for (square, epsilon) in matcher.orders(sum, .add) {
        guard let number = matcher.number(epsilon), number > 0,
          let squares = matcher.reducedLast(square, .mean),
          isSquare(squares, matcher, of: { $0 == input })
        else { continue }
        return Form(input: input, epsilon: number)
      }
    }
    return nil
  }

  /// What a value may be the quotient of: a / b, a * (1 / b).
  private static func quotients(_ value: ValueID, _ matcher: PatternMatcher) -> [(ValueID, ValueID)] {
    if let (left, right) = matcher.operands(value, .divide) { return [(left, right)] }
    return matcher.orders(value, .multiply).compactMap { other, inverse in
      if let root = matcher.unary(inverse, .reciprocal) { return (other, root) }
      guard let (one, root) = matcher.operands(inverse, .divide), matcher.number(one) == 1 else { return nil }
      return (other, root)
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
    for (centred, root) in quotients(value, matcher) {
      if let sum = matcher.unary(root, .squareRoot) { return form(centred, sum, matcher) }
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
    return isSquare(value, matcher, of: isCentred)
  }

  private static func isSquare(
    _ value: ValueID, _ matcher: PatternMatcher, of isBase: (ValueID) -> Bool
  ) -> Bool {
    if let (base, power) = matcher.operands(value, .power) {
      return isBase(base) && matcher.number(power) == 2
    }
    if let (left, right) = matcher.operands(value, .multiply) { return isBase(left) && isBase(right) }
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

extension DraftOperation {
  static func rmsNorm(gamma: [Float], epsilon: Float) -> DraftOperation {
    .rows([DraftRow(suffix: "weight", floats: gamma)]) { .rmsNorm(gamma: $0[0], epsilon: epsilon) }
  }
}
