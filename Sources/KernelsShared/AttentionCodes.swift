import CKernelABI

// Attention over keys and values that are codes, where they lie. Four rows at a time share what is read: queries at
// positions next to each other or, with one query, the heads that have these keys and values.

/// The scratch of one thread, for V keys padded to 32.
struct CodeAttentionScratch {
  /// Scores, then weights, of four rows: [4][padded keys].
  let scores: UnsafeMutablePointer<Float>
  /// The codes of sixteen channels on their way.
  let block: UnsafeMutablePointer<Int32>
  /// A query, turned.
  let row: UnsafeMutablePointer<Float>
  /// Codes of four query rows, two words in each: [4][headDim / 2].
  let queries: UnsafeMutablePointer<Int32>
  /// What the sums of a row start from, and what turns them into scores, but for the steps of the keys: [4].
  let starts: UnsafeMutablePointer<Int32>
  let factors: UnsafeMutablePointer<Float>

  @inline(__always) init(_ start: UnsafeMutablePointer<UInt8>, _ keys: Int, _ headDim: Int) {
    scores = UnsafeMutableRawPointer(start).assumingMemoryBound(to: Float.self)
    block = UnsafeMutableRawPointer(scores + 4 &* roundedUp(keys, to: 32)).assumingMemoryBound(to: Int32.self)
    row = UnsafeMutableRawPointer(block + 16).assumingMemoryBound(to: Float.self)
    queries = UnsafeMutableRawPointer(row + roundedUp(headDim, to: 16)).assumingMemoryBound(to: Int32.self)
    starts = queries + 2 &* headDim
    factors = UnsafeMutableRawPointer(starts + 4).assumingMemoryBound(to: Float.self)
  }
  @inline(__always) static func byteCount(_ keys: Int, _ headDim: Int) -> Int {
    16 &* roundedUp(keys, to: 32) &+ 64 &+ 4 &* roundedUp(headDim, to: 16) &+ 8 &* headDim &+ 32
  }
}

@inline(never) func codeAttention(
  _ pointer: UnsafePointer<snq_attention_args>, _ unitBegin: UInt32, _ unitEnd: UInt32
) {
  let args = pointer.pointee
  let sequence = Int(args.sequence)
  guard args.heads > 0, attentionSizesAreValid(Int(args.past) &+ sequence, args.headDim, most: mostFloatKeys)
  else { return }
  let sharing = max(1, Int(args.queryHeads))
  var index = Int(unitBegin)
  while index < Int(unitEnd) {
    let head = index % Int(args.heads) % sharing
    let heads = sequence == 1 ? min(4, sharing &- head, Int(unitEnd) &- index) : 1
    if heads > 1 {
      attendOverCodes(pointer, index, row: 0, heads: heads)
    } else {
      var row = 0
      while row < sequence {
        attendOverCodes(pointer, index, row: row, heads: 1)
        row &+= 4
      }
    }
    index &+= heads
  }
}

