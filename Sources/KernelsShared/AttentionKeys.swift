import CKernelABI

// What both attentions share: which keys take part, and where a unit's rows lie.

/// The scratch layout is laid out for these sizes only; 255 * 127 * 65536 stays in int32.
@inline(__always) func attentionSizesAreValid(_ sequence: UInt32, _ headDim: UInt32) -> Bool {
  sequence >= 1 && sequence <= 65536 && headDim >= 4 && headDim <= 256 && headDim % 4 == 0
}

@inline(__always) func roundedUp(_ value: Int, to step: Int) -> Int {
  (value &+ step &- 1) / step &* step
}

/// One batch entry and head: its first query, key and value rows, its mask, its first row of bias and its output.
struct AttentionUnit {
  let query: UnsafePointer<Float>
  let key: UnsafePointer<Float>
  let value: UnsafePointer<Float>
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
    self.key = key + (first &* args.keyStride &+ shared)
    self.value = value + (first &* args.valueStride &+ shared)
    self.output = output + (first &* args.outputStride &+ column)
    mask = args.mask.map { $0 + first }
    bias = args.bias.map {
      $0 + (unit / heads &* args.biasBatchStride &+ unit % heads &* args.biasHeadStride)
    }
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

/// How many of the valid keys, from the first, a query sees; asked for in the order of positions.
struct VisibleKeys {
  private let positions: UnsafePointer<UInt32>
  private let count: Int
  private var visible: Int

  @inline(__always) init(_ args: snq_attention_args, _ positions: UnsafePointer<UInt32>, _ count: Int) {
    self.positions = positions
    self.count = count
    visible = args.isCausal == 0 ? count : 0
  }

  @inline(__always) mutating func at(_ position: Int) -> Int {
    while visible < count, Int(positions[visible]) <= position { visible &+= 1 }
    return visible
  }

  /// Those of four rows from `row`, of which `last` + 1 exist; the last stands for those that do not.
  @inline(__always) mutating func ofFour(_ row: Int, _ last: Int) -> (Int, Int, Int, Int) {
    let (a, b) = (at(row), at(row &+ min(1, last)))
    return (a, b, at(row &+ min(2, last)), at(row &+ min(3, last)))
  }
}

@inline(__always) func clearOutput(
  _ args: snq_attention_args, _ unit: AttentionUnit, _ positions: Range<Int>
) {
  for position in positions {
    for channel in 0..<Int(args.headDim) { unit.output[position &* args.outputStride &+ channel] = 0 }
  }
}
