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

extension OutputVectors {
  /// Adds 8 channels of nibbles to 16-bit sums.
  @inline(__always)
  private mutating func addNibbles(_ tile: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>) {
    let nibbles = OutputVectors.loaded(tile)
    addSigned(snq_broadcast4_256(codes), nibbles.lowNibbles())
    addSigned(snq_broadcast4_256(codes + 4), nibbles.highNibbles())
  }

  /// Adds 8 or 32 channels of nibbles to 32-bit sums.
  @inline(__always)
  fileprivate mutating func addNibbles(
    _ tile: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, isWhole: Bool
  ) {
    var short = OutputVectors()
    short.addNibbles(tile, codes)
    if isWhole {
      short.addNibbles(tile + 64, codes + 8)
      short.addNibbles(tile + 128, codes + 16)
      short.addNibbles(tile + 192, codes + 24)
    }
    widen(short, _mm256_set1_epi16(1))
  }
}

extension RowDots {
  /// A group of nibbles, 32 channels of them in straight code.
  @inline(__always)
  fileprivate mutating func addNibbles(_ group: RowGroup) {
    var (tile, codes, rest) = (group.weights, group.codes, group.channels)
    while rest >= 32 {
      first.addNibbles(tile, codes, isWhole: true)
      second.addNibbles(tile + group.panelStep, codes, isWhole: true)
      tile += 256
      codes += 32
      rest &-= 32
    }
    while rest > 0 {
      first.addNibbles(tile, codes, isWhole: false)
      second.addNibbles(tile + group.panelStep, codes, isWhole: false)
      tile += 64
      codes += 8
      rest &-= 8
    }
  }

  /// A group of bytes; the halves of codes are in scratch memory.
  @inline(__always)
  fileprivate mutating func addBytes(_ group: RowGroup, _ halves: UnsafeMutablePointer<UInt8>) {
    var (tile, codes, rest) = (group.weights, group.codes, group.channels)
    while rest > 0 {
      let count = min(32, rest)
      let split = splitSigned(codes, count)
      snq_store_256(halves, split.low)
      snq_store_256(halves + 32, split.high)
      var (low, high) = (ShortDots(), ShortDots())
      // One loop: a second one for the last channels would be left out of line.
      for quad in 0..<count &>> 2 {
        let bytes = OutputVectors.loaded(tile + 64 &* quad)
        let others = OutputVectors.loaded(tile + (64 &* quad &+ group.panelStep))
        low.add(snq_broadcast4_256(halves + 4 &* quad), bytes, others)
        high.add(snq_broadcast4_256(halves + (32 &+ 4 &* quad)), bytes, others)
      }
      low.widen(into: &self, 1)
      high.widen(into: &self, 16)
      tile += 512
      codes += 32
      rest &-= 32
    }
  }
}

/// l and h of the codes of one group: q = 16 h + l.
@inline(__always)
func splitSigned(_ codes: UnsafePointer<UInt8>, _ channels: Int) -> (low: __m256i, high: __m256i) {
  let bytes = channels >= 32 ? snq_load_256(codes) : snq_first_bytes_256(codes, channels)
  // h = (q + 8) >> 4, arithmetically: of q + 128, the average with 7 is (q + 136) >> 1 without overflow.
  let biased = _mm256_xor_si256(bytes, _mm256_set1_epi8(-128))
  let half = _mm256_avg_epu8(biased, _mm256_set1_epi8(7))
  let high = _mm256_sub_epi8(
    _mm256_and_si256(_mm256_srli_epi16(half, 3), _mm256_set1_epi8(0x1f)), _mm256_set1_epi8(8))
  let shifted = _mm256_and_si256(_mm256_slli_epi16(high, 4), _mm256_set1_epi8(-16))
  return (_mm256_sub_epi8(bytes, shifted), high)
}

// One function a form and type of scales, because the optimiser stops inlining when a caller grows.

@inline(never)
private func nibblesRow(_ row: GroupRow) {
  multiplyGroupRow(isHalves: false, asksAhead: true, row, GroupForm.nibbles.constant(row.level)) {
    $0.addNibbles($1)
  }
}

@inline(never)
private func halfNibblesRow(_ row: GroupRow) {
  multiplyGroupRow(isHalves: true, asksAhead: true, row, GroupForm.nibbles.constant(row.level)) {
    $0.addNibbles($1)
  }
}

/// Measured on Zen 3: 4096 channels from memory ran at 0.71 of the ungrouped kernel with asking and at 0.92 without,
/// 640 channels at 0.92 and 0.77. Longer panels have presumably left the caches before their turn comes.
@inline(__always)
private func asksForBytes(_ row: GroupRow) -> Bool { row.level.args.pointee.panelStride <= 48 &* 1024 }

@inline(never)
private func bytesRow(_ row: GroupRow) {
  let halves = UnsafeMutableRawPointer(row.totals + 128).assumingMemoryBound(to: UInt8.self)
  multiplyGroupRow(isHalves: false, asksAhead: asksForBytes(row), row, GroupForm.nibbles.constant(row.level))
  {
    $0.addBytes($1, halves)
  }
}

@inline(never)
private func halfBytesRow(_ row: GroupRow) {
  let halves = UnsafeMutableRawPointer(row.totals + 128).assumingMemoryBound(to: UInt8.self)
  multiplyGroupRow(isHalves: true, asksAhead: asksForBytes(row), row, GroupForm.nibbles.constant(row.level)) {
    $0.addBytes($1, halves)
  }
}

/// One row of nibbles.
func multiplyNibblesRow(_ level: GroupLevel, _ part: MatmulPart, _ memory: UnsafeMutablePointer<UInt8>) {
  multiplyGroupRow(level, part, memory) { $0.isHalves ? halfNibblesRow($0) : nibblesRow($0) }
}

/// One row of bytes.
func multiplyBytesRow(_ level: GroupLevel, _ part: MatmulPart, _ memory: UnsafeMutablePointer<UInt8>) {
  multiplyGroupRow(level, part, memory) { $0.isHalves ? halfBytesRow($0) : bytesRow($0) }
}
