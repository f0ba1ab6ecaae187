import CKernelABI
import CSIMD

// One row. Nibbles: 32 channels of products fit in 16 bits. Bytes: the codes are split as in MatmulSplitAVX2.swift, here
// into q = 16 h + l with both from -8 to 8, and 8 products of either fit: 8 * 2 * 255 * 8.

/// 16-bit sums of one row and two panels.
private struct ShortDots {
  var first = OutputVectors()
  var second = OutputVectors()

  @inline(__always)
  mutating func add(_ codes: __m256i, _ tile: OutputVectors, _ other: OutputVectors) {
    first.addSigned(codes, tile)
    second.addSigned(codes, other)
  }

  @inline(__always)
  func widen(into dots: inout RowDots, _ factor: Int16) {
    dots.first.widen(first, _mm256_set1_epi16(factor))
    dots.second.widen(second, _mm256_set1_epi16(factor))
  }
}

extension RowDots {
  /// Up to 32 channels of nibbles.
  @inline(__always)
  fileprivate mutating func addNibbles(
    _ weights: UnsafePointer<UInt8>, _ step: Int, _ codes: UnsafePointer<UInt8>, _ tiles: Int
  ) {
    var short = ShortDots()
    for tile in 0..<tiles {
      let (nibbles, others) = (
        OutputVectors.loaded(weights + 64 &* tile), OutputVectors.loaded(weights + (64 &* tile &+ step))
      )
      short.add(snq_broadcast4_256(codes + 8 &* tile), nibbles.lowNibbles(), others.lowNibbles())
      short.add(snq_broadcast4_256(codes + (8 &* tile &+ 4)), nibbles.highNibbles(), others.highNibbles())
    }
    short.widen(into: &self, 1)
  }

  /// Up to 32 channels of bytes; the halves of codes are in scratch memory.
  @inline(__always)
  fileprivate mutating func addBytes(
    _ weights: UnsafePointer<UInt8>, _ step: Int, _ halves: UnsafePointer<UInt8>, _ upper: Int, _ tiles: Int
  ) {
    var (low, high) = (ShortDots(), ShortDots())
    for tile in 0..<tiles {
      let (bytes, others) = (
        OutputVectors.loaded(weights + 64 &* tile), OutputVectors.loaded(weights + (64 &* tile &+ step))
      )
      low.add(snq_broadcast4_256(halves + 4 &* tile), bytes, others)
      high.add(snq_broadcast4_256(halves + (upper &+ 4 &* tile)), bytes, others)
    }
    low.widen(into: &self, 1)
    high.widen(into: &self, 16)
  }
}

/// One row of nibbles against two panels.
@inline(never)
func groupNibblesRow(
  _ level: GroupLevel, _ row: Int, _ panel: Int, _ panels: Int, _ totals: UnsafeMutablePointer<Float>
) {
  multiplyGroupRow(level, row, panel, panels, totals, GroupForm.nibbles.constant(level)) { dots, group in
    var (tile, codes, rest) = (group.weights, group.codes, group.channels)
    while rest >= 32 {
      dots.addNibbles(tile, group.panelStep, codes, 4)
      tile += 256
      codes += 32
      rest &-= 32
    }
    if rest > 0 { dots.addNibbles(tile, group.panelStep, codes, rest &>> 3) }
  }
}

/// l and h of the codes of one group: q = 16 h + l.
@inline(__always)
private func splitSigned(_ codes: UnsafePointer<UInt8>, _ channels: Int) -> (low: __m256i, high: __m256i) {
  let bytes = channels >= 32 ? snq_load_256(codes) : snq_first_bytes_256(codes, channels)
  // h = (q + 8) >> 4, arithmetically: of q + 128, the average with 7 is (q + 136) >> 1 without overflow.
  let biased = _mm256_xor_si256(bytes, _mm256_set1_epi8(-128))
  let half = _mm256_avg_epu8(biased, _mm256_set1_epi8(7))
  let high = _mm256_sub_epi8(
    _mm256_and_si256(_mm256_srli_epi16(half, 3), _mm256_set1_epi8(0x1f)), _mm256_set1_epi8(8))
  let shifted = _mm256_and_si256(_mm256_slli_epi16(high, 4), _mm256_set1_epi8(-16))
  return (_mm256_sub_epi8(bytes, shifted), high)
}

/// One row of bytes against two panels.
@inline(never)
func groupBytesRow(
  _ level: GroupLevel, _ row: Int, _ panel: Int, _ panels: Int, _ totals: UnsafeMutablePointer<Float>
) {
  // Halves of 32 codes, behind what the row needs.
  let halves = UnsafeMutableRawPointer(totals + 128).assumingMemoryBound(to: UInt8.self)
  let constant = 0 &- level.args.pointee.weightConstant
  multiplyGroupRow(level, row, panel, panels, totals, constant) { dots, group in
    var (tile, codes, rest) = (group.weights, group.codes, group.channels)
    while rest > 0 {
      let count = min(32, rest)
      let split = splitSigned(codes, count)
      snq_store_256(halves, split.low)
      snq_store_256(halves + 32, split.high)
      if count == 32 {
        dots.addBytes(tile, group.panelStep, halves, 32, 8)
      } else {
        dots.addBytes(tile, group.panelStep, halves, 32, count &>> 2)
      }
      tile += 512
      codes += 32
      rest &-= 32
    }
  }
}
