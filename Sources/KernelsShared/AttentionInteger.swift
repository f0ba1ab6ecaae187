import CKernelABI

@inline(never) func integerAttention(
  _ pointer: UnsafePointer<snq_attention_args>, _ unitBegin: UInt32, _ unitEnd: UInt32
) {
  let heads = pointer.pointee.heads
  guard heads > 0,
    attentionSizesAreValid(Int(pointer.pointee.sequence), pointer.pointee.headDim, most: mostIntegerKeys)
  else { return }
  var index = Int(unitBegin)
  while index < Int(unitEnd) {
    attendInIntegers(pointer, index)
    index &+= 1
  }
}

/// One batch entry and head. Not private: the compiler would give it a weak symbol.
@inline(never) func attendInIntegers(_ pointer: UnsafePointer<snq_attention_args>, _ index: Int) {
  let args = pointer.pointee
  guard let start = args.scratch, let unit = AttentionUnit(args, index) else { return }
  let scratch = IntegerAttentionScratch(start, Int(args.sequence), Int(args.headDim))
  let count = validPositions(unit.mask, Int(args.sequence), scratch.positions)
  if count == 0 {
    clearOutput(args, unit, 0..<Int(args.sequence))
    return
  }
  encodeKeys(args, unit, scratch, count)
  encodeValues(args, unit, scratch, count)
  prepareQueries(args, unit, scratch)
  let sequence = Int(args.sequence)
  let padded = roundedUp(count, to: 32)
  if unit.bias != nil { padPositions(scratch.positions, count, padded) }
  var visibleKeys = VisibleKeys(args, scratch.positions, count)
  var row = 0
  while row < sequence {
    let rows = min(4, sequence &- row)
    // A group of fewer than four rows repeats its last one.
    let (a, b) = (row, row &+ min(1, rows &- 1))
    let (c, d) = (row &+ min(2, rows &- 1), row &+ min(3, rows &- 1))
    encodeQuery(args, unit, scratch, a, 0)
    encodeQuery(args, unit, scratch, b, 1)
    encodeQuery(args, unit, scratch, c, 2)
    encodeQuery(args, unit, scratch, d, 3)
    let factor = scratch.queryFactors
    let factors = (factor[a], factor[b], factor[c], factor[d])
    let visible = visibleKeys.ofFour(row, rows &- 1)
    let reach = roundedUp(visible.3, to: 32)
    var greatest = scoreRows(scratch, Int(args.headDim), padded, reach, factors)
    var blind: BlindRows?
    if let bias = AttentionBias(args, unit, scratch.positions, row, rows &- 1) {
      let biased = addIntegerBias(bias, scratch, padded, reach, visible)
      (greatest, blind) = (biased.greatest, biased.blind)
    } else if args.isCausal != 0 {
      greatest = hideLaterKeys(scratch, padded, reach, visible)
    }
    weighValues(args, unit, scratch, padded, reach, row, rows, greatest)
    if let blind { blind.clear(args, unit, row, rows) }
    if visible.0 == 0 { clearBlindRows(args, unit, row, rows, visible) }
    row &+= 4
  }
}

/// Keys that a row does not see get the score of a key that does not exist; returns the greatest of what is left.
@inline(__always) private func hideLaterKeys(
  _ scratch: IntegerAttentionScratch, _ padded: Int, _ reach: Int, _ visible: (Int, Int, Int, Int)
) -> (Float, Float, Float, Float) {
  let scores = scratch.scores
  return (
    hideKeys(scores, visible.0, reach), hideKeys(scores + padded, visible.1, reach),
    hideKeys(scores + 2 &* padded, visible.2, reach), hideKeys(scores + 3 &* padded, visible.3, reach)
  )
}

