import CKernelABI

/// The scratch of one thread, for V valid keys padded to 32 and d channels padded to 16.
struct FloatAttentionScratch {
  /// Key tiles: [key block of 16][channel][16 keys]; padding keys are 0.
  let keys: UnsafeMutablePointer<Float>
  /// [valid key][padded channels].
  let values: UnsafeMutablePointer<Float>
  /// Scores, then probabilities, of four query rows: [4][padded keys].
  let scores: UnsafeMutablePointer<Float>
  /// Sixteen channels of sixteen keys, by keys and then by channels.
  let block: UnsafeMutablePointer<Float>
  let positions: UnsafeMutablePointer<UInt32>

  @inline(__always) init(_ start: UnsafeMutablePointer<UInt8>, _ sequence: Int, _ headDim: Int) {
    let padded = roundedUp(sequence, to: 32)
    keys = UnsafeMutableRawPointer(start).assumingMemoryBound(to: Float.self)
    values = keys + padded &* headDim
    scores = values + padded &* roundedUp(headDim, to: 16)
    block = scores + 4 &* padded
    positions = UnsafeMutableRawPointer(block + 512).assumingMemoryBound(to: UInt32.self)
  }
  @inline(__always) static func byteCount(_ sequence: Int, _ headDim: Int) -> Int {
    4 &* (roundedUp(sequence, to: 32) &* (headDim &+ roundedUp(headDim, to: 16) &+ 5) &+ 512)
  }
}

@inline(never) func floatAttention(
  _ pointer: UnsafePointer<snq_attention_args>, _ unitBegin: UInt32, _ unitEnd: UInt32
) {
  let heads = pointer.pointee.heads
  let keys = Int(pointer.pointee.past) &+ Int(pointer.pointee.sequence)
  guard heads > 0, attentionSizesAreValid(keys, pointer.pointee.headDim, most: mostFloatKeys) else { return }
  let sharing = max(1, Int(pointer.pointee.queryHeads))
  let isOneQuery = isOneQuery(pointer.pointee)
  var index = Int(unitBegin)
  while index < Int(unitEnd) {
    let head = index % Int(heads) % sharing
    if isOneQuery {
      let together = min(4, sharing &- head, Int(unitEnd) &- index)
      attendWithOneQuery(pointer, index, together)
      index &+= together
    } else {
      attendInFloats(pointer, index, isPacked: head > 0 && index > Int(unitBegin))
      index &+= 1
    }
  }
}

/// One batch entry and head; with `isPacked` its keys and values are in the scratch from the head before. Not private:
/// the compiler would give it a weak symbol.
@inline(never) func attendInFloats(
  _ pointer: UnsafePointer<snq_attention_args>, _ index: Int, isPacked: Bool
) {
  let args = pointer.pointee
  guard let start = args.scratch, let unit = AttentionUnit(args, index) else { return }
  let sequence = Int(args.sequence)
  let keys = Int(args.past) &+ sequence
  let scratch = FloatAttentionScratch(start, keys, Int(args.headDim))
  let count = validPositions(unit.mask, keys, scratch.positions)
  if count == 0 {
    clearOutput(args, unit, 0..<sequence)
    return
  }
  var visibleKeys = VisibleKeys(args, scratch.positions, count)
  // What is before the window of the first row is in that of no other.
  let begin = visibleKeys.firstOfFour(0, 0).0 & ~31
  if !isPacked { packKeysAndValues(args, unit, scratch, begin, count) }
  let padded = roundedUp(count, to: 32)
  if unit.bias != nil { padPositions(scratch.positions, count, padded) }
  var row = 0
  while row < sequence {
    let rows = min(4, sequence &- row)
    // A group of fewer than four rows repeats its last one.
    let first = visibleKeys.firstOfFour(row, rows &- 1)
    let visible = visibleKeys.ofFour(row, rows &- 1)
    scoreRows(
      args, unit, scratch, padded, first.0 & ~31, roundedUp(visible.3, to: 32), row, rows &- 1)
    if args.softcap > 0 { capScores(scratch.scores, padded, first.0 & ~15, visible.3, args.softcap) }
    var blind: BlindRows?
    if let bias = AttentionBias(args, unit, scratch.positions, row, rows &- 1) {
      blind = addFloatBias(bias, scratch.scores, padded, first, visible)
    }
    softmaxInPlace(scratch.scores, first.0, visible.0)
    softmaxInPlace(scratch.scores + padded, first.1, visible.1)
    softmaxInPlace(scratch.scores + 2 &* padded, first.2, visible.2)
    softmaxInPlace(scratch.scores + 3 &* padded, first.3, visible.3)
    weighValues(args, unit, scratch, padded, first, visible, row, rows)
    if let blind { blind.clear(args, unit, row, rows) }
    row &+= 4
  }
}

/// softcap * tanh(score / softcap) of four rows, of the keys from `begin`, a multiple of 16, to `end`. Not private: the
/// compiler would give it a weak symbol.
@inline(never) func capScores(
  _ scores: UnsafeMutablePointer<Float>, _ padded: Int, _ begin: Int, _ end: Int, _ softcap: Float
) {
  let cap = FloatLanes(repeating: softcap)
  for row in 0..<4 {
    let scores = scores + row &* padded
    var key = begin
    while key < end {
      (hyperbolicTangent(FloatLanes(load: scores + key) / cap) * cap).store(scores + key)
      key &+= 16
    }
  }
}

