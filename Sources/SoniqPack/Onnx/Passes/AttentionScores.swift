import SoniqGraph

/// A value that is added to scores, times a number.
struct ScoreBias: Hashable {
  var value: ValueID
  var factor: Float
}

/// What the scores of attention are made of, found from the softmax back to the product of queries and keys.
struct AttentionScores {
  private(set) var query: HeadSource
  private(set) var key: HeadSource
  /// What the product is multiplied with.
  private(set) var factor: Float = 1
  private(set) var mask: ValueID?
  private(set) var isCausal = false
  private(set) var biases: [ScoreBias] = []

  /// The operations between product and softmax that are looked at.
  private static let longest = 12

  static func of(_ value: ValueID, _ matcher: PatternMatcher) -> AttentionScores? {
    var budget = 64
    return Trail().product(value, matcher, longest, &budget)
  }

  /// What was found on the way from the softmax.
  private struct Trail {
    var factor: Float = 1
    var mask: ValueID?
    var isCausal = false
    var biases: [ScoreBias] = []

    /// Scores from this value on; nil when no product of heads is behind it.
    func product(
      _ value: ValueID, _ matcher: PatternMatcher, _ steps: Int, _ budget: inout Int
    ) -> AttentionScores? {
      budget -= 1
      guard steps > 0, budget > 0 else { return nil }
      if let node = matcher.maker(value), case .tensor(.matmul(let matmul)) = node.operation {
        guard let query = HeadSource(node.inputs[0], [0, 2, 1, 3], matcher),
          let key = HeadSource(
            node.inputs[1], matmul.transposesRight ? [0, 2, 1, 3] : [0, 2, 3, 1], matcher)
        else { return nil }
        return AttentionScores(
          query: query, key: key, factor: factor, mask: mask, isCausal: isCausal, biases: biases)
      }
      var next = self
      if let inner = next.step(value, matcher) { return next.product(inner, matcher, steps - 1, &budget) }
      for (inner, other) in matcher.orders(value, .add)
      where matcher.draft.shape(inner) == matcher.draft.shape(value) {
        var next = self
        next.add(other, matcher)
        if let found = next.product(inner, matcher, steps - 1, &budget) { return found }
      }
      return nil
    }

    /// Takes a scale or a mask away; returns what it is of.
    private mutating func step(_ value: ValueID, _ matcher: PatternMatcher) -> ValueID? {
      if let (inner, number) = matcher.scaled(value) {
        factor *= number
        return inner
      }
      if mask == nil, let (inner, found) = KeyMask.masked(value, matcher, factor: factor) {
        mask = found
        return inner
      }
      if let inner = UniformValue.unhidden(value, matcher) { return inner }
      if !isCausal, let inner = CausalMask.masked(value, matcher, factor: factor) {
        isCausal = true
        return inner
      }
      return nil
    }

    /// A value that is added; when it is a sum with a mask of the keys, the mask is one and the rest is added.
    private mutating func add(_ value: ValueID, _ matcher: PatternMatcher) {
      if mask == nil, let (rest, found) = KeyMask.added(value, matcher, factor: factor) {
        mask = found
        biases.append(ScoreBias(value: rest, factor: factor))
      } else {
        biases.append(ScoreBias(value: value, factor: factor))
      }
    }
  }
}