/// Up to four positions of one unit from `row` on, or one position of `heads` units. Not private: the compiler would give it
/// a weak symbol.
@inline(never) func attendOverCodes(
  _ pointer: UnsafePointer<snq_attention_args>, _ index: Int, row: Int, heads: Int
) {
  let args = pointer.pointee
  guard let start = args.scratch, let unit = CodeUnit(args, index) else { return }
  let headDim = Int(args.headDim)
  let scratch = CodeAttentionScratch(start, Int(args.past) &+ Int(args.sequence), headDim)
  let rows = heads > 1 ? heads : min(4, Int(args.sequence) &- row)
  // From row to row: another position, or another head.
  let (queryStride, outputStride, step) =
    heads > 1 ? (headDim, headDim, 0) : (args.queryStride, args.outputStride, 1)
  let spans = RowSpans(args, row, step: step, rows)
  encodeQueries(args, unit.query + row &* args.queryStride, queryStride, rows, scratch)
  let padded = roundedUp(Int(args.past) &+ Int(args.sequence), to: 32)
  switch args.keyBits {
  case 4: scoreKeys(NibbleKeys.self, unit, scratch, headDim, spans, rows, padded)
  case 6: scoreKeys(SixBitKeys.self, unit, scratch, headDim, spans, rows, padded)
  default: scoreKeys(ByteKeys.self, unit, scratch, headDim, spans, rows, padded)
  }
  if args.softcap > 0 {
    capScores(scratch.scores, padded, spans.a.lowerBound & ~15, spans.d.upperBound, args.softcap)
  }
  for index in 0..<rows {
    let span = spans.span(index)
    softmax(scratch.scores + index &* padded, span.lowerBound, span.upperBound) { weight, key in
      weight * FloatLanes(load: unit.valueSteps + key)
    }
  }
  let output = unit.output + row &* args.outputStride
  let weights = UnsafePointer(scratch.scores)
  if args.valueBits == 4 {
    let values = NibbleRows(start: unit.values, stride: nibbleRowBytes(headDim))
    weighRows(values, weights, padded, spans, headDim, output, outputStride, rows)
  } else {
    let values = ByteRows(start: unit.values, stride: headDim)
    weighRows(values, weights, padded, spans, headDim, output, outputStride, rows)
  }
  for index in 0..<rows { turnBack(output + index &* outputStride, headDim) }
}

/// 1 / n of n channels that are turned together: exact.
@inline(__always) private func inverseLength(_ headDim: Int) -> Float { 1 / Float(rotationLength(headDim)) }

/// From sums of turned values to sums of values.
@inline(__always) private func turnBack(_ output: UnsafeMutablePointer<Float>, _ headDim: Int) {
  rotateHead(output, headDim)
  let factor = inverseLength(headDim)
  for channel in 0..<headDim { output[channel] *= factor }
}

/// One batch entry and head: its first query and output, and what it shares of keys and values.
private struct CodeUnit {
  let query: UnsafePointer<Float>
  let output: UnsafeMutablePointer<Float>
  let keys: UnsafePointer<UInt8>
  let values: UnsafePointer<UInt8>
  let keySteps: UnsafePointer<Float>
  let valueSteps: UnsafePointer<Float>

  @inline(__always) init?(_ args: snq_attention_args, _ unit: Int) {
    guard let query = args.query, let output = args.output, let key = args.key, let value = args.value,
      let keySteps = args.keySteps, let valueSteps = args.valueSteps
    else { return nil }
    let (heads, sharing) = (Int(args.heads), max(1, Int(args.queryHeads)))
    let (entry, head) = (unit / heads, unit % heads)
    let position = entry &* Int(args.sequence)
    self.query = query + (position &* args.queryStride &+ head &* Int(args.headDim))
    self.output = output + (position &* args.outputStride &+ head &* Int(args.headDim))
    let steps = (entry &* (heads / sharing) &+ head / sharing) &* args.keyBatchRows
    let headDim = Int(args.headDim)
    let valueBytes = args.valueBits == 4 ? nibbleRowBytes(headDim) : headDim
    keys =
      UnsafeRawPointer(key).assumingMemoryBound(to: UInt8.self) + steps &* (headDim &* Int(args.keyBits) / 8)
    values = UnsafeRawPointer(value).assumingMemoryBound(to: UInt8.self) + steps &* valueBytes
    self.keySteps = keySteps + steps
    self.valueSteps = valueSteps + steps
  }
}

