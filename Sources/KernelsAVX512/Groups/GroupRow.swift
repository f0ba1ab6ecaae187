import CKernelABI
import CSIMD

// One row: what takes time is reading weights, and what the CPU can hold in flight must be loads of them, so little else
// is done for a group. Nibbles come from one panel at a time, as one stream that is asked for far ahead: groups are sums
// of their own, so that nothing waits for the products before. Bytes come from four panels, as four streams.

/// Bytes from scales to those that are asked for meanwhile, as `weightsAhead` of weights.
private let scalesAhead = 1024

/// One register for each of up to four panels: I.
private struct RowQuad {
  let panels: Int
  var first: __m512i
  var second: __m512i
  var third: __m512i
  var fourth: __m512i

  @inline(__always)
  init(_ panels: Int, _ start: Int32) {
    self.panels = panels
    first = _mm512_set1_epi32(start)
    (second, third, fourth) = (first, first, first)
  }

  /// Adds 4 channels of bytes.
  @inline(__always)
  mutating func addBytes(_ tile: UnsafePointer<UInt8>, _ stride: Int, _ codes: UnsafePointer<UInt8>) {
    let four = snq_broadcast4_512(codes)
    first = _mm512_dpbusd_epi32(first, _mm512_loadu_si512(tile), four)
    if panels > 1 {
      second = _mm512_dpbusd_epi32(second, _mm512_loadu_si512(tile + stride), four)
      third = _mm512_dpbusd_epi32(third, _mm512_loadu_si512(tile + 2 &* stride), four)
      fourth = _mm512_dpbusd_epi32(fourth, _mm512_loadu_si512(tile + 3 &* stride), four)
    }
  }

  /// Adds 8 channels of nibbles of one panel.
  @inline(__always)
  mutating func addNibbles(_ tile: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>) {
    snq_prefetch_first(tile + weightsAhead)
    let bytes = _mm512_loadu_si512(tile)
    first = _mm512_dpbusd_epi32(
      first, _mm512_and_si512(bytes, _mm512_set1_epi8(0x0f)), snq_broadcast4_512(codes))
    first = _mm512_dpbusd_epi32(first, snq_high_nibbles_512(bytes), snq_broadcast4_512(codes + 4))
  }
}

/// y, z, scales or offsets of the same.
private struct RowQuadFloats {
  let panels: Int
  var first = _mm512_setzero_ps()
  var second = _mm512_setzero_ps()
  var third = _mm512_setzero_ps()
  var fourth = _mm512_setzero_ps()

  @inline(__always) init(_ panels: Int) { self.panels = panels }

  @inline(__always)
  mutating func add(_ dots: RowQuad, _ scales: RowQuadFloats) {
    first = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots.first), scales.first, first)
    if panels > 1 {
      second = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots.second), scales.second, second)
      third = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots.third), scales.third, third)
      fourth = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots.fourth), scales.fourth, fourth)
    }
  }

  /// y += z * scale of the row.
  @inline(__always)
  mutating func add(_ parts: RowQuadFloats, _ rowScale: Float) {
    let scale = _mm512_set1_ps(rowScale)
    first = _mm512_fmadd_ps(parts.first, scale, first)
    if panels > 1 {
      second = _mm512_fmadd_ps(parts.second, scale, second)
      third = _mm512_fmadd_ps(parts.third, scale, third)
      fourth = _mm512_fmadd_ps(parts.fourth, scale, fourth)
    }
  }

  @inline(__always)
  init(_ panels: Int, _ memory: UnsafePointer<__m512>) {
    self.init(panels)
    first = _mm512_load_ps(memory)
    if panels > 1 {
      second = _mm512_load_ps(memory + 1)
      third = _mm512_load_ps(memory + 2)
      fourth = _mm512_load_ps(memory + 3)
    }
  }

  @inline(__always)
  func store(_ memory: UnsafeMutablePointer<__m512>) {
    _mm512_store_ps(memory, first)
    if panels > 1 {
      _mm512_store_ps(memory + 1, second)
      _mm512_store_ps(memory + 2, third)
      _mm512_store_ps(memory + 3, fourth)
    }
  }
}

/// The numbers of one row and its panels, from one group to the next.
private struct RowCursor {
  let level: GroupLevel
  let panels: Int
  /// Scales are float16: else the type is looked at.
  let isHalves: Bool
  let panel: Int
  let scaleStep: Int
  var weights: UnsafePointer<UInt8>
  var codes: UnsafePointer<UInt8>
  var sums: UnsafePointer<Int32>
  var scales: UnsafeRawPointer

  @inline(__always)
  init(_ level: GroupLevel, _ panels: Int, isHalves: Bool, _ place: GroupPlace) {
    self.level = level
    self.panels = panels
    self.isHalves = isHalves
    panel = place.panel
    scaleStep = level.groups &* level.scaleBytes
    weights = level.weights + place.panel &* level.panelStride
    codes = level.codes + place.row &* Int(level.args.pointee.codeStride)
    sums = level.sums + place.row &* Int(level.args.pointee.groupSumStride)
    scales = level.scales + place.panel &* scaleStep
  }

