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
  associatedtype Number: BitwiseCopyable
  var start: UnsafePointer<Number> { get }
  /// Numbers from row to row.
  var stride: Int { get }
  /// The first `count` (1...16) of sixteen channels; what the other lanes are is nobody's business.
  static func lanes(_ source: UnsafePointer<Number>, count: Int) -> FloatLanes
}

extension ValueRows {
  @inline(__always) func place(_ row: Int, _ channel: Int) -> UnsafePointer<Number> {
    start + (row &* stride &+ channel)
  }
}

struct HalfRows: ValueRows {
  let start: UnsafePointer<UInt16>
  let stride: Int
  @inline(__always) static func lanes(_ source: UnsafePointer<UInt16>, count: Int) -> FloatLanes {
    halfBlock(source, count)
  }
}

struct FloatRows: ValueRows {
  let start: UnsafePointer<Float>
  let stride: Int
  @inline(__always) static func lanes(_ source: UnsafePointer<Float>, count: Int) -> FloatLanes {
    loadBlock(source, count)
  }
}

/// Codes; fifteen bytes behind the last row are readable.
struct CodeRows: ValueRows {
  let start: UnsafePointer<Int8>
  let stride: Int
  @inline(__always) static func lanes(_ source: UnsafePointer<Int8>, count: Int) -> FloatLanes {
    FloatLanes(IntegerLanes(signedBytes: source))
  }
}

/// Of `rows` rows, whose weights are `padded` and whose outputs `stride` apart.
@inline(__always) func weighRows<Rows: ValueRows>(
  _ values: Rows, _ weights: UnsafePointer<Float>, _ padded: Int, _ spans: RowSpans, _ headDim: Int,
  _ output: UnsafeMutablePointer<Float>, _ stride: Int, _ rows: Int
) {
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

  @inline(__always) private func weigh<Count: RowCount, Width: BlockWidth, Rows: ValueRows>(
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
    let source = values.place(key, channel)
    let low = Rows.lanes(source, count: min(16, width))
    return (low, isPair ? Rows.lanes(source + 16, count: width &- 16) : low)
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
      let source = values.place(key, channel)
      a = fma(weight, Rows.lanes(source, count: 16), a)
      b = fma(weight, Rows.lanes(source + 16, count: 16), b)
      c = fma(weight, Rows.lanes(source + 32, count: 16), c)
      d = fma(weight, Rows.lanes(source + 48, count: 16), d)
    }
    a.store(output)
    b.store(output + 16)
    c.store(output + 32)
    d.store(output + 48)
  }
}

/// How many rows of values are asked for before they are used.
private let rowsAhead = 24
