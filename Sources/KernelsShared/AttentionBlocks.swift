import CKernelABI

// attention_integer where registers hold the sums of four rows over one block of 16 keys or channels.

/// What `scoreRows` does, a block after the other.
@inline(__always) func scoreRowsByBlock(
  _ scratch: IntegerAttentionScratch, _ headDim: Int, _ padded: Int, _ reach: Int,
  _ factors: (Float, Float, Float, Float)
) -> (Float, Float, Float, Float) {
  let stride = roundedUp(headDim, to: 16)
  let a = codeWords(scratch.queryCodes)
  let b = codeWords(scratch.queryCodes + stride)
  let c = codeWords(scratch.queryCodes + 2 &* stride)
  let d = codeWords(scratch.queryCodes + 3 &* stride)
  let (fa, fb) = (FloatLanes(repeating: factors.0), FloatLanes(repeating: factors.1))
  let (fc, fd) = (FloatLanes(repeating: factors.2), FloatLanes(repeating: factors.3))
  let lowest = FloatLanes(repeating: paddingScore)
  var greatest = (lowest, lowest, lowest, lowest)
  var key = 0
  while key < reach {
    let tiles = UnsafePointer(scratch.keyTiles + key &* headDim)
    let start = IntegerLanes(load: scratch.offsets + key)
    var sums = (start, start, start, start)
    for tile in 0..<headDim &>> 2 {
      let keys = tiles + tile &* 64
      (sums.0, sums.1) = (dotOfMoved(sums.0, a[tile], keys), dotOfMoved(sums.1, b[tile], keys))
      (sums.2, sums.3) = (dotOfMoved(sums.2, c[tile], keys), dotOfMoved(sums.3, d[tile], keys))
    }
    let scores = scratch.scores + key
    let (steps, logs) = (FloatLanes(load: scratch.keySteps + key), FloatLanes(load: scratch.valueLogs + key))
    greatest.0 = finishScores(sums.0, fa, steps, logs, scores, greatest.0)
    greatest.1 = finishScores(sums.1, fb, steps, logs, scores + padded, greatest.1)
    greatest.2 = finishScores(sums.2, fc, steps, logs, scores + 2 &* padded, greatest.2)
    greatest.3 = finishScores(sums.3, fd, steps, logs, scores + 3 &* padded, greatest.3)
    key &+= 16
  }
  return (greatest.0.maximum(), greatest.1.maximum(), greatest.2.maximum(), greatest.3.maximum())
}

/// What `weighValues` does, likewise.
@inline(__always) func weighValuesByBlock(
  _ args: snq_attention_args, _ unit: AttentionUnit, _ scratch: IntegerAttentionScratch, _ padded: Int,
  _ reach: Int, _ row: Int, _ rows: Int, _ greatest: (Float, Float, Float, Float)
) {
  let headDim = Int(args.headDim)
  let inverses = (
    encodeWeights(scratch, 0, reach, greatest.0), encodeWeights(scratch, padded, reach, greatest.1),
    encodeWeights(scratch, 2 &* padded, reach, greatest.2),
    encodeWeights(scratch, 3 &* padded, reach, greatest.3)
  )
  var channel = 0
  while channel < headDim {
    let sums = blockProducts(scratch, padded, reach, channel)
    let output = unit.output + (row &* args.outputStride &+ channel)
    let width = min(16, headDim &- channel)
    (FloatLanes(sums.0) * inverses.0).store(output, count: width)
    if rows > 1 { (FloatLanes(sums.1) * inverses.1).store(output + args.outputStride, count: width) }
    if rows > 2 { (FloatLanes(sums.2) * inverses.2).store(output + 2 &* args.outputStride, count: width) }
    if rows > 3 { (FloatLanes(sums.3) * inverses.3).store(output + 3 &* args.outputStride, count: width) }
    channel &+= 16
  }
}

/// Codes of the weights of a query row, `place` keys from the first one's; returns the inverse of their total. Not
/// private: the compiler would give it a weak symbol.
@inline(never) func encodeWeights(
  _ scratch: IntegerAttentionScratch, _ place: Int, _ reach: Int, _ greatest: Float
) -> FloatLanes {
  let top = FloatLanes(repeating: greatest)
  var total = FloatLanes(repeating: 0)
  var key = 0
  while key < reach {
    let inverses = scratch.valueInverses + key
    total = WeightRows.encode(
      scratch.scores + (place &+ key), scratch.weightCodes + (place &+ key), top,
      (FloatLanes(load: inverses), FloatLanes(load: inverses + 16)), total)
    key &+= 32
  }
  return FloatLanes(repeating: 1 / total.sum())
}

/// The sums of code times value code of four query rows over a block of 16 channels.
@inline(__always) private func blockProducts(
  _ scratch: IntegerAttentionScratch, _ padded: Int, _ reach: Int, _ channel: Int
) -> (IntegerLanes, IntegerLanes, IntegerLanes, IntegerLanes) {
  let tiles = UnsafePointer(scratch.valueTiles + channel &* padded)
  let a = codeWords(scratch.weightCodes)
  let b = codeWords(scratch.weightCodes + padded)
  let c = codeWords(scratch.weightCodes + 2 &* padded)
  let d = codeWords(scratch.weightCodes + 3 &* padded)
  var taken = IntegerLanes(repeating: 0)
  for tile in 0..<reach / 4 { taken = addTaken(taken, tiles + tile &* 64) }
  var sums = (taken, taken, taken, taken)
  for tile in 0..<reach / 4 {
    let values = tiles + tile &* 64
    (sums.0, sums.1) = (dotOfMoved(sums.0, a[tile], values), dotOfMoved(sums.1, b[tile], values))
    (sums.2, sums.3) = (dotOfMoved(sums.2, c[tile], values), dotOfMoved(sums.3, d[tile], values))
  }
  return sums
}
