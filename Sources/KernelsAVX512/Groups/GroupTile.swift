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

  /// The same, and asks for what comes later.
  @inline(__always)
  init(asking tile: UnsafePointer<UInt8>, _ step: Int) {
    snq_prefetch_first(tile + weightsAhead)
    snq_prefetch_first(tile + (step &+ weightsAhead))
    self.init(tile, step)
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

/// I of one group of some rows x 2 panels. Six rows take 12 registers, and another 12 hold y or z. It starts from what the
/// constant of the weights adds. Rows are types, not numbers: with a branch for each row, which a literal would remove, the
/// optimiser gives up inlining.
protocol GroupDots {
  associatedtype Floats: GroupFloats where Floats.Dots == Self
  static var rows: Int { get }
  init(_ starts: UnsafePointer<Int32>, _ stride: Int)
  /// Adds the products of 4 signed codes of each row with unsigned weights.
  mutating func add(_ weights: PanelPair, _ codes: UnsafePointer<UInt8>, _ stride: Int)
}

/// One row.
struct RowDots: GroupDots {
  typealias Floats = RowFloats
  @inline(__always) static var rows: Int { 1 }
  var pair: PanelPair

  @inline(__always)
  init(_ starts: UnsafePointer<Int32>, _ stride: Int) { pair = PanelPair(repeating: starts) }

  @inline(__always)
  mutating func add(_ weights: PanelPair, _ codes: UnsafePointer<UInt8>, _ stride: Int) {
    let four = snq_broadcast4_512(codes)
    pair.first = _mm512_dpbusd_epi32(pair.first, weights.first, four)
    pair.second = _mm512_dpbusd_epi32(pair.second, weights.second, four)
  }
}

/// The rows of one, and behind them those of another.
struct JoinedDots<Upper: GroupDots, Lower: GroupDots>: GroupDots {
  typealias Floats = JoinedFloats<Upper.Floats, Lower.Floats>
  @inline(__always) static var rows: Int { Upper.rows &+ Lower.rows }
  var upper: Upper
  var lower: Lower

  @inline(__always)
  init(_ starts: UnsafePointer<Int32>, _ stride: Int) {
    upper = Upper(starts, stride)
    lower = Lower(starts + Upper.rows &* stride, stride)
  }

  @inline(__always)
  mutating func add(_ weights: PanelPair, _ codes: UnsafePointer<UInt8>, _ stride: Int) {
    upper.add(weights, codes, stride)
    lower.add(weights, codes + Upper.rows &* stride, stride)
  }
}

typealias RowDots2 = JoinedDots<RowDots, RowDots>
typealias RowDots3 = JoinedDots<RowDots2, RowDots>
typealias RowDots4 = JoinedDots<RowDots2, RowDots2>
typealias RowDots5 = JoinedDots<RowDots3, RowDots2>
typealias RowDots6 = JoinedDots<RowDots3, RowDots3>

/// One tile of outputs, all groups, where every group has a scale of the row.
@inline(never)
func multiplyDirect<Dots: GroupDots, Form: GroupForm>(
  _: Dots.Type, _: Form.Type, _ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory
) {
  let level = level.pointee
  var cursor = GroupCursor(level, place)
  var floats = Dots.Floats(memory.totals)
  repeat {
    var dots = Dots(cursor.starts, level.groups)
    Form.add(&dots, level, cursor.weights, cursor.codes, cursor.channels)
    let scales = level.pair(cursor.scales, level.args.pointee.outputScale, place.panel)
    if let offsets = cursor.offsets(level, place) {
      floats.add(dots, scales, cursor.sums, offsets, cursor.rowScales, level.rowScaleStride)
    } else {
      floats.add(dots, scales, cursor.rowScales, level.rowScaleStride)
    }
    cursor.rowScales += 1
    cursor.advance(level, Form.channelBytes)
  } while cursor.rest > 0
  floats.store(memory.totals)
}

/// The same where some groups share a scale of the row.
@inline(never)
func multiplyParts<Dots: GroupDots, Form: GroupForm>(
  _: Dots.Type, _: Form.Type, _ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory
) {
  let level = level.pointee
  var cursor = GroupCursor(level, place)
  var floats = Dots.Floats()
  var restOfScale = level.groupsOfScale
  repeat {
    var dots = Dots(cursor.starts, level.groups)
    Form.add(&dots, level, cursor.weights, cursor.codes, cursor.channels)
    floats.add(dots, level.pair(cursor.scales, level.args.pointee.outputScale, place.panel))
    if let offsets = cursor.offsets(level, place) { floats.add(cursor.sums, offsets: offsets) }
    cursor.advance(level, Form.channelBytes)
    restOfScale &-= 1
    if restOfScale == 0 || cursor.rest == 0 {
      floats.store(memory.parts)
      level.endScale(place, level.groups &- cursor.rest &- 1, memory)
      floats = Dots.Floats()
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
    codes = level.codes + place.row &* level.codeStride
    starts = place.starts
    sums = GroupSums(first: place.sums, stride: level.groups)
    rowScales = level.rowScales + place.row &* level.rowScaleStride
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
