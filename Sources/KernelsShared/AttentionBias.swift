import CKernelABI

// Numbers added to the scores: a pass of its own behind the products, for attention that has them.

/// What four query rows have added to their scores: rows of numbers by position of the key.
struct AttentionBias {
  private let rows: (UnsafePointer<Float>, UnsafePointer<Float>, UnsafePointer<Float>, UnsafePointer<Float>)
  /// The positions of the keys, with a valid index behind the last up to a multiple of 16.
  private let positions: UnsafePointer<UInt32>
  private let sequence: Int

  /// Rows `row` ... `row` + 3; the last, row + `last`, stands for those that do not exist.
  @inline(__always) init?(
    _ args: snq_attention_args, _ unit: AttentionUnit, _ positions: UnsafePointer<UInt32>, _ row: Int,
    _ last: Int
  ) {
    guard let bias = unit.bias else { return nil }
    let stride = args.biasRowStride
    rows = (
      bias + row &* stride, bias + (row &+ min(1, last)) &* stride, bias + (row &+ min(2, last)) &* stride,
      bias + (row &+ min(3, last)) &* stride
    )
    self.positions = positions
    sequence = Int(args.sequence)
  }

  @inline(__always) private func row(_ index: Int) -> UnsafePointer<Float> {
    index == 0 ? rows.0 : index == 1 ? rows.1 : index == 2 ? rows.2 : rows.3
  }

  /// The numbers of the sixteen keys from `key` for row `index` of the four; -infinity for those behind the first
  /// `visible`, and for those before `first`.
  @inline(__always) func load(_ index: Int, _ key: Int, from first: Int, _ visible: Int) -> FloatLanes {
    let numbers = load(index, key, visible)
    guard key < first else { return numbers }
    return select(LaneMask(first: min(16, first &- key)), FloatLanes(repeating: -.infinity), numbers)
  }

  /// The same where no key is before the first.
  @inline(__always) func load(_ index: Int, _ key: Int, _ visible: Int) -> FloatLanes {
    let count = max(0, min(16, visible &- key))
    let hidden = FloatLanes(repeating: -.infinity)
    if count == 0 { return hidden }
    // Without a gap before them the keys lie at their own numbers.
    if Int(positions[key &+ count &- 1]) == key &+ count &- 1 {
      if count == 16 { return FloatLanes(load: row(index) + key) }
      return select(LaneMask(first: count), FloatLanes(load: row(index) + key, count: count), hidden)
    }
    let all = FloatLanes(gather: row(index), positions + key, channels: sequence)
    return select(LaneMask(first: count), all, hidden)
  }
}

/// Indices that may be read behind the positions of the valid keys.
@inline(__always) func padPositions(_ positions: UnsafeMutablePointer<UInt32>, _ count: Int, _ padded: Int) {
  for index in count..<padded { positions[index] = 0 }
}

// MARK: Float

/// Adds the bias to the scores of four rows; returns which of them see no key: their bias hides all.
///
/// Not private: the compiler would give it a weak symbol.
@inline(never) func addFloatBias(
  _ bias: AttentionBias, _ scores: UnsafeMutablePointer<Float>, _ padded: Int,
  _ first: (Int, Int, Int, Int), _ visible: (Int, Int, Int, Int)
) -> BlindRows {
  BlindRows(
    addFloatBias(bias, 0, scores, first.0, visible.0),
    addFloatBias(bias, 1, scores + padded, first.1, visible.1),
    addFloatBias(bias, 2, scores + 2 &* padded, first.2, visible.2),
    addFloatBias(bias, 3, scores + 3 &* padded, first.3, visible.3))
}

/// The scores of one row: score + bias. Returns whether all are -infinity.
@inline(__always) private func addFloatBias(
  _ bias: AttentionBias, _ index: Int, _ scores: UnsafeMutablePointer<Float>, _ first: Int, _ visible: Int
) -> Bool {
  var greatest = FloatLanes(repeating: -.infinity)
  var key = first & ~15
  while key < visible {
    let sum = FloatLanes(load: scores + key) + bias.load(index, key, from: first, visible)
    sum.store(scores + key)
    greatest = maximum(select(LaneMask(first: min(16, visible &- key)), sum, greatest), greatest)
    key &+= 16
  }
  // The greatest passes over what is not a number.
  guard greatest.maximum() == -.infinity else { return false }
  key = first
  while key < visible {
    if scores[key] != -.infinity { return false }
    key &+= 1
  }
  return true
}