@inline(__always) private func hideKeys(
  _ scores: UnsafeMutablePointer<Float>, _ visible: Int, _ reach: Int
) -> Float {
  let hidden = FloatLanes(repeating: paddingScore)
  var greatest = hidden
  var key = 0
  while key < reach {
    let isVisible = LaneMask(first: max(0, min(16, visible &- key)))
    let kept = select(isVisible, FloatLanes(load: scores + key), hidden)
    kept.store(scores + key)
    greatest = maximum(kept, greatest)
    key &+= 16
  }
  return greatest.maximum()
}

/// Rows that see no key have no weights to divide by.
@inline(__always) private func clearBlindRows(
  _ args: snq_attention_args, _ unit: AttentionUnit, _ row: Int, _ rows: Int, _ visible: (Int, Int, Int, Int)
) {
  let blind = visible.3 == 0 ? 4 : visible.2 == 0 ? 3 : visible.1 == 0 ? 2 : 1
  clearOutput(args, unit, row..<(row &+ min(rows, blind)))
}

/// t = fma(float(I) * factor, key step, log2(value step)) of four query rows against the first `reach` keys, rows
/// `padded` apart; returns the greatest of every row.
@inline(__always) private func scoreRows(
  _ scratch: IntegerAttentionScratch, _ headDim: Int, _ padded: Int, _ reach: Int,
  _ factors: (Float, Float, Float, Float)
) -> (Float, Float, Float, Float) {
  if !takesTwoBlocks { return scoreRowsByBlock(scratch, headDim, padded, reach, factors) }
  let tilesPerBlock = headDim &>> 2
  let stride = roundedUp(headDim, to: 16)
  let a = codeWords(scratch.queryCodes)
  let b = codeWords(scratch.queryCodes + stride)
  let c = codeWords(scratch.queryCodes + 2 &* stride)
  let d = codeWords(scratch.queryCodes + 3 &* stride)
  let (fa, fb) = (FloatLanes(repeating: factors.0), FloatLanes(repeating: factors.1))
  let (fc, fd) = (FloatLanes(repeating: factors.2), FloatLanes(repeating: factors.3))
  let lowest = FloatLanes(repeating: paddingScore)
  var (ma, mb, mc, md) = (lowest, lowest, lowest, lowest)
  var key = 0
  while key < reach {
    let low = UnsafePointer(scratch.keyTiles + key &* headDim)
    let high = low + 16 &* headDim
    let (i0, i1) = (IntegerLanes(load: scratch.offsets + key), IntegerLanes(load: scratch.offsets + key + 16))
    var (a0, a1, b0, b1, c0, c1, d0, d1) = (i0, i1, i0, i1, i0, i1, i0, i1)
    for tile in 0..<tilesPerBlock {
      let (t0, t1) = (low + tile &* 64, high + tile &* 64)
      (a0, a1, b0, b1) = (
        dot(a0, a[tile], t0), dot(a1, a[tile], t1), dot(b0, b[tile], t0), dot(b1, b[tile], t1)
      )
      (c0, c1, d0, d1) = (
        dot(c0, c[tile], t0), dot(c1, c[tile], t1), dot(d0, d[tile], t0), dot(d1, d[tile], t1)
      )
    }
    let scores = scratch.scores + key
    let (s0, s1) = (FloatLanes(load: scratch.keySteps + key), FloatLanes(load: scratch.keySteps + key + 16))
    let (l0, l1) = (FloatLanes(load: scratch.valueLogs + key), FloatLanes(load: scratch.valueLogs + key + 16))
    ma = finishScores(a0, fa, s0, l0, scores, ma)
    ma = finishScores(a1, fa, s1, l1, scores + 16, ma)
    mb = finishScores(b0, fb, s0, l0, scores + padded, mb)
    mb = finishScores(b1, fb, s1, l1, scores + padded + 16, mb)
    mc = finishScores(c0, fc, s0, l0, scores + 2 &* padded, mc)
    mc = finishScores(c1, fc, s1, l1, scores + 2 &* padded + 16, mc)
    md = finishScores(d0, fd, s0, l0, scores + 3 &* padded, md)
    md = finishScores(d1, fd, s1, l1, scores + 3 &* padded + 16, md)
    key &+= 32
  }
  return (ma.maximum(), mb.maximum(), mc.maximum(), md.maximum())
}