/// Scores of four query rows against the keys from `begin` to `reach`, multiples of 32, rows `padded` apart.
@inline(__always) private func scoreRows(
  _ args: snq_attention_args, _ unit: AttentionUnit, _ scratch: FloatAttentionScratch, _ padded: Int,
  _ begin: Int, _ reach: Int, _ row: Int, _ last: Int
) {
  let headDim = Int(args.headDim)
  let queries = FourRows(unit.query + row &* args.queryStride, args.queryStride, last)
  var key = begin
  while key < reach {
    queries.score(
      UnsafePointer(scratch.keys + key &* headDim), headDim, args.scale, scratch.scores + key, padded)
    key &+= 32
  }
}

/// exp(score - greatest) * (1 / 16-lane sum), in place, over the keys from `first` to `count`; lane l has keys l, l + 16,
/// ... wherever the first is. Not private: the compiler would give it a weak symbol.
@inline(never) func softmaxInPlace(_ scores: UnsafeMutablePointer<Float>, _ first: Int, _ count: Int) {
  softmax(scores, first, count) { weight, _ in weight }
}

/// The same; `scaled` has the last word on sixteen weights from a key on.
@inline(__always) func softmax(
  _ scores: UnsafeMutablePointer<Float>, _ first: Int, _ count: Int, scaled: (FloatLanes, Int) -> FloatLanes
) {
  let begin = first & ~15
  var greatest = FloatLanes(repeating: -.infinity)
  var key = begin
  while key < count {
    let x = kept(FloatLanes(load: scores + key), key, first, count, else: -.infinity)
    greatest = maximum(x, greatest)
    key &+= 16
  }
  let top = FloatLanes(repeating: greatest.maximum())
  var total = FloatLanes(repeating: 0)
  key = begin
  while key < count {
    let e = exponential(FloatLanes(load: scores + key) - top)
    e.store(scores + key)
    total = total + kept(e, key, first, count, else: 0)
    key &+= 16
  }
  let inverse = FloatLanes(repeating: 1 / total.sum())
  key = begin
  while key < count {
    scaled(FloatLanes(load: scores + key) * inverse, key).store(scores + key)
    key &+= 16
  }
}

/// Those of sixteen keys from `key` that are `first` or behind it and before `count`; another number for the others.
@inline(__always) private func kept(
  _ x: FloatLanes, _ key: Int, _ first: Int, _ count: Int, else other: Float
) -> FloatLanes {
  let rest = FloatLanes(repeating: other)
  let visible = select(LaneMask(first: min(16, count &- key)), x, rest)
  return key < first ? select(LaneMask(first: first &- key), rest, visible) : visible
}

/// Sums of four rows.
private struct QueryRowSums {
  var a = FloatLanes(repeating: 0)
  var b = FloatLanes(repeating: 0)
  var c = FloatLanes(repeating: 0)
  var d = FloatLanes(repeating: 0)
}

/// output = fma over the keys in order from 0 of probability * value.
@inline(__always) private func weighValues(
  _ args: snq_attention_args, _ unit: AttentionUnit, _ scratch: FloatAttentionScratch, _ padded: Int,
  _ first: (Int, Int, Int, Int), _ visible: (Int, Int, Int, Int), _ row: Int, _ rows: Int
) {
  let headDim = Int(args.headDim)
  let paddedDim = roundedUp(headDim, to: 16)
  let a = UnsafePointer(scratch.scores)
  let (b, c, d) = (a + padded, a + 2 &* padded, a + 3 &* padded)
  let end = max(first.3, visible.0)
  var channel = 0
  while channel < headDim {
    var sums = QueryRowSums()
    let values = UnsafePointer(scratch.values + channel)
    // Up to three keys that only earlier rows see.
    weighEdge(&sums, values, paddedDim, a, padded, first, visible, first.0..<first.3)
    var value = values + first.3 &* paddedDim
    for key in first.3..<end {
      let v = FloatLanes(load: value)
      sums.a = fma(FloatLanes(repeating: a[key]), v, sums.a)
      sums.b = fma(FloatLanes(repeating: b[key]), v, sums.b)
      sums.c = fma(FloatLanes(repeating: c[key]), v, sums.c)
      sums.d = fma(FloatLanes(repeating: d[key]), v, sums.d)
      value += paddedDim
    }
    // Up to three keys that only later rows see.
    weighEdge(&sums, values, paddedDim, a, padded, first, visible, end..<visible.3)
    let output = unit.output + (row &* args.outputStride &+ channel)
    let width = min(16, headDim &- channel)
    sums.a.store(output, count: width)
    if rows > 1 { sums.b.store(output + args.outputStride, count: width) }
    if rows > 2 { sums.c.store(output + 2 &* args.outputStride, count: width) }
    if rows > 3 { sums.d.store(output + 3 &* args.outputStride, count: width) }
    channel &+= 16
  }
}

/// Adds keys that not all of the four rows see.
@inline(__always) private func weighEdge(
  _ sums: inout QueryRowSums, _ values: UnsafePointer<Float>, _ paddedDim: Int,
  _ weights: UnsafePointer<Float>, _ padded: Int, _ first: (Int, Int, Int, Int),
  _ visible: (Int, Int, Int, Int), _ keys: Range<Int>
) {
  for key in keys {
    let v = FloatLanes(load: values + key &* paddedDim)
    let weight = weights + key
    if key < visible.0 { sums.a = fma(FloatLanes(repeating: weight[0]), v, sums.a) }
    if key >= first.1 && key < visible.1 { sums.b = fma(FloatLanes(repeating: weight[padded]), v, sums.b) }
    if key >= first.2 && key < visible.2 {
      sums.c = fma(FloatLanes(repeating: weight[2 &* padded]), v, sums.c)
    }
    if key >= first.3 { sums.d = fma(FloatLanes(repeating: weight[3 &* padded]), v, sums.d) }
  }
}