// MARK: Integer

/// Bias beyond this leaves nothing of the score that it is added to.
let overwhelmingBias: Float = 1e30

/// t of four rows of `reach` keys, bias added and what a row does not see hidden; returns the greatest of every row and
/// which rows see no key.
///
/// Not private: the compiler would give it a weak symbol.
@inline(never) func addIntegerBias(
  _ bias: AttentionBias, _ scratch: IntegerAttentionScratch, _ padded: Int, _ reach: Int,
  _ visible: (Int, Int, Int, Int)
) -> (greatest: (Float, Float, Float, Float), blind: BlindRows) {
  let scores = scratch.scores
  let a = addIntegerBias(bias, 0, scratch, scores, reach, visible.0)
  let b = addIntegerBias(bias, 1, scratch, scores + padded, reach, visible.1)
  let c = addIntegerBias(bias, 2, scratch, scores + 2 &* padded, reach, visible.2)
  let d = addIntegerBias(bias, 3, scratch, scores + 3 &* padded, reach, visible.3)
  return (
    (a.greatest, b.greatest, c.greatest, d.greatest), BlindRows(a.isBlind, b.isBlind, c.isBlind, d.isBlind)
  )
}

/// t = max(fma(bias, log2(e), t), the score of a key that does not exist), which is also that of a NaN.
@inline(__always) private func addIntegerBias(
  _ bias: AttentionBias, _ index: Int, _ scratch: IntegerAttentionScratch,
  _ scores: UnsafeMutablePointer<Float>, _ reach: Int, _ visible: Int
) -> (greatest: Float, isBlind: Bool) {
  let hidden = FloatLanes(repeating: paddingScore)
  let factor = FloatLanes(repeating: 1.442_695_0)
  var greatest = hidden
  var top = FloatLanes(repeating: -.infinity)
  var key = 0
  while key < reach {
    let numbers = bias.load(index, key, visible)
    let score = maximum(fma(numbers, factor, FloatLanes(load: scores + key)), hidden)
    score.store(scores + key)
    greatest = maximum(score, greatest)
    top = maximum(numbers, top)
    key &+= 16
  }
  let topmost = top.maximum()
  if topmost > -overwhelmingBias && topmost < overwhelmingBias { return (greatest.maximum(), false) }
  return (shareTopBias(bias, index, scratch, scores, reach, visible, topmost), topmost == -.infinity)
}

/// t of a row whose greatest bias leaves nothing of the scores: the keys that have it weigh the same. Returns the
/// greatest t.
///
/// Not private: the compiler would give it a weak symbol.
@inline(never) func shareTopBias(
  _ bias: AttentionBias, _ index: Int, _ scratch: IntegerAttentionScratch,
  _ scores: UnsafeMutablePointer<Float>, _ reach: Int, _ visible: Int, _ topmost: Float
) -> Float {
  let hidden = FloatLanes(repeating: paddingScore)
  let top = FloatLanes(repeating: topmost)
  var greatest = hidden
  var key = 0
  while key < reach {
    // Not below the top, but not what is not a number either, and not what does not exist.
    let numbers = maximum(bias.load(index, key, visible), FloatLanes(repeating: -.infinity))
    let shared = select(numbers .< top, hidden, FloatLanes(load: scratch.valueLogs + key))
    let score = select(LaneMask(first: max(0, min(16, visible &- key))), shared, hidden)
    score.store(scores + key)
    greatest = maximum(score, greatest)
    key &+= 16
  }
  return greatest.maximum()
}

/// Those of four query rows that see no key.
struct BlindRows {
  private let rows: (Bool, Bool, Bool, Bool)

  @inline(__always) init(_ a: Bool, _ b: Bool, _ c: Bool, _ d: Bool) { rows = (a, b, c, d) }

  /// Zeros for those of the `count` rows from `row`.
  @inline(__always) func clear(_ args: snq_attention_args, _ unit: AttentionUnit, _ row: Int, _ count: Int) {
    if rows.0 { clearOutput(args, unit, row..<row &+ 1) }
    if rows.1 && count > 1 { clearOutput(args, unit, row &+ 1..<row &+ 2) }
    if rows.2 && count > 2 { clearOutput(args, unit, row &+ 2..<row &+ 3) }
    if rows.3 && count > 3 { clearOutput(args, unit, row &+ 3..<row &+ 4) }
  }
}
