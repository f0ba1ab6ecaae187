import CKernelABI
import CSIMD

// One row: what takes time is reading weights, so four panels at a time, as four streams.

/// Bytes ahead in the same panel: nibbles leave too few loads under way to keep memory busy. Bytes are slower with it.
private let prefetchDistance = 2048

/// One register for each of four panels.
struct RowQuad {
  var first = _mm512_setzero_si512()
  var second = _mm512_setzero_si512()
  var third = _mm512_setzero_si512()
  var fourth = _mm512_setzero_si512()

  /// Adds 4 channels of bytes.
  @inline(__always)
  mutating func add(_ tile: UnsafePointer<UInt8>, _ stride: Int, _ codes: UnsafePointer<UInt8>) {
    let four = snq_broadcast4_512(codes)
    first = _mm512_dpbusd_epi32(first, _mm512_loadu_si512(tile), four)
    second = _mm512_dpbusd_epi32(second, _mm512_loadu_si512(tile + stride), four)
    third = _mm512_dpbusd_epi32(third, _mm512_loadu_si512(tile + 2 &* stride), four)
    fourth = _mm512_dpbusd_epi32(fourth, _mm512_loadu_si512(tile + 3 &* stride), four)
  }

  /// Adds 8 channels of nibbles.
  @inline(__always)
  mutating func addNibbles(_ tile: UnsafePointer<UInt8>, _ stride: Int, _ codes: UnsafePointer<UInt8>) {
    Self.prefetch(tile + prefetchDistance, stride)
    let (early, late) = (snq_broadcast4_512(codes), snq_broadcast4_512(codes + 4))
    first = Self.nibbles(first, tile, early, late)
    second = Self.nibbles(second, tile + stride, early, late)
    third = Self.nibbles(third, tile + 2 &* stride, early, late)
    fourth = Self.nibbles(fourth, tile + 3 &* stride, early, late)
  }

  @inline(__always)
  private static func prefetch(_ tile: UnsafePointer<UInt8>, _ stride: Int) {
    snq_prefetch(tile)
    snq_prefetch(tile + stride)
    snq_prefetch(tile + 2 &* stride)
    snq_prefetch(tile + 3 &* stride)
  }

  @inline(__always)
  private static func nibbles(
    _ sum: __m512i, _ tile: UnsafePointer<UInt8>, _ early: __m512i, _ late: __m512i
  ) -> __m512i {
    let bytes = _mm512_loadu_si512(tile)
    let low = _mm512_dpbusd_epi32(sum, _mm512_and_si512(bytes, _mm512_set1_epi8(0x0f)), early)
    return _mm512_dpbusd_epi32(low, snq_high_nibbles_512(bytes), late)
  }

  @inline(__always)
  init(repeating start: Int32) {
    first = _mm512_set1_epi32(start)
    (second, third, fourth) = (first, first, first)
  }
}

/// z of the same.
private struct RowParts {
  var first = _mm512_setzero_ps()
  var second = _mm512_setzero_ps()
  var third = _mm512_setzero_ps()
  var fourth = _mm512_setzero_ps()

