import CKernelABI
import CSIMD

/// One register for each of two panels.
struct PanelPair {
  var first: __m512i
  var second: __m512i

  /// All the same: 4 bytes of memory, loaded twice rather than copied, which would take a pipe of the products.
  @inline(__always)
  init(repeating start: UnsafePointer<Int32>) {
    first = _mm512_set1_epi32(start.pointee)
    second = first
  }

  @inline(__always)
  init(_ first: __m512i, _ second: __m512i) {
    self.first = first
    self.second = second
  }

  @inline(__always)
  init(_ tile: UnsafePointer<UInt8>, _ step: Int) {
    first = _mm512_loadu_si512(tile)
    second = _mm512_loadu_si512(tile + step)
  }

  /// Adds the products of one row's 4 signed codes with unsigned weights.
  @inline(__always)
  mutating func add(_ codes: UnsafePointer<UInt8>, _ weights: PanelPair) {
    let four = snq_broadcast4_512(codes)
    first = _mm512_dpbusd_epi32(first, weights.first, four)
    second = _mm512_dpbusd_epi32(second, weights.second, four)
  }

  @inline(__always)
  func lowNibbles() -> PanelPair {
    let mask = _mm512_set1_epi8(0x0f)
    return PanelPair(_mm512_and_si512(first, mask), _mm512_and_si512(second, mask))
  }

  @inline(__always)
  func highNibbles() -> PanelPair { PanelPair(snq_high_nibbles_512(first), snq_high_nibbles_512(second)) }

  @inline(__always)
  func lookedUp(_ table: __m512i) -> PanelPair {
    PanelPair(_mm512_shuffle_epi8(table, first), _mm512_shuffle_epi8(table, second))
  }
}

/// The memory of a call: y and z of up to 6 rows x 2 panels, [row][panel].
struct GroupMemory {
  let totals: UnsafeMutablePointer<__m512>
  @inline(__always) var parts: UnsafeMutablePointer<__m512> { totals + 12 }
}

/// Three rows of sums: few branches are left for the optimiser to remove, which would else give up inlining.
struct RowDots {
  var row0: PanelPair
  var row1: PanelPair
  var row2: PanelPair

  @inline(__always)
  init(_ starts: UnsafePointer<Int32>, _ stride: Int) {
    row0 = PanelPair(repeating: starts)
    row1 = PanelPair(repeating: starts + stride)
    row2 = PanelPair(repeating: starts + 2 &* stride)
  }

  @inline(__always)
  mutating func add(_ weights: PanelPair, _ codes: UnsafePointer<UInt8>, _ stride: Int) {
    row0.add(codes, weights)
    row1.add(codes + stride, weights)
    row2.add(codes + 2 &* stride, weights)
  }
}

/// I of one group of 3 or 6 rows x 2 panels in 12 registers: another 12 hold y or z. It starts from what the constant of the weights adds.
struct GroupDots {
  let rows: Int
  var upper: RowDots
  var lower: RowDots

  @inline(__always)
  init(_ rows: Int, _ starts: UnsafePointer<Int32>, _ stride: Int) {
    self.rows = rows
    upper = RowDots(starts, stride)
    lower = rows > 3 ? RowDots(starts + 3 &* stride, stride) : upper
  }

  /// Adds 4 channels.
  @inline(__always)
  mutating func add(_ weights: PanelPair, _ codes: UnsafePointer<UInt8>, _ stride: Int) {
    upper.add(weights, codes, stride)
    if rows > 3 { lower.add(weights, codes + 3 &* stride, stride) }
  }

  /// Adds the channels of a group; straight code for 32 of them, or a branch would be mispredicted at most ends.
  @inline(__always)
  mutating func addBytes(
    _ level: GroupLevel, _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ channels: Int
  ) {
    var (tile, place, rest) = (weights, codes, channels)
    let (steps, stride) = (level.weightStep, level.codeStride)
    while rest >= 32 {
      add(PanelPair(tile, steps), place, stride)
      add(PanelPair(tile + 64, steps), place + 4, stride)
      add(PanelPair(tile + 128, steps), place + 8, stride)
      add(PanelPair(tile + 192, steps), place + 12, stride)
      add(PanelPair(tile + 256, steps), place + 16, stride)
      add(PanelPair(tile + 320, steps), place + 20, stride)
      add(PanelPair(tile + 384, steps), place + 24, stride)
      add(PanelPair(tile + 448, steps), place + 28, stride)
      tile += 512
      place += 32
      rest &-= 32
    }
    while rest > 0 {
      add(PanelPair(tile, steps), place, stride)
      tile += 64
      place += 4
      rest &-= 4
    }
  }

  /// The same of nibbles, 8 channels a tile.
  @inline(__always)
  mutating func addNibbles(
    _ level: GroupLevel, _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ channels: Int
  ) {
    var (tile, place, rest) = (weights, codes, channels)
    let (steps, stride) = (level.weightStep, level.codeStride)
    while rest >= 32 {
      addNibbles(PanelPair(tile, steps), place, stride)
      addNibbles(PanelPair(tile + 64, steps), place + 8, stride)
      addNibbles(PanelPair(tile + 128, steps), place + 16, stride)
      addNibbles(PanelPair(tile + 192, steps), place + 24, stride)
      tile += 256
      place += 32
      rest &-= 32
    }
    while rest > 0 {
      addNibbles(PanelPair(tile, steps), place, stride)
      tile += 64
      place += 8
      rest &-= 8
    }
  }

