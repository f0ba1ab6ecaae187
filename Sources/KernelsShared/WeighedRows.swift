import CKernelABI

// What attention does with its weights: output = fma over the keys in order of weight * value.

/// The keys that up to four rows see; of later rows neither end comes before.
struct RowSpans {
  let a: Range<Int>
  let b: Range<Int>
  let c: Range<Int>
  let d: Range<Int>

  /// Rows at positions `step` apart from `row` on; the last stands for those that do not exist.
  @inline(__always) init(_ args: snq_attention_args, _ row: Int, step: Int, _ rows: Int) {
    func span(_ index: Int) -> Range<Int> {
      let end = Int(args.past) &+ row &+ step &* min(index, rows &- 1) &+ 1
      return (args.window == 0 ? 0 : max(0, end &- Int(args.window)))..<end
    }
    (a, b, c, d) = (span(0), span(1), span(2), span(3))
  }

  /// The same keys for all rows.
  @inline(__always) init(_ keys: Range<Int>) { (a, b, c, d) = (keys, keys, keys, keys) }

  @inline(__always) func span(_ index: Int) -> Range<Int> {
    index == 0 ? a : index == 1 ? b : index == 2 ? c : d
  }
}

/// Rows of values.
protocol ValueRows {
  /// The first `count` (1...16) of sixteen channels, those from `channel`, a multiple of 32, and sixteen for each block on;
  /// what the other lanes are is nobody's business.
  func lanes(_ row: Int, _ channel: Int, _ block: Int, count: Int) -> FloatLanes
  /// Where a channel lies, to be asked for.
  func place(_ row: Int, _ channel: Int) -> UnsafeRawPointer
}

/// Rows of numbers of whole bytes, `stride` of them from row to row.
protocol PlainRows: ValueRows {
  associatedtype Number
  var start: UnsafePointer<Number> { get }
  var stride: Int { get }
  /// The first `count` of sixteen numbers.
  static func block(_ numbers: UnsafePointer<Number>, _ count: Int) -> FloatLanes
}

extension PlainRows {
  @inline(__always) func lanes(_ row: Int, _ channel: Int, _ block: Int, count: Int) -> FloatLanes {
    Self.block(start + (row &* stride &+ channel &+ 16 &* block), count)
  }
  @inline(__always) func place(_ row: Int, _ channel: Int) -> UnsafeRawPointer {
    UnsafeRawPointer(start + (row &* stride &+ channel))
  }
}

struct HalfRows: PlainRows {
  let start: UnsafePointer<UInt16>
  let stride: Int

  @inline(__always) static func block(_ numbers: UnsafePointer<UInt16>, _ count: Int) -> FloatLanes {
    halfBlock(numbers, count)
  }
}

struct FloatRows: PlainRows {
  let start: UnsafePointer<Float>
  let stride: Int

  @inline(__always) static func block(_ numbers: UnsafePointer<Float>, _ count: Int) -> FloatLanes {
    loadBlock(numbers, count)
  }
}

/// Codes of 8 bits; fifteen bytes behind the last row are readable.
struct ByteRows: PlainRows {
  let start: UnsafePointer<UInt8>
  let stride: Int

  @inline(__always) static func block(_ numbers: UnsafePointer<UInt8>, _ count: Int) -> FloatLanes {
    let codes = UnsafeRawPointer(numbers).assumingMemoryBound(to: Int8.self)
    return FloatLanes(IntegerLanes(signedBytes: codes))
  }
}

/// Bytes of a row of codes of 4 bits.
@inline(__always) func nibbleRowBytes(_ headDim: Int) -> Int { (headDim &+ 31) / 32 &* 16 }

/// Codes of 4 bits, in rows of `nibbleRowBytes`.
struct NibbleRows: ValueRows {
  let start: UnsafePointer<UInt8>
  let stride: Int