/// The words of up to four query rows.
@inline(__always) private func encodeQueries(
  _ args: snq_attention_args, _ first: UnsafePointer<Float>, _ stride: Int, _ rows: Int,
  _ scratch: CodeAttentionScratch
) {
  let headDim = Int(args.headDim)
  let limit = FloatLanes(repeating: 32767)
  for row in 0..<rows {
    copyRotated(first + row &* stride, headDim, scratch.row)
    let source = UnsafePointer(scratch.row)
    let step = guardedScale(greatestMagnitude(source, headDim) / 32767)
    let inverse = FloatLanes(repeating: 1 / step)
    let target = scratch.queries + row &* headDim / 2
    var sum = IntegerLanes(repeating: 0)
    var channel = 0
    while channel < headDim {
      let width = min(16, headDim &- channel)
      let x = loadBlock(source + channel, width) * inverse
      let codes = minimum(maximum(x, FloatLanes(repeating: -32767)), limit).nearestInteger()
      codes.store(scratch.block)
      sum = sum &+ codes
      for pair in 0..<width / 2 {
        target[channel / 2 &+ pair] = scratch.block[2 &* pair] & 0xffff | scratch.block[2 &* pair &+ 1] &<< 16
      }
      channel &+= 16
    }
    scratch.starts[row] = 0 &- codeOffset(args.keyBits) &* sum.sum()
    scratch.factors[row] = step * (args.scale * inverseLength(headDim))
  }
}

/// What is taken from unsigned codes of keys.
@inline(__always) private func codeOffset(_ bits: UInt32) -> Int32 {
  bits == 4 ? NibbleKeys.offset : bits == 6 ? SixBitKeys.offset : ByteKeys.offset
}

/// Scores of the keys that any of the rows sees, in blocks of 16.
@inline(__always) private func scoreKeys<Form: KeyForm>(
  _: Form.Type, _ unit: CodeUnit, _ scratch: CodeAttentionScratch, _ headDim: Int, _ spans: RowSpans,
  _ rows: Int, _ padded: Int
) {
  let tileBytes = Form.tileBytes(headDim)
  var key = spans.a.lowerBound & ~15
  while key < spans.d.upperBound {
    let (tile, steps) = (unit.keys + key / 16 &* tileBytes, FloatLanes(load: unit.keySteps + key))
    prefetchCodes(tile + 4 &* tileBytes, tileBytes)
    let block = KeyBlock(
      tile: tile, steps: steps, headDim: headDim, scratch: scratch, scores: scratch.scores + key,
      padded: padded)
    if !rowsShareReads {
      for row in 0..<rows { block.score(Form.self, row, 1) }
    } else {
      switch rows {
      case 1: block.score(Form.self, 0, 1)
      case 2: block.score(Form.self, 0, 2)
      case 3: block.score(Form.self, 0, 3)
      default: block.score(Form.self, 0, 4)
      }
    }
    key &+= 16
  }
}

/// The lines of `count` codes.
@inline(__always) private func prefetchCodes(_ codes: UnsafePointer<UInt8>, _ count: Int) {
  var byte = 0
  while byte < count {
    prefetch(codes + byte)
    byte &+= 64
  }
}

/// Sixteen keys.
private struct KeyBlock {
  let tile: UnsafePointer<UInt8>
  let steps: FloatLanes
  let headDim: Int
  let scratch: CodeAttentionScratch
  /// Of the first row; those of the others are `padded` apart.
  let scores: UnsafeMutablePointer<Float>
  let padded: Int

  /// Against `rows` rows from `row` on, constants of the caller.
  @inline(__always) func score<Form: KeyForm>(_: Form.Type, _ row: Int, _ rows: Int) {
    var sums = KeySums(rows, scratch.starts + row)
    Form.add(&sums, rows, tile, headDim, scratch.queries + row &* headDim / 2)
    store(sums.a, row)
    if rows > 1 { store(sums.b, row &+ 1) }
    if rows > 2 { store(sums.c, row &+ 2) }
    if rows > 3 { store(sums.d, row &+ 3) }
  }

  @inline(__always) private func store(_ sums: IntegerLanes, _ row: Int) {
    (FloatLanes(sums) * FloatLanes(repeating: scratch.factors[row]) * steps).store(scores + row &* padded)
  }
}
