import SoniqGraph

/// Keys hidden by a mask that the host gives: its form added to scores, or choosing between them and a number.
enum KeyMask {
  /// The scores that a value has hidden keys of, and the mask. `factor` is what the value is multiplied with before
  /// the softmax.
  static func masked(
    _ value: ValueID, _ matcher: PatternMatcher, factor: Float
  ) -> (scores: ValueID, mask: ValueID)? {
    if let (rest, mask) = added(value, matcher, factor: factor) { return (rest, mask) }
    guard let node = matcher.maker(value), case .tensor(.select) = node.operation,
      let form = MaskEvaluation.of(node.inputs[0], matcher),
      isOfKeys(form, rank: matcher.draft.rank(node.inputs[0]))
    else { return nil }
    let (yes, no) = (node.inputs[1], node.inputs[2])
    if form.whenKept != 0, form.whenMasked == 0, let number = matcher.number(no),
      HiddenScore.hides(number, factor: factor)
    {
      return (yes, form.mask)
    }
    if form.whenKept == 0, form.whenMasked != 0, let number = matcher.number(yes),
      HiddenScore.hides(number, factor: factor)
    {
      return (no, form.mask)
    }
    return nil
  }

  /// What a mask is added to, and the mask.
  static func added(
    _ value: ValueID, _ matcher: PatternMatcher, factor: Float
  ) -> (rest: ValueID, mask: ValueID)? {
    for (rest, other) in matcher.orders(value, .add) {
      if let form = MaskEvaluation.of(other, matcher), isOfKeys(form, rank: matcher.draft.rank(other)),
        form.whenKept == 0, HiddenScore.hides(form.whenMasked, factor: factor)
      {
        return (rest, form.mask)
      }
    }
    return nil
  }

  private static func isOfKeys(_ form: MaskEvaluation, rank: Int) -> Bool {
    rank == 4 && form.batchAxis == 0 && form.positionAxis == 3
  }
}

/// Numbers that a score is set to or lowered by to hide its key.
enum HiddenScore {
  /// Whether such a number, times what comes before the softmax, leaves the key no weight.
  static func hides(_ number: Float, factor: Float) -> Bool { number <= -10_000 && number * factor <= -1_000 }
}
