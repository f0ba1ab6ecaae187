import SoniqGraph

/// A constant that hides from every position the keys behind it, as exporters write it for a fixed length: added to
/// scores, or choosing between them and a number.
enum CausalMask {
  /// The scores that a value has hidden keys of; nil when it is something else. `factor` is what the value is
  /// multiplied with before the softmax.
  static func masked(_ value: ValueID, _ matcher: PatternMatcher, factor: Float) -> ValueID? {
    for (scores, other) in matcher.orders(value, .add) {
      if let constant = numbers(other, scores: scores, matcher),
        isCausal(constant, whenSeen: { $0 == 0 }, whenHidden: { HiddenScore.hides($0, factor: factor) })
      {
        return scores
      }
    }
    guard let node = matcher.maker(value), case .tensor(.select) = node.operation else { return nil }
    let (condition, yes, no) = (node.inputs[0], node.inputs[1], node.inputs[2])
    if let number = matcher.number(no), HiddenScore.hides(number, factor: factor),
      let constant = numbers(condition, scores: yes, matcher),
      isCausal(constant, whenSeen: { $0 != 0 }, whenHidden: { $0 == 0 })
    {
      return yes
    }
    if let number = matcher.number(yes), HiddenScore.hides(number, factor: factor),
      let constant = numbers(condition, scores: no, matcher),
      isCausal(constant, whenSeen: { $0 == 0 }, whenHidden: { $0 != 0 })
    {
      return no
    }
    return nil
  }

  /// A constant [..., positions, keys], all axes but the last two 1, of the size of scores [batch, heads, positions,
  /// keys].
  private static func numbers(
    _ value: ValueID, scores: ValueID, _ matcher: PatternMatcher
  ) -> (size: Int, numbers: [Float])? {
    guard let known = matcher.draft.known(value), known.shape.count >= 2, let size = known.shape.last,
      known.shape.dropLast().last == size, known.shape.dropLast(2).allSatisfy({ $0 == 1 }),
      matcher.draft.rank(scores) == 4, matcher.draft.shape(scores)[2...] == [.fixed(size), .fixed(size)]
    else { return nil }
    if let floats = known.floats { return (size, floats) }
    return known.integers.map { (size, $0.map { Float($0) }) }
  }

  private static func isCausal(
    _ constant: (size: Int, numbers: [Float]), whenSeen: (Float) -> Bool, whenHidden: (Float) -> Bool
  ) -> Bool {
    let size = constant.size
    return (0..<size).allSatisfy { position in
      (0..<size).allSatisfy { key in
        let number = constant.numbers[position * size + key]
        return key <= position ? whenSeen(number) : whenHidden(number)
      }
    }
  }
}