  @inline(__always)
  private mutating func addNibbles(_ nibbles: PanelPair, _ codes: UnsafePointer<UInt8>, _ stride: Int) {
    add(nibbles.lowNibbles(), codes, stride)
    add(nibbles.highNibbles(), codes + 4, stride)
  }

  /// The same of twice the bytes.
  @inline(__always)
  mutating func addTwice(
    _ level: GroupLevel, _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ channels: Int
  ) {
    var (tile, place, rest) = (weights, codes, channels)
    repeat {
      let bytes = PanelPair(tile, level.weightStep)
      let twice = PanelPair(
        _mm512_add_epi8(bytes.first, bytes.first), _mm512_add_epi8(bytes.second, bytes.second))
      add(twice, place, level.codeStride)
      tile += 64
      place += 4
      rest &-= 4
    } while rest > 0
  }

  /// Nibbles looked up in the table.
  @inline(__always)
  mutating func addEntries(
    _ level: GroupLevel, _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ channels: Int
  ) {
    var (tile, place, rest) = (weights, codes, channels)
    repeat {
      let nibbles = PanelPair(tile, level.weightStep)
      add(nibbles.lowNibbles().lookedUp(level.table), place, level.codeStride)
      add(nibbles.highNibbles().lookedUp(level.table), place + 4, level.codeStride)
      tile += 64
      place += 8
      rest &-= 8
    } while rest > 0
  }
}

typealias AddGroup = (
  inout GroupDots, GroupLevel, UnsafePointer<UInt8>, UnsafePointer<UInt8>, Int
) -> Void

/// One tile of outputs, all groups, where every group has a scale of the row. Rows are a literal: 3 or 6.
@inline(__always)
func multiplyDirect(
  _ rows: Int, _ channelBytes: Int, _ level: GroupLevel, _ place: GroupPlace, _ memory: GroupMemory,
  _ addGroup: AddGroup
) {
  var cursor = GroupCursor(level, place)
  var floats = GroupFloats(rows)
  floats.load(memory.totals)
  repeat {
    var dots = GroupDots(rows, cursor.starts, level.startStride)
    addGroup(&dots, level, cursor.weights, cursor.codes, cursor.channels)
    let scales = level.pair(cursor.scales, level.args.pointee.outputScale, place.panel)
    if let offsets = cursor.offsets(level, place) {
      floats.add(dots, scales, cursor.sums, offsets, cursor.rowScales, level.rowScaleStride)
    } else {
      floats.add(dots, scales, cursor.rowScales, level.rowScaleStride)
    }
    cursor.rowScales += 1
    cursor.advance(level, channelBytes)
  } while cursor.rest > 0
  floats.store(memory.totals)
}

/// The same where some groups share a scale of the row.
@inline(__always)
func multiplyParts(
  _ rows: Int, _ channelBytes: Int, _ level: GroupLevel, _ place: GroupPlace, _ memory: GroupMemory,
  _ addGroup: AddGroup
) {
  var cursor = GroupCursor(level, place)
  var floats = GroupFloats(rows)
  var restOfScale = level.groupsOfScale
  repeat {
    var dots = GroupDots(rows, cursor.starts, level.startStride)
    addGroup(&dots, level, cursor.weights, cursor.codes, cursor.channels)
    floats.add(dots, level.pair(cursor.scales, level.args.pointee.outputScale, place.panel))
    if let offsets = cursor.offsets(level, place) { floats.add(cursor.sums, offsets: offsets) }
    cursor.advance(level, channelBytes)
    restOfScale &-= 1
    if restOfScale == 0 || cursor.rest == 0 {
      floats.store(memory.parts)
      level.endScale(place, level.groups &- cursor.rest &- 1, memory)
      floats = GroupFloats(rows)
      restOfScale = level.groupsOfScale
    }
  } while cursor.rest > 0
}

/// Where the next group of a tile begins.
struct GroupCursor {
  var weights: UnsafePointer<UInt8>
  var codes: UnsafePointer<UInt8>
  var starts: UnsafePointer<Int32>
  var sums: GroupSums
  var rowScales: UnsafePointer<Float>
  var scales: UnsafeRawPointer
  /// Groups from it on.
  var rest: Int
  var channels: Int

  @inline(__always)
  init(_ level: GroupLevel, _ place: GroupPlace) {
    weights = level.weights + place.panel &* level.panelStride
    // The level's strides are 0 where it repeats a row.
    let args = level.args
    codes = level.codes + place.row &* Int(args.pointee.codeStride)
    starts = place.starts
    sums = GroupSums(first: place.sums, stride: level.startStride)
    rowScales = level.rowScales + place.row &* Int(args.pointee.rowScaleStride)
    scales = level.scales + place.panel &* level.groups &* level.scaleBytes
    rest = level.groups
    channels = level.groups == 1 ? level.lastChannels : level.groupLength
  }

  /// Those of this group; nil where there are none.
  @inline(__always)
  func offsets(_ level: GroupLevel, _ place: GroupPlace) -> FloatPair? {
    guard let offsets = level.offsets else { return nil }
    return level.pair(offsets + (scales - level.scales), level.args.pointee.outputOffset, place.panel)
  }

  @inline(__always)
  mutating func advance(_ level: GroupLevel, _ channelBytes: Int) {
    weights += channels &* channelBytes
    codes += channels
    starts += 1
    sums = GroupSums(first: sums.first + 1, stride: sums.stride)
    scales += level.scaleBytes
    rest &-= 1
    if rest == 1 { channels = level.lastChannels }
  }
}