  @inline(__always) func lanes(_ row: Int, _ channel: Int, _ block: Int, count: Int) -> FloatLanes {
    let bytes = IntegerLanes(bytes: start + (row &* stride &+ (channel / 32 &+ block / 2) &* 16))
    let codes =
      block & 1 == 0 ? bytes & IntegerLanes(repeating: 15) : bytes.arithmeticallyShiftedRight(4)
    return FloatLanes(codes &- IntegerLanes(repeating: 8))
  }
  @inline(__always) func place(_ row: Int, _ channel: Int) -> UnsafeRawPointer {
    UnsafeRawPointer(start + (row &* stride &+ channel / 2))
  }
}

/// Of `rows` rows, whose weights are `padded` and whose outputs `stride` apart.
@inline(__always) func weighRows<Rows: ValueRows>(
  _ values: Rows, _ weights: UnsafePointer<Float>, _ padded: Int, _ spans: RowSpans, _ headDim: Int,
  _ output: UnsafeMutablePointer<Float>, _ stride: Int, _ rows: Int
) {
  if !rowsShareReads {
    for row in 0..<rows {
      let spans = RowSpans(spans.span(row))
      weighRow(values, weights + row &* padded, spans, headDim, output + row &* stride)
    }
    return
  }
  let most = rows == 1 ? 64 : rows == 2 ? 32 : channelsOfFourRows
  var channel = 0
  while channel < headDim {
    let left = min(most, headDim &- channel)
    let width = left == 64 ? 64 : min(32, left)
    let block = WeighedBlock(
      weights: weights, padded: padded, spans: spans, channel: channel, width: width,
      output: output + channel,
      stride: stride)
    if width == 64 {
      block.weighFourBlocks(values)
    } else if width > 16 {
      block.weigh(rows, TwoBlocks.self, values)
    } else {
      block.weigh(rows, OneBlock.self, values)
    }
    channel &+= width
  }
}

@inline(__always) private func weighRow<Rows: ValueRows>(
  _ values: Rows, _ weights: UnsafePointer<Float>, _ spans: RowSpans, _ headDim: Int,
  _ output: UnsafeMutablePointer<Float>
) {
  var channel = 0
  while channel < headDim {
    WeighedBlock(
      weights: weights, padded: 0, spans: spans, channel: channel, width: min(16, headDim &- channel),
      output: output + channel, stride: 0
    ).weigh(OneRow.self, OneBlock.self, values)
    channel &+= 16
  }
}

/// Numbers as types: the compiler makes a loop of its own for each, to which numbers do not bring it.
private protocol RowCount {
  static var rows: Int { get }
}
private enum OneRow: RowCount { static var rows: Int { 1 } }
private enum TwoRows: RowCount { static var rows: Int { 2 } }
private enum ThreeRows: RowCount { static var rows: Int { 3 } }
private enum AllRows: RowCount { static var rows: Int { 4 } }

/// More than sixteen channels, or not.
private protocol BlockWidth {
  static var isPair: Bool { get }
}
private enum OneBlock: BlockWidth { static var isPair: Bool { false } }
private enum TwoBlocks: BlockWidth { static var isPair: Bool { true } }

/// Up to 32 channels of up to four rows: what registers hold.
private struct WeighedBlock {
  let weights: UnsafePointer<Float>
  let padded: Int
  let spans: RowSpans
  let channel: Int
  let width: Int
  let output: UnsafeMutablePointer<Float>
  let stride: Int

  @inline(__always) func weigh<Width: BlockWidth, Rows: ValueRows>(
    _ rows: Int, _ width: Width.Type, _ values: Rows
  ) {
    switch rows {
    case 1: weigh(OneRow.self, width, values)
    case 2: weigh(TwoRows.self, width, values)
    case 3: weigh(ThreeRows.self, width, values)
    default: weigh(AllRows.self, width, values)
    }
  }

