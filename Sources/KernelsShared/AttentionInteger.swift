import CKernelABI

@inline(never) func integerAttention(
  _ pointer: UnsafePointer<snq_attention_args>, _ unitBegin: UInt32, _ unitEnd: UInt32
) {
  let heads = pointer.pointee.heads
  guard heads > 0, attentionSizesAreValid(pointer.pointee.sequence, pointer.pointee.headDim) else { return }
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
    clearOutput(args, unit)
    return
  }
  encodeKeys(args, unit, scratch, count)
  encodeValues(args, unit, scratch, count)
  prepareQueries(args, unit, scratch)
  let sequence = Int(args.sequence)
  let padded = roundedUp(count, to: 32)
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
    let greatest = scoreRows(scratch, Int(args.headDim), padded, factors)
    let divisors = encodeWeights(scratch, padded, greatest)
    weighValues(args, unit, scratch, padded, row, rows, divisors)
    row &+= 4
  }
}

/// t = fma(float(I) * factor, key step, log2(value step)) of four query rows against all keys; returns the
/// greatest of every row.
@inline(__always) private func scoreRows(
  _ scratch: IntegerAttentionScratch, _ headDim: Int, _ padded: Int, _ factors: (Float, Float, Float, Float)
) -> (Float, Float, Float, Float) {
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
  while key < padded {
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

@inline(__always) private func finishScores(
  _ sum: IntegerLanes, _ factor: FloatLanes, _ keyStep: FloatLanes, _ valueLog: FloatLanes,
  _ target: UnsafeMutablePointer<Float>, _ greatest: FloatLanes
) -> FloatLanes {
  let score = fma(FloatLanes(sum) * factor, keyStep, valueLog)
  score.store(target)
  return maximum(score, greatest)
}

@inline(__always) private func codeWords(_ codes: UnsafePointer<UInt8>) -> UnsafePointer<Int32> {
  UnsafeRawPointer(codes).assumingMemoryBound(to: Int32.self)
}

/// Codes p = rne(e), e = 255 * 2^(t - greatest), of four rows; returns the 16-lane fma sums of
/// e * (1 / value step), the real sums of the softmax in the same unit. Four rows at once hide the latency.
@inline(__always) private func encodeWeights(
  _ scratch: IntegerAttentionScratch, _ padded: Int, _ greatest: (Float, Float, Float, Float)
) -> (Float, Float, Float, Float) {
  let (ta, tb) = (FloatLanes(repeating: greatest.0), FloatLanes(repeating: greatest.1))
  let (tc, td) = (FloatLanes(repeating: greatest.2), FloatLanes(repeating: greatest.3))
  let zero = FloatLanes(repeating: 0)
  var (a, b, c, d) = (zero, zero, zero, zero)
  var key = 0
  while key < padded {
    let scores = UnsafePointer(scratch.scores + key)
    let codes = scratch.weightCodes + key
    let inverses = (
      FloatLanes(load: scratch.valueInverses + key), FloatLanes(load: scratch.valueInverses + key + 16)
    )
    a = encodeWeights(scores, codes, ta, inverses, a)
    b = encodeWeights(scores + padded, codes + padded, tb, inverses, b)
    c = encodeWeights(scores + 2 &* padded, codes + 2 &* padded, tc, inverses, c)
    d = encodeWeights(scores + 3 &* padded, codes + 3 &* padded, td, inverses, d)
    key &+= 32
  }
  return (a.sum(), b.sum(), c.sum(), d.sum())
}

/// 32 keys of one row.
@inline(__always) private func encodeWeights(
  _ scores: UnsafePointer<Float>, _ codes: UnsafeMutablePointer<UInt8>, _ greatest: FloatLanes,
  _ inverses: (FloatLanes, FloatLanes), _ total: FloatLanes
) -> FloatLanes {
  let first = powerOfTwoTimes255(FloatLanes(load: scores) - greatest)
  let second = powerOfTwoTimes255(FloatLanes(load: scores + 16) - greatest)
  IntegerLanes.storeBytes(first.nearestInteger(), second.nearestInteger(), codes)
  return fma(second, inverses.1, fma(first, inverses.0, total))
}

/// output = float(sum p * v) * (1 / divisor) for up to four query rows.
@inline(__always) private func weighValues(
  _ args: snq_attention_args, _ unit: AttentionUnit, _ scratch: IntegerAttentionScratch, _ padded: Int,
  _ row: Int, _ rows: Int, _ divisors: (Float, Float, Float, Float)
) {
  let headDim = Int(args.headDim)
  let a = codeWords(scratch.weightCodes)
  let (b, c, d) = (a + padded &>> 2, a + padded &>> 1, a + 3 &* (padded &>> 2))
  let (ra, rb) = (FloatLanes(repeating: 1 / divisors.0), FloatLanes(repeating: 1 / divisors.1))
  let (rc, rd) = (FloatLanes(repeating: 1 / divisors.2), FloatLanes(repeating: 1 / divisors.3))
  var channel = 0
  while channel < headDim {
    let low = UnsafePointer(scratch.valueTiles + channel &* padded)
    // The last block alone when their number is odd: its neighbour is then computed twice, stored once.
    let isPair = channel &+ 16 < headDim
    let high = isPair ? low + 16 &* padded : low
    let zero = IntegerLanes(repeating: 0)
    var (a0, a1, b0, b1, c0, c1, d0, d1) = (zero, zero, zero, zero, zero, zero, zero, zero)
    for tile in 0..<padded &>> 2 {
      let (t0, t1) = (low + tile &* 64, high + tile &* 64)
      (a0, a1, b0, b1) = (
        dot(a0, a[tile], t0), dot(a1, a[tile], t1), dot(b0, b[tile], t0), dot(b1, b[tile], t1)
      )
      (c0, c1, d0, d1) = (
        dot(c0, c[tile], t0), dot(c1, c[tile], t1), dot(d0, d[tile], t0), dot(d1, d[tile], t1)
      )
    }
    let output = unit.output + (row &* args.outputStride &+ channel)
    let stride = args.outputStride
    let width = min(16, headDim &- channel)
    (FloatLanes(a0) * ra).store(output, count: width)
    if rows > 1 { (FloatLanes(b0) * rb).store(output + stride, count: width) }
    if rows > 2 { (FloatLanes(c0) * rc).store(output + 2 &* stride, count: width) }
    if rows > 3 { (FloatLanes(d0) * rd).store(output + 3 &* stride, count: width) }
    if isPair {
      let width = min(16, headDim &- channel &- 16)
      (FloatLanes(a1) * ra).store(output + 16, count: width)
      if rows > 1 { (FloatLanes(b1) * rb).store(output + stride + 16, count: width) }
      if rows > 2 { (FloatLanes(c1) * rc).store(output + 2 &* stride + 16, count: width) }
      if rows > 3 { (FloatLanes(d1) * rd).store(output + 3 &* stride + 16, count: width) }
    }
    channel &+= 32
  }
}