  @inline(__always)
  mutating func add(_ dots: RowQuad, _ scales: RowParts) {
    first = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots.first), scales.first, first)
    second = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots.second), scales.second, second)
    third = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots.third), scales.third, third)
    fourth = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots.fourth), scales.fourth, fourth)
  }

  /// y += z * scale of the row.
  @inline(__always)
  mutating func add(_ parts: RowParts, _ rowScale: Float) {
    let scale = _mm512_set1_ps(rowScale)
    first = _mm512_fmadd_ps(parts.first, scale, first)
    second = _mm512_fmadd_ps(parts.second, scale, second)
    third = _mm512_fmadd_ps(parts.third, scale, third)
    fourth = _mm512_fmadd_ps(parts.fourth, scale, fourth)
  }

  /// Scales or offsets of one group.
  @inline(__always)
  init(
    _ level: GroupLevel, _ source: UnsafeRawPointer, _ factors: UnsafePointer<Float>?, _ panel: Int
  ) {
    let step = level.groups &* level.scaleBytes
    if level.scaleType == UInt32(SNQ_GROUP_FLOAT16) {
      first = snq_512_from_halves(source)
      second = snq_512_from_halves(source + step)
      third = snq_512_from_halves(source + 2 &* step)
      fourth = snq_512_from_halves(source + 3 &* step)
      return
    }
    let factors = factors.map { $0 + 16 &* panel }
    first = level.numbers(source, factors)
    second = level.numbers(source + step, factors.map { $0 + 16 })
    third = level.numbers(source + 2 &* step, factors.map { $0 + 32 })
    fourth = level.numbers(source + 3 &* step, factors.map { $0 + 48 })
  }

  @inline(__always) init() {}

  @inline(__always)
  init(_ memory: UnsafePointer<__m512>) {
    first = _mm512_load_ps(memory)
    second = _mm512_load_ps(memory + 1)
    third = _mm512_load_ps(memory + 2)
    fourth = _mm512_load_ps(memory + 3)
  }

  @inline(__always)
  func store(_ memory: UnsafeMutablePointer<__m512>) {
    _mm512_store_ps(memory, first)
    _mm512_store_ps(memory + 1, second)
    _mm512_store_ps(memory + 2, third)
    _mm512_store_ps(memory + 3, fourth)
  }
}

/// One row against four panels; y is in `memory` before and after.
@inline(__always)
private func multiplyRow(
  _ channelBytes: Int, _ level: GroupLevel, _ place: GroupPlace, _ memory: GroupMemory,
  _ addGroup: (inout RowQuad, UnsafePointer<UInt8>, UnsafePointer<UInt8>, Int) -> Void
) {
  var cursor = GroupCursor(level, place)
  var totals = RowParts(memory.totals)
  var parts = RowParts()
  var restOfScale = level.groupsOfScale
  repeat {
    var dots = RowQuad(repeating: level.constant &* cursor.sums.pointee)
    addGroup(&dots, cursor.weights, cursor.codes, cursor.channels)
    parts.add(dots, RowParts(level, cursor.scales, level.args.pointee.outputScale, place.panel))
    if let offsets = level.offsets {
      let numbers = RowParts(
        level, offsets + (cursor.scales - level.scales), level.args.pointee.outputOffset, place.panel)
      parts.add(RowQuad(repeating: cursor.sums.pointee), numbers)
    }
    cursor.advance(level, channelBytes)
    restOfScale &-= 1
    if restOfScale == 0 || cursor.rest == 0 {
      totals.add(parts, cursor.rowScales.pointee)
      parts = RowParts()
      cursor.rowScales += 1
      restOfScale = level.groupsOfScale
    }
  } while cursor.rest > 0
  totals.store(memory.totals)
}

@inline(never)
func bytesRow(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  let stride = level.pointee.panelStride
  multiplyRow(16, level.pointee, place, memory) { dots, weights, codes, channels in
    var (tile, code, rest) = (weights, codes, channels)
    while rest >= 16 {
      dots.add(tile, stride, code)
      dots.add(tile + 64, stride, code + 4)
      dots.add(tile + 128, stride, code + 8)
      dots.add(tile + 192, stride, code + 12)
      tile += 256
      code += 16
      rest &-= 16
    }
    while rest > 0 {
      dots.add(tile, stride, code)
      tile += 64
      code += 4
      rest &-= 4
    }
  }
}

@inline(never)
func nibblesRow(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  let stride = level.pointee.panelStride
  multiplyRow(8, level.pointee, place, memory) { dots, weights, codes, channels in
    var (tile, code, rest) = (weights, codes, channels)
    while rest >= 16 {
      dots.addNibbles(tile, stride, code)
      dots.addNibbles(tile + 64, stride, code + 8)
      tile += 128
      code += 16
      rest &-= 16
    }
    while rest > 0 {
      dots.addNibbles(tile, stride, code)
      tile += 64
      code += 8
      rest &-= 8
    }
  }
}