  @inline(__always) func weigh<Count: RowCount, Width: BlockWidth, Rows: ValueRows>(
    _: Count.Type, _: Width.Type, _ values: Rows
  ) {
    let (rows, isPair) = (Count.rows, Width.isPair)
    let zero = FloatLanes(repeating: 0)
    var (a, b, c, d) = ((zero, zero), (zero, zero), (zero, zero), (zero, zero))
    // Up to three keys that only earlier rows see, those of all rows, and up to three that only later rows see.
    let shared = spans.d.lowerBound..<max(spans.d.lowerBound, spans.a.upperBound)
    for key in spans.a.lowerBound..<shared.lowerBound {
      let value = load(values, key, isPair)
      if spans.a.contains(key) { add(&a, 0, key, value, isPair) }
      if rows > 1 && spans.b.contains(key) { add(&b, 1, key, value, isPair) }
      if rows > 2 && spans.c.contains(key) { add(&c, 2, key, value, isPair) }
    }
    for key in shared {
      prefetch(values.place(key &+ rowsAhead, channel))
      let value = load(values, key, isPair)
      add(&a, 0, key, value, isPair)
      if rows > 1 { add(&b, 1, key, value, isPair) }
      if rows > 2 { add(&c, 2, key, value, isPair) }
      if rows > 3 { add(&d, 3, key, value, isPair) }
    }
    for key in shared.upperBound..<spans.d.upperBound {
      let value = load(values, key, isPair)
      if rows > 1 && spans.b.contains(key) { add(&b, 1, key, value, isPair) }
      if rows > 2 && spans.c.contains(key) { add(&c, 2, key, value, isPair) }
      if rows > 3 { add(&d, 3, key, value, isPair) }
    }
    store(a, 0)
    if rows > 1 { store(b, 1) }
    if rows > 2 { store(c, 2) }
    if rows > 3 { store(d, 3) }
  }

  @inline(__always) private func load<Rows: ValueRows>(
    _ values: Rows, _ key: Int, _ isPair: Bool
  ) -> (FloatLanes, FloatLanes) {
    if isPair {
      return (values.lanes(key, channel, 0, count: 16), values.lanes(key, channel, 1, count: width &- 16))
    }
    let block = values.lanes(key, channel & ~31, channel / 16 & 1, count: width)
    return (block, block)
  }

  @inline(__always) private func add(
    _ sums: inout (FloatLanes, FloatLanes), _ row: Int, _ key: Int, _ value: (FloatLanes, FloatLanes),
    _ isPair: Bool
  ) {
    let weight = FloatLanes(repeating: weights[row &* padded &+ key])
    sums.0 = fma(weight, value.0, sums.0)
    if isPair { sums.1 = fma(weight, value.1, sums.1) }
  }

  @inline(__always) private func store(_ sums: (FloatLanes, FloatLanes), _ row: Int) {
    let target = output + row &* stride
    sums.0.store(target, count: min(16, width))
    if width > 16 { sums.1.store(target + 16, count: width &- 16) }
  }

  /// 64 channels of one row: fewer chains would wait for themselves.
  @inline(__always) func weighFourBlocks<Rows: ValueRows>(_ values: Rows) {
    let zero = FloatLanes(repeating: 0)
    var (a, b, c, d) = (zero, zero, zero, zero)
    for key in spans.a {
      let weight = FloatLanes(repeating: weights[key])
      prefetch(values.place(key &+ rowsAhead, channel))
      prefetch(values.place(key &+ rowsAhead, channel &+ 32))
      a = fma(weight, values.lanes(key, channel, 0, count: 16), a)
      b = fma(weight, values.lanes(key, channel, 1, count: 16), b)
      c = fma(weight, values.lanes(key, channel, 2, count: 16), c)
      d = fma(weight, values.lanes(key, channel, 3, count: 16), d)
    }
    a.store(output)
    b.store(output + 16)
    c.store(output + 32)
    d.store(output + 48)
  }
}

/// How many rows of values are asked for before they are used.
private let rowsAhead = 24