@inline(__always) func finishScores(
  _ sum: IntegerLanes, _ factor: FloatLanes, _ keyStep: FloatLanes, _ valueLog: FloatLanes,
  _ target: UnsafeMutablePointer<Float>, _ greatest: FloatLanes
) -> FloatLanes {
  let score = fma(FloatLanes(sum) * factor, keyStep, valueLog)
  score.store(target)
  return maximum(score, greatest)
}

@inline(__always) func codeWords(_ codes: UnsafePointer<UInt8>) -> UnsafePointer<Int32> {
  UnsafeRawPointer(codes).assumingMemoryBound(to: Int32.self)
}

/// output = float(sum p * v) * (1 / D) for up to four query rows: the codes p of 32 keys are made while the
/// products of the 32 keys before are summed, because the two keep different ports of the core busy.
@inline(__always) private func weighValues(
  _ args: snq_attention_args, _ unit: AttentionUnit, _ scratch: IntegerAttentionScratch, _ padded: Int,
  _ reach: Int, _ row: Int, _ rows: Int, _ greatest: (Float, Float, Float, Float)
) {
  if !takesTwoBlocks {
    return weighValuesByBlock(args, unit, scratch, padded, reach, row, rows, greatest)
  }
  let headDim = Int(args.headDim)
  var weights = WeightRows(greatest)
  var products = ProductSums()
  weights.encode(scratch, padded, 0)
  var key = 0
  while key < reach {
    if key &+ 32 < reach { weights.encode(scratch, padded, key &+ 32) }
    products.add(scratch, padded, 0, key, headDim)
    key &+= 32
  }
  let inverses = weights.inverseTotals()
  products.store(args, unit, row, rows, 0, inverses)
  var channel = 32
  while channel < headDim {
    products = ProductSums()
    key = 0
    while key < reach {
      products.add(scratch, padded, channel, key, headDim)
      key &+= 32
    }
    products.store(args, unit, row, rows, channel, inverses)
    channel &+= 32
  }
}

/// The weights of four query rows: codes p = rne(e), e = 255 * 2^(t - greatest), and the 16-lane fma sums of
/// e * (1 / value step), which are the real sums of the softmax in the same unit.
struct WeightRows {
  let greatest: (FloatLanes, FloatLanes, FloatLanes, FloatLanes)
  var totals: (FloatLanes, FloatLanes, FloatLanes, FloatLanes)

  @inline(__always) init(_ top: (Float, Float, Float, Float)) {
    greatest = (
      FloatLanes(repeating: top.0), FloatLanes(repeating: top.1), FloatLanes(repeating: top.2),
      FloatLanes(repeating: top.3)
    )
    let zero = FloatLanes(repeating: 0)
    totals = (zero, zero, zero, zero)
  }

  /// 32 keys from `key`.
  @inline(__always) mutating func encode(_ scratch: IntegerAttentionScratch, _ padded: Int, _ key: Int) {
    let scores = UnsafePointer(scratch.scores + key)
    let codes = scratch.weightCodes + key
    let inverses = (
      FloatLanes(load: scratch.valueInverses + key), FloatLanes(load: scratch.valueInverses + key + 16)
    )
    totals.0 = Self.encode(scores, codes, greatest.0, inverses, totals.0)
    totals.1 = Self.encode(scores + padded, codes + padded, greatest.1, inverses, totals.1)
    totals.2 = Self.encode(scores + 2 &* padded, codes + 2 &* padded, greatest.2, inverses, totals.2)
    totals.3 = Self.encode(scores + 3 &* padded, codes + 3 &* padded, greatest.3, inverses, totals.3)
  }

