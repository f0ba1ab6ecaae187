import CKernelABI

// What both attentions share: which keys take part, and where a unit's rows lie.

/// The most keys of the integer kernel: 255 * 127 * 65536 stays in int32.
let mostIntegerKeys = 1 << 16
let mostFloatKeys = 1 << 20

/// The scratch layout is laid out for these sizes only.
@inline(__always) func attentionSizesAreValid(_ keys: Int, _ headDim: UInt32, most: Int) -> Bool {
  keys >= 1 && keys <= most && headDim >= 4 && headDim <= 256 && headDim % 4 == 0
}

@inline(__always) func roundedUp(_ value: Int, to step: Int) -> Int {
  (value &+ step &- 1) / step &* step
}

/// One batch entry and head: its first query, key and value rows, its mask, its first row of bias and its output.
struct AttentionUnit {
  let query: UnsafePointer<Float>
  /// Floats, or binary16 numbers.
  private let key: UnsafeRawPointer
  private let value: UnsafeRawPointer
  let mask: UnsafePointer<Int32>?
  let bias: UnsafePointer<Float>?
  let output: UnsafeMutablePointer<Float>

  @inline(__always) init?(_ args: snq_attention_args, _ unit: Int) {
    guard let query = args.query, let key = args.key, let value = args.value, let output = args.output
    else { return nil }
    let heads = Int(args.heads)
    let first = unit / heads &* Int(args.sequence)
    let column = unit % heads &* Int(args.headDim)
    let shared = unit % heads / max(1, Int(args.queryHeads)) &* Int(args.headDim)
    self.query = query + (first &* args.queryStride &+ column)
    let firstKey = args.keyBatchRows == 0 ? first : unit / heads &* args.keyBatchRows
    let keyOffset = firstKey &* args.keyStride &+ shared
    let valueOffset = firstKey &* args.valueStride &+ shared
    if args.isHalf == 0 {
      self.key = UnsafeRawPointer(key + keyOffset)
      self.value = UnsafeRawPointer(value + valueOffset)
    } else {
      self.key = UnsafeRawPointer(key) + 2 &* keyOffset
      self.value = UnsafeRawPointer(value) + 2 &* valueOffset
    }
    self.output = output + (first &* args.outputStride &+ column)
    mask = args.mask.map { $0 + first }
    bias = args.bias.map {
      $0 + (unit / heads &* args.biasBatchStride &+ unit % heads &* args.biasHeadStride)
    }
  }
}

extension AttentionUnit {
  @inline(__always) func key(_ offset: Int) -> UnsafePointer<Float> {
    key.assumingMemoryBound(to: Float.self) + offset
  }
  @inline(__always) func value(_ offset: Int) -> UnsafePointer<Float> {
    value.assumingMemoryBound(to: Float.self) + offset
  }
  @inline(__always) func halfKey(_ offset: Int) -> UnsafePointer<UInt16> {
    key.assumingMemoryBound(to: UInt16.self) + offset
  }
  @inline(__always) func halfValue(_ offset: Int) -> UnsafePointer<UInt16> {
    value.assumingMemoryBound(to: UInt16.self) + offset
  }
}

/// Writes the positions of the valid keys in order and returns their number.
@inline(__always) func validPositions(
  _ mask: UnsafePointer<Int32>?, _ sequence: Int, _ positions: UnsafeMutablePointer<UInt32>
) -> Int {
  var count = 0
  for position in 0..<sequence where mask.map({ $0[position] != 0 }) ?? true {
    positions[count] = UInt32(truncatingIfNeeded: position)
    count &+= 1
  }
  return count
}

/// How many of the valid keys, from the first, a query sees; asked for in the order of rows.
struct VisibleKeys {
  private let positions: UnsafePointer<UInt32>
  private let count: Int
  private var visible: Int
  /// Of the first query row, and how many positions a query sees; 0: all.
  private let past: Int
  private let window: Int
  private var hidden = 0

  @inline(__always) init(_ args: snq_attention_args, _ positions: UnsafePointer<UInt32>, _ count: Int) {
    self.positions = positions
    self.count = count
    visible = args.isCausal == 0 ? count : 0
    past = Int(args.past)
    window = Int(args.window)
  }

  @inline(__always) mutating func at(_ row: Int) -> Int {
    while visible < count, Int(positions[visible]) <= past &+ row { visible &+= 1 }
    return visible
  }

  /// The first of the valid keys that lies in the row's window.
  @inline(__always) private mutating func first(_ row: Int) -> Int {
    if window == 0 { return 0 }
    while hidden < count, Int(positions[hidden]) <= past &+ row &- window { hidden &+= 1 }
    return hidden
  }

  /// Those of four rows from `row`, of which `last` + 1 exist; the last stands for those that do not.
  @inline(__always) mutating func ofFour(_ row: Int, _ last: Int) -> (Int, Int, Int, Int) {
    let (a, b) = (at(row), at(row &+ min(1, last)))
    return (a, b, at(row &+ min(2, last)), at(row &+ min(3, last)))
  }

  /// The first keys in the windows of four rows, likewise.
  @inline(__always) mutating func firstOfFour(_ row: Int, _ last: Int) -> (Int, Int, Int, Int) {
    let (a, b) = (first(row), first(row &+ min(1, last)))
    return (a, b, first(row &+ min(2, last)), first(row &+ min(3, last)))
  }
}

@inline(__always) func clearOutput(
  _ args: snq_attention_args, _ unit: AttentionUnit, _ positions: Range<Int>
) {
  for position in positions {
    for channel in 0..<Int(args.headDim) { unit.output[position &* args.outputStride &+ channel] = 0 }
  }
}
