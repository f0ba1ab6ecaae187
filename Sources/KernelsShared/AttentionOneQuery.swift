import CKernelABI

// One query of each batch entry, as in a step of decoding. Keys and values are read where they are, once for up to
// four heads that share them; sums, maxima and chains are those of attendInFloats.

@inline(__always) func isOneQuery(_ args: snq_attention_args) -> Bool {
  args.sequence == 1 && args.mask == nil && args.bias == nil
}

/// `heads` heads from unit `index`, 1...4, that share keys and values. Not private: the compiler would give it a weak
/// symbol.
@inline(never) func attendWithOneQuery(
  _ pointer: UnsafePointer<snq_attention_args>, _ index: Int, _ heads: Int
) {
  let args = pointer.pointee
  guard let start = args.scratch, let unit = AttentionUnit(args, index) else { return }
  let headDim = Int(args.headDim)
  let count = Int(args.past) &+ 1
  let scratch = FloatAttentionScratch(start, count, headDim)
  let padded = roundedUp(count, to: 32)
  let first = args.window == 0 ? 0 : max(0, count &- Int(args.window))
  let queries = FourRows(unit.query, headDim, heads &- 1)
  let tiles = UnsafePointer(scratch.keys)
  var key = first & ~31
  while key < count {
    for half in 0..<2 {
      let begin = key &+ 16 &* half
      // Rows of a head are far apart: the hardware does not see them coming.
      for row in begin &+ 32..<begin &+ 48 { unit.prefetchKey(args, row) }
      packKeyTile(
        args, unit, scratch.block, min(16, max(0, count &- begin)),
        scratch.keys + 16 &* half &* headDim
      ) { begin &+ $0 }
    }
    if heads == 1 {
      queries.scoreFirst(tiles, headDim, args.scale, scratch.scores + key)
    } else {
      queries.score(tiles, headDim, args.scale, scratch.scores + key, padded)
    }
    key &+= 32
  }
  if args.softcap > 0 { capScores(scratch.scores, padded, first & ~15, count, args.softcap) }
  for head in 0..<heads { softmaxInPlace(scratch.scores + head &* padded, first, count) }
  let keys = first..<count
  if args.isHalf != 0 {
    weigh(HalfRows(start: unit.halfValue(0), stride: args.valueStride), unit, scratch, keys, headDim, heads)
  } else {
    weigh(FloatRows(start: unit.value(0), stride: args.valueStride), unit, scratch, keys, headDim, heads)
  }
}

extension AttentionUnit {
  /// The lines of a key's row.
  @inline(__always) fileprivate func prefetchKey(_ args: snq_attention_args, _ row: Int) {
    let headDim = Int(args.headDim)
    var channel = 0
    while channel < headDim {
      if args.isHalf != 0 {
        prefetch(halfKey(row &* args.keyStride &+ channel))
        channel &+= 32
      } else {
        prefetch(key(row &* args.keyStride &+ channel))
        channel &+= 16
      }
    }
  }
}

/// How many rows of values are asked for before they are used.
private let rowsAhead = 24

/// Rows of values.
private protocol ValueRows {
  /// Sixteen channels of row `row` from `channel` on.
  func lanes(_ row: Int, _ channel: Int) -> FloatLanes
  func lanes(_ row: Int, _ channel: Int, count: Int) -> FloatLanes
  func prefetchLanes(_ row: Int, _ channel: Int)
}

private struct HalfRows: ValueRows {
  let start: UnsafePointer<UInt16>
  let stride: Int
  @inline(__always) func lanes(_ row: Int, _ channel: Int) -> FloatLanes {
    FloatLanes(halves: start + (row &* stride &+ channel))
  }
  @inline(__always) func lanes(_ row: Int, _ channel: Int, count: Int) -> FloatLanes {
    FloatLanes(halves: start + (row &* stride &+ channel), count: count)
  }
  @inline(__always) func prefetchLanes(_ row: Int, _ channel: Int) {
    prefetch(start + (row &* stride &+ channel))
  }
}

private struct FloatRows: ValueRows {
  let start: UnsafePointer<Float>
  let stride: Int
  @inline(__always) func lanes(_ row: Int, _ channel: Int) -> FloatLanes {
    FloatLanes(load: start + (row &* stride &+ channel))
  }
  @inline(__always) func lanes(_ row: Int, _ channel: Int, count: Int) -> FloatLanes {
    FloatLanes(load: start + (row &* stride &+ channel), count: count)
  }
  @inline(__always) func prefetchLanes(_ row: Int, _ channel: Int) {
    prefetch(start + (row &* stride &+ channel))
  }
}

/// output = fma over the keys in order from 0 of probability * value, for each head.
@inline(__always) private func weigh<Rows: ValueRows>(
  _ rows: Rows, _ unit: AttentionUnit, _ scratch: FloatAttentionScratch, _ keys: Range<Int>, _ headDim: Int,
  _ heads: Int
) {
  let weights = UnsafePointer(scratch.scores)
  let padded = roundedUp(keys.upperBound, to: 32)
  var channel = 0
  if heads == 1 {
    while channel &+ 64 <= headDim {
      weighFourBlocks(rows, weights, keys, channel, unit.output + channel)
      channel &+= 64
    }
  }
  while channel < headDim {
    let width = min(16, headDim &- channel)
    let zero = FloatLanes(repeating: 0)
    var (a, b, c, d) = (zero, zero, zero, zero)
    for key in keys {
      rows.prefetchLanes(key &+ rowsAhead, channel)
      let v = width == 16 ? rows.lanes(key, channel) : rows.lanes(key, channel, count: width)
      let weight = weights + key
      a = fma(FloatLanes(repeating: weight[0]), v, a)
      if heads > 1 {
        b = fma(FloatLanes(repeating: weight[padded]), v, b)
        c = fma(FloatLanes(repeating: weight[2 &* padded]), v, c)
        d = fma(FloatLanes(repeating: weight[3 &* padded]), v, d)
      }
    }
    let output = unit.output + channel
    a.store(output, count: width)
    if heads > 1 { b.store(output + headDim, count: width) }
    if heads > 2 { c.store(output + 2 &* headDim, count: width) }
    if heads > 3 { d.store(output + 3 &* headDim, count: width) }
    channel &+= 16
  }
}

/// 64 channels of one head: one chain alone would wait for itself.
@inline(__always) private func weighFourBlocks<Rows: ValueRows>(
  _ rows: Rows, _ weights: UnsafePointer<Float>, _ keys: Range<Int>, _ channel: Int,
  _ output: UnsafeMutablePointer<Float>
) {
  let zero = FloatLanes(repeating: 0)
  var (a, b, c, d) = (zero, zero, zero, zero)
  for key in keys {
    let weight = FloatLanes(repeating: weights[key])
    rows.prefetchLanes(key &+ rowsAhead, channel)
    rows.prefetchLanes(key &+ rowsAhead, channel &+ 32)
    a = fma(weight, rows.lanes(key, channel), a)
    b = fma(weight, rows.lanes(key, channel &+ 16), b)
    c = fma(weight, rows.lanes(key, channel &+ 32), c)
    d = fma(weight, rows.lanes(key, channel &+ 48), d)
  }
  a.store(output)
  b.store(output + 16)
  c.store(output + 32)
  d.store(output + 48)
}