  /// Scales or offsets of this group.
  @inline(__always)
  func numbers(_ source: UnsafeRawPointer, _ factors: UnsafePointer<Float>?) -> RowQuadFloats {
    var result = RowQuadFloats(panels)
    if isHalves {
      result.first = snq_512_from_halves(source)
      if panels > 1 {
        result.second = snq_512_from_halves(source + scaleStep)
        result.third = snq_512_from_halves(source + 2 &* scaleStep)
        result.fourth = snq_512_from_halves(source + 3 &* scaleStep)
      }
      return result
    }
    let factors = factors.map { $0 + 16 &* panel }
    result.first = level.numbers(source, factors)
    if panels > 1 {
      result.second = level.numbers(source + scaleStep, factors.map { $0 + 16 })
      result.third = level.numbers(source + 2 &* scaleStep, factors.map { $0 + 32 })
      result.fourth = level.numbers(source + 3 &* scaleStep, factors.map { $0 + 48 })
    }
    return result
  }

  /// z of one group, and on to the next.
  @inline(__always)
  mutating func addGroup(
    _ channels: Int, _ channelBytes: Int, _ parts: inout RowQuadFloats,
    _ addDots: (inout RowQuad, UnsafePointer<UInt8>, UnsafePointer<UInt8>, Int) -> Void
  ) {
    if panels == 1 { snq_prefetch_first(scales + scalesAhead) }
    var dots = RowQuad(panels, level.constant &* sums.pointee)
    addDots(&dots, weights, codes, channels)
    parts.add(dots, numbers(scales, level.args.pointee.outputScale))
    if !isHalves, let offsets = level.offsets {
      let numbers = numbers(offsets + (scales - level.scales), level.args.pointee.outputOffset)
      parts.add(RowQuad(panels, sums.pointee), numbers)
    }
    weights += channels &* channelBytes
    codes += channels
    sums += 1
    scales += isHalves ? 32 : level.scaleBytes
  }
}

/// One row against four panels or one; y is in `memory` before and after.
@inline(__always)
private func multiplyRow(
  _ panels: Int, isHalves: Bool, _ channelBytes: Int, _ level: GroupLevel, _ place: GroupPlace,
  _ memory: GroupMemory,
  _ addDots: (inout RowQuad, UnsafePointer<UInt8>, UnsafePointer<UInt8>, Int) -> Void
) {
  var cursor = RowCursor(level, panels, isHalves: isHalves, place)
  var totals = RowQuadFloats(panels, memory.totals)
  var rowScale = level.rowScales + place.row &* Int(level.args.pointee.rowScaleStride)
  var rest = level.groups
  repeat {
    var parts = RowQuadFloats(panels)
    var count = min(rest, level.groupsOfScale)
    rest &-= count
    repeat {
      count &-= 1
      let channels = rest &+ count == 0 ? level.lastChannels : level.groupLength
      cursor.addGroup(channels, channelBytes, &parts, addDots)
    } while count > 0
    totals.add(parts, rowScale.pointee)
    rowScale += 1
  } while rest > 0
  totals.store(memory.totals)
}

/// Straight code for 32 channels: a branch would be mispredicted at the end of most groups.
@inline(__always)
private func addBytes(
  _ dots: inout RowQuad, _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ channels: Int,
  _ stride: Int
) {
  var (tile, code, rest) = (weights, codes, channels)
  while rest >= 32 {
    dots.addBytes(tile, stride, code)
    dots.addBytes(tile + 64, stride, code + 4)
    dots.addBytes(tile + 128, stride, code + 8)
    dots.addBytes(tile + 192, stride, code + 12)
    dots.addBytes(tile + 256, stride, code + 16)
    dots.addBytes(tile + 320, stride, code + 20)
    dots.addBytes(tile + 384, stride, code + 24)
    dots.addBytes(tile + 448, stride, code + 28)
    tile += 512
    code += 32
    rest &-= 32
  }
  while rest > 0 {
    dots.addBytes(tile, stride, code)
    tile += 64
    code += 4
    rest &-= 4
  }
}

/// The same of nibbles.
@inline(__always)
private func addNibbles(
  _ dots: inout RowQuad, _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ channels: Int
) {
  var (tile, code, rest) = (weights, codes, channels)
  while rest >= 32 {
    dots.addNibbles(tile, code)
    dots.addNibbles(tile + 64, code + 8)
    dots.addNibbles(tile + 128, code + 16)
    dots.addNibbles(tile + 192, code + 24)
    tile += 256
    code += 32
    rest &-= 32
  }
  while rest > 0 {
    dots.addNibbles(tile, code)
    tile += 64
    code += 8
    rest &-= 8
  }
}

// One function a form and type of scales, because the optimiser stops inlining when a caller grows.

@inline(never)
func halfBytesRow(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  let stride = level.pointee.panelStride
  multiplyRow(4, isHalves: true, 16, level.pointee, place, memory) { addBytes(&$0, $1, $2, $3, stride) }
}

@inline(never)
func bytesRow(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  let stride = level.pointee.panelStride
  multiplyRow(4, isHalves: false, 16, level.pointee, place, memory) { addBytes(&$0, $1, $2, $3, stride) }
}

@inline(never)
func halfNibblesRow(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  multiplyRow(1, isHalves: true, 8, level.pointee, place, memory) { addNibbles(&$0, $1, $2, $3) }
}

@inline(never)
func nibblesRow(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  multiplyRow(1, isHalves: false, 8, level.pointee, place, memory) { addNibbles(&$0, $1, $2, $3) }
}
