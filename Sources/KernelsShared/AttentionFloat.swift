import CKernelABI

/// The scratch of one thread, for V valid keys padded to 32 and d channels padded to 16.
struct FloatAttentionScratch {
  /// Key tiles: [key block of 16][channel][16 keys]; padding keys are 0.
  let keys: UnsafeMutablePointer<Float>
  /// [valid key][padded channels].
  let values: UnsafeMutablePointer<Float>
  /// Scores, then probabilities, of four query rows: [4][padded keys].
  let scores: UnsafeMutablePointer<Float>
  let positions: UnsafeMutablePointer<UInt32>

  @inline(__always) init(_ start: UnsafeMutablePointer<UInt8>, _ sequence: Int, _ headDim: Int) {
    let padded = roundedUp(sequence, to: 32)
    keys = UnsafeMutableRawPointer(start).assumingMemoryBound(to: Float.self)
    values = keys + padded &* headDim
    scores = values + padded &* roundedUp(headDim, to: 16)
    positions = UnsafeMutableRawPointer(scores + 4 &* padded).assumingMemoryBound(to: UInt32.self)
  }
  @inline(__always) static func byteCount(_ sequence: Int, _ headDim: Int) -> Int {
    4 &* roundedUp(sequence, to: 32) &* (headDim &+ roundedUp(headDim, to: 16) &+ 5)
  }
}

@inline(never) func floatAttention(
  _ pointer: UnsafePointer<snq_attention_args>, _ unitBegin: UInt32, _ unitEnd: UInt32
) {
  let heads = pointer.pointee.heads
  guard heads > 0, attentionSizesAreValid(pointer.pointee.sequence, pointer.pointee.headDim) else { return }
  var index = Int(unitBegin)
  while index < Int(unitEnd) {
    attendInFloats(pointer, index)
    index &+= 1
  }
}

/// One batch entry and head. Not private: the compiler would give it a weak symbol.
@inline(never) func attendInFloats(_ pointer: UnsafePointer<snq_attention_args>, _ index: Int) {
  let args = pointer.pointee
  guard let start = args.scratch, let unit = AttentionUnit(args, index) else { return }
  let scratch = FloatAttentionScratch(start, Int(args.sequence), Int(args.headDim))
  let count = validPositions(unit.mask, Int(args.sequence), scratch.positions)
  if count == 0 {
    clearOutput(args, unit, 0..<Int(args.sequence))
    return
  }
  packKeysAndValues(args, unit, scratch, count)
  let sequence = Int(args.sequence)
  let padded = roundedUp(count, to: 32)
  if unit.bias != nil { padPositions(scratch.positions, count, padded) }
  var visibleKeys = VisibleKeys(args, scratch.positions, count)
  var row = 0
  while row < sequence {
    let rows = min(4, sequence &- row)
    // A group of fewer than four rows repeats its last one.
    let visible = visibleKeys.ofFour(row, rows &- 1)
    scoreRows(args, unit, scratch, padded, roundedUp(visible.3, to: 32), row, rows &- 1)
    var blind: BlindRows?
    if let bias = AttentionBias(args, unit, scratch.positions, row, rows &- 1) {
      blind = addFloatBias(bias, scratch.scores, padded, visible)
    }
    softmaxInPlace(scratch.scores, visible.0)
    softmaxInPlace(scratch.scores + padded, visible.1)
    softmaxInPlace(scratch.scores + 2 &* padded, visible.2)
    softmaxInPlace(scratch.scores + 3 &* padded, visible.3)
    weighValues(args, unit, scratch, padded, visible, row, rows)
    if let blind { blind.clear(args, unit, row, rows) }
    row &+= 4
  }
}

@inline(__always) private func packKeysAndValues(
  _ args: snq_attention_args, _ unit: AttentionUnit, _ scratch: FloatAttentionScratch, _ count: Int
) {
  let headDim = Int(args.headDim)
  let paddedDim = roundedUp(headDim, to: 16)
  for key in 0..<roundedUp(count, to: 32) {
    let lane = scratch.keys + (key &>> 4 &* headDim &* 16 &+ key & 15)
    if key >= count {
      for channel in 0..<headDim { lane[16 &* channel] = 0 }
      continue
    }
    let position = Int(scratch.positions[key])
    let source = unit.key + position &* args.keyStride
    for channel in 0..<headDim { lane[16 &* channel] = source[channel] }
    let value = unit.value + position &* args.valueStride
    var channel = 0
    while channel < headDim {
      FloatLanes(load: value + channel, count: min(16, headDim &- channel))
        .store(scratch.values + (key &* paddedDim &+ channel))
      channel &+= 16
    }
  }
}

