import SoniqGraph

/// Finds what sentence encoders end with: the mean over the positions that a mask keeps, and rows of length 1.
enum PoolingRecognition: DraftPass {
  static func run(_ draft: inout DraftGraph) throws(PackError) {
    let matcher = PatternMatcher(draft)
    for index in draft.nodes.indices {
      let node = draft.nodes[index]
      guard case .tensor(.binary(Binary(.divide))) = node.operation else { continue }
      if let (states, mask) = meanPool(node, matcher) {
        draft.nodes[index].operation = .meanPool
        draft.nodes[index].inputs = [states, mask]
      } else if let (rows, epsilon) = unitRows(node, matcher), draft.rank(rows) >= 2,
        case .fixed? = draft.shape(rows).last
      {
        draft.nodes[index].operation = .l2Normalize(epsilon: epsilon)
        draft.nodes[index].inputs = [rows]
      }
    }
  }

  /// sum(states * mask) / max(sum(mask), something small)
  private static func meanPool(_ node: DraftNode, _ matcher: PatternMatcher) -> (ValueID, ValueID)? {
    guard let product = positionSum(node.inputs[0], matcher),
      let counted = positionSum(atLeast(node.inputs[1], matcher, limit: 1).value, matcher),
      let divisor = mask(counted, matcher)
    else { return nil }
    for (states, other) in matcher.orders(product, .multiply) {
      guard mask(other, matcher) == divisor, matcher.draft.rank(states) == 3,
        matcher.draft.shape(divisor) == Array(matcher.draft.shape(states)[..<2]),
        matcher.draft.shape(states)[2] == matcher.draft.shape(node.output).last
      else { continue }
      return (states, divisor)
    }
    return nil
  }

  private static func positionSum(_ value: ValueID, _ matcher: PatternMatcher) -> ValueID? {
    guard let node = matcher.maker(value),
      case .tensor(.reduce(Reduce(.sum, axes: [1], keepsDimensions: false))) = node.operation
    else { return nil }
    return node.inputs[0]
  }

  /// The host's mask, when a value is 1 where it is and 0 elsewhere.
  private static func mask(_ value: ValueID, _ matcher: PatternMatcher) -> ValueID? {
    guard let form = MaskEvaluation.of(value, matcher), form.whenKept == 1, form.whenMasked == 0,
      form.batchAxis == 0,
      form.positionAxis == 1
    else { return nil }
    return form.mask
  }

  /// A value that is kept above a small number, and the number.
  private static func atLeast(
    _ value: ValueID, _ matcher: PatternMatcher, limit: Float
  ) -> (value: ValueID, least: Float?) {
    var value = value
    if let node = matcher.maker(value), case .tensor(.expand) = node.operation { value = node.inputs[0] }
    if let node = matcher.maker(value), case .element(let function) = node.operation,
      function.kind == .clip, function.beta == .infinity,
      function.alpha <= limit
    {
      return (node.inputs[0], function.alpha)
    }
    for (inner, other) in matcher.orders(value, .maximum) {
      if let number = matcher.number(other), number <= limit { return (inner, number) }
    }
    return (value, nil)
  }

  /// rows / max(length of the rows, epsilon)
  private static func unitRows(_ node: DraftNode, _ matcher: PatternMatcher) -> (ValueID, Float)? {
    let rows = node.inputs[0]
    let (length, epsilon) = atLeast(node.inputs[1], matcher, limit: 1e-3)
    let isLength =
      matcher.reducedLast(length, .l2) == rows
      || matcher.unary(length, .squareRoot).map { isSumOfSquares($0, of: rows, matcher) } ?? false
    guard isLength else { return nil }
    return (rows, max(epsilon ?? 0, 1e-12))
  }

  private static func isSumOfSquares(_ value: ValueID, of rows: ValueID, _ matcher: PatternMatcher) -> Bool {
    if matcher.reducedLast(value, .sumOfSquares) == rows { return true }
    guard let squares = matcher.reducedLast(value, .sum) else { return false }
    if let (base, power) = matcher.operands(squares, .power) {
      return base == rows && matcher.number(power) == 2
    }
    return matcher.operands(squares, .multiply).map { $0 == (rows, rows) } ?? false
  }
}
