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
  let spans = RowSpans(first..<count)
  let weights = UnsafePointer(scratch.scores)
  if args.isHalf != 0 {
    let values = HalfRows(start: unit.halfValue(0), stride: args.valueStride)
    weighRows(values, weights, padded, spans, headDim, unit.output, headDim, heads)
  } else {
    let values = FloatRows(start: unit.value(0), stride: args.valueStride)
    weighRows(values, weights, padded, spans, headDim, unit.output, headDim, heads)
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