/// Scores of four query rows against the first `reach` keys, rows `padded` apart: fma over the channels in order
/// from 0, times the scale.
@inline(__always) private func scoreRows(
  _ args: snq_attention_args, _ unit: AttentionUnit, _ scratch: FloatAttentionScratch, _ padded: Int,
  _ reach: Int, _ row: Int, _ last: Int
) {
  let headDim = Int(args.headDim)
  let scale = FloatLanes(repeating: args.scale)
  let a = unit.query + row &* args.queryStride
  let b = unit.query + (row &+ min(1, last)) &* args.queryStride
  let c = unit.query + (row &+ min(2, last)) &* args.queryStride
  let d = unit.query + (row &+ min(3, last)) &* args.queryStride
  var key = 0
  while key < reach {
    let tiles = UnsafePointer(scratch.keys + key &* headDim)
    let zero = FloatLanes(repeating: 0)
    var (a0, a1, b0, b1, c0, c1, d0, d1) = (zero, zero, zero, zero, zero, zero, zero, zero)
    for channel in 0..<headDim {
      let low = FloatLanes(load: tiles + channel &* 16)
      let high = FloatLanes(load: tiles + (headDim &+ channel) &* 16)
      let (qa, qb) = (FloatLanes(repeating: a[channel]), FloatLanes(repeating: b[channel]))
      let (qc, qd) = (FloatLanes(repeating: c[channel]), FloatLanes(repeating: d[channel]))
      (a0, a1, b0, b1) = (fma(qa, low, a0), fma(qa, high, a1), fma(qb, low, b0), fma(qb, high, b1))
      (c0, c1, d0, d1) = (fma(qc, low, c0), fma(qc, high, c1), fma(qd, low, d0), fma(qd, high, d1))
    }
    let target = scratch.scores + key
    (a0 * scale).store(target)
    (a1 * scale).store(target + 16)
    (b0 * scale).store(target + padded)
    (b1 * scale).store(target + padded + 16)
    (c0 * scale).store(target + 2 &* padded)
    (c1 * scale).store(target + 2 &* padded + 16)
    (d0 * scale).store(target + 3 &* padded)
    (d1 * scale).store(target + 3 &* padded + 16)
    key &+= 32
  }
}

/// exp(score - greatest) * (1 / 16-lane sum), in place, over `count` keys. Not private: the compiler would give it a
/// weak symbol.
@inline(never) func softmaxInPlace(_ scores: UnsafeMutablePointer<Float>, _ count: Int) {
  var greatest = FloatLanes(repeating: -.infinity)
  var key = 0
  while key < count {
    let x = FloatLanes(load: scores + key)
    let kept = select(LaneMask(first: min(16, count &- key)), x, FloatLanes(repeating: -.infinity))
    greatest = maximum(kept, greatest)
    key &+= 16
  }
  let top = FloatLanes(repeating: greatest.maximum())
  var total = FloatLanes(repeating: 0)
  key = 0
  while key < count {
    let e = exponential(FloatLanes(load: scores + key) - top)
    e.store(scores + key)
    total = total + select(LaneMask(first: min(16, count &- key)), e, FloatLanes(repeating: 0))
    key &+= 16
  }
  let inverse = FloatLanes(repeating: 1 / total.sum())
  key = 0
  while key < count {
    (FloatLanes(load: scores + key) * inverse).store(scores + key)
    key &+= 16
  }
}

/// output = fma over the keys in order from 0 of probability * value.
@inline(__always) private func weighValues(
  _ args: snq_attention_args, _ unit: AttentionUnit, _ scratch: FloatAttentionScratch, _ padded: Int,
  _ visible: (Int, Int, Int, Int), _ row: Int, _ rows: Int
) {
  let headDim = Int(args.headDim)
  let paddedDim = roundedUp(headDim, to: 16)
  let a = UnsafePointer(scratch.scores)
  let (b, c, d) = (a + padded, a + 2 &* padded, a + 3 &* padded)
  var channel = 0
  while channel < headDim {
    let zero = FloatLanes(repeating: 0)
    var (sumA, sumB, sumC, sumD) = (zero, zero, zero, zero)
    var value = UnsafePointer(scratch.values + channel)
    for key in 0..<visible.0 {
      let v = FloatLanes(load: value)
      sumA = fma(FloatLanes(repeating: a[key]), v, sumA)
      sumB = fma(FloatLanes(repeating: b[key]), v, sumB)
      sumC = fma(FloatLanes(repeating: c[key]), v, sumC)
      sumD = fma(FloatLanes(repeating: d[key]), v, sumD)
      value += paddedDim
    }
    // Up to three keys that only later rows see.
    for key in visible.0..<visible.3 {
      let v = FloatLanes(load: value)
      if key < visible.1 { sumB = fma(FloatLanes(repeating: b[key]), v, sumB) }
      if key < visible.2 { sumC = fma(FloatLanes(repeating: c[key]), v, sumC) }
      sumD = fma(FloatLanes(repeating: d[key]), v, sumD)
      value += paddedDim
    }
    let output = unit.output + (row &* args.outputStride &+ channel)
    let width = min(16, headDim &- channel)
    sumA.store(output, count: width)
    if rows > 1 { sumB.store(output + args.outputStride, count: width) }
    if rows > 2 { sumC.store(output + 2 &* args.outputStride, count: width) }
    if rows > 3 { sumD.store(output + 3 &* args.outputStride, count: width) }
    channel &+= 16
  }
}