  @inline(__always) static func encode(
    _ scores: UnsafePointer<Float>, _ codes: UnsafeMutablePointer<UInt8>, _ greatest: FloatLanes,
    _ inverses: (FloatLanes, FloatLanes), _ total: FloatLanes
  ) -> FloatLanes {
    let first = powerOfTwoTimes255(FloatLanes(load: scores) - greatest)
    let second = powerOfTwoTimes255(FloatLanes(load: scores + 16) - greatest)
    IntegerLanes.storeBytes(first.nearestInteger(), second.nearestInteger(), codes)
    return fma(second, inverses.1, fma(first, inverses.0, total))
  }

  @inline(__always) func inverseTotals() -> (FloatLanes, FloatLanes, FloatLanes, FloatLanes) {
    (
      FloatLanes(repeating: 1 / totals.0.sum()), FloatLanes(repeating: 1 / totals.1.sum()),
      FloatLanes(repeating: 1 / totals.2.sum()), FloatLanes(repeating: 1 / totals.3.sum())
    )
  }
}

/// The sums of code times value code of four query rows over a pair of blocks of 16 channels. When the last
/// block has no neighbour it is computed twice and stored once.
private struct ProductSums {
  var a = (IntegerLanes(repeating: 0), IntegerLanes(repeating: 0))
  var b = (IntegerLanes(repeating: 0), IntegerLanes(repeating: 0))
  var c = (IntegerLanes(repeating: 0), IntegerLanes(repeating: 0))
  var d = (IntegerLanes(repeating: 0), IntegerLanes(repeating: 0))

  @inline(__always) init() {}

  /// 32 keys from `key`.
  @inline(__always) mutating func add(
    _ scratch: IntegerAttentionScratch, _ padded: Int, _ channel: Int, _ key: Int, _ headDim: Int
  ) {
    let low = UnsafePointer(scratch.valueTiles + (channel &* padded &+ 16 &* key))
    // The next block or, without one, the same; in arithmetic lest the compiler make two loops of it.
    let high = low + padded &* (min(16, headDim &- channel &- 1) & 16)
    let codes = UnsafePointer(scratch.weightCodes + key)
    let (wa, wb) = (codeWords(codes), codeWords(codes + padded))
    let (wc, wd) = (codeWords(codes + 2 &* padded), codeWords(codes + 3 &* padded))
    for tile in 0..<8 {
      let (t0, t1) = (low + tile &* 64, high + tile &* 64)
      a = (dot(a.0, wa[tile], t0), dot(a.1, wa[tile], t1))
      b = (dot(b.0, wb[tile], t0), dot(b.1, wb[tile], t1))
      c = (dot(c.0, wc[tile], t0), dot(c.1, wc[tile], t1))
      d = (dot(d.0, wd[tile], t0), dot(d.1, wd[tile], t1))
    }
  }

  @inline(__always) func store(
    _ args: snq_attention_args, _ unit: AttentionUnit, _ row: Int, _ rows: Int, _ channel: Int,
    _ inverses: (FloatLanes, FloatLanes, FloatLanes, FloatLanes)
  ) {
    let left = Int(args.headDim) &- channel
    let output = unit.output + (row &* args.outputStride &+ channel)
    Self.store(a, inverses.0, output, left)
    if rows > 1 { Self.store(b, inverses.1, output + args.outputStride, left) }
    if rows > 2 { Self.store(c, inverses.2, output + 2 &* args.outputStride, left) }
    if rows > 3 { Self.store(d, inverses.3, output + 3 &* args.outputStride, left) }
  }

  @inline(__always) private static func store(
    _ sums: (IntegerLanes, IntegerLanes), _ inverse: FloatLanes, _ output: UnsafeMutablePointer<Float>,
    _ left: Int
  ) {
    (FloatLanes(sums.0) * inverse).store(output, count: min(16, left))
    if left > 16 { (FloatLanes(sums.1) * inverse).store(output + 16, count: min(16, left &- 16)) }
  }
}
