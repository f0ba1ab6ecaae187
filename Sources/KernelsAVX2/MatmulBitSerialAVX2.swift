import CKernelABI
import CSIMD

// Bits of a plane of weights AND bits of a plane of codes, counted. Four tiles are first added as bits, by carry-save
// adders of 5 instructions, so that only one register in four goes through the lookups of a count: 26 instructions
// for 4 registers instead of 32. (Eight tiles: 50 for 8, but the sums no longer fit in the registers.)

/// A column of a carry-save adder: the sum of three bits stays in `sum`, their carry is the result.
@inline(__always)
private func carry(_ sum: inout __m256i, _ a: __m256i, _ b: __m256i) -> __m256i {
  let odd = _mm256_xor_si256(a, b)
  let carry = _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(odd, sum))
  sum = _mm256_xor_si256(sum, odd)
  return carry
}

/// Bits set in every byte.
@inline(__always)
private func counted(_ bits: __m256i) -> __m256i {
  let counts = _mm256_setr_epi8(
    0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4)
  let low = _mm256_and_si256(bits, _mm256_set1_epi8(15))
  return _mm256_add_epi8(
    _mm256_shuffle_epi8(counts, low), _mm256_shuffle_epi8(counts, snq_high_nibbles_256(bits)))
}

/// The 4 bytes of every lane, added.
@inline(__always)
private func lanes(_ bytes: __m256i) -> __m256i {
  _mm256_madd_epi16(_mm256_maddubs_epi16(bytes, _mm256_set1_epi8(1)), _mm256_set1_epi16(1))
}

/// How many bits of 8 outputs are set over a run of tiles.
private struct BitCounts {
  var ones = _mm256_setzero_si256()
  var twos = _mm256_setzero_si256()
  /// Bytes; each counts four.
  var fours = _mm256_setzero_si256()
  /// Bytes; of tiles behind the last four.
  var rest = _mm256_setzero_si256()

  @inline(__always)
  private func bits(_ tile: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ index: Int) -> __m256i {
    _mm256_and_si256(snq_load_256(tile + index &* 64), snq_broadcast4_256(codes + index &* 4))
  }

  @inline(__always)
  mutating func addFour(_ tile: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>) {
    let early = carry(&ones, bits(tile, codes, 0), bits(tile, codes, 1))
    let late = carry(&ones, bits(tile, codes, 2), bits(tile, codes, 3))
    fours = _mm256_add_epi8(fours, counted(carry(&twos, early, late)))
  }

  @inline(__always)
  mutating func addOne(_ tile: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>) {
    rest = _mm256_add_epi8(rest, counted(bits(tile, codes, 0)))
  }

  /// At most 31 times four tiles, and 3 of the others: no byte overflows.
  @inline(__always)
  func total() -> __m256i {
    let two = counted(twos)
    let small = _mm256_add_epi8(_mm256_add_epi8(rest, counted(ones)), _mm256_add_epi8(two, two))
    return _mm256_add_epi32(_mm256_slli_epi32(lanes(fours), 2), lanes(small))
  }
}

/// Tiles whose counts fit in bytes.
private let tilesInBytes = 31 * 4

/// Adds to `sums` ([half]) the counts of one plane of one panel with one plane of one row, times 2^shift. The next
/// panel is `next` bytes further.
@inline(never)
private func addCounts(
  _ plane: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ tiles: Int, _ next: Int,
  _ shift: Int32, _ sums: UnsafeMutablePointer<__m256i>
) {
  let weight = _mm_cvtsi32_si128(shift)
  var (tile, bits, rest) = (plane, codes, tiles)
  while rest > 0 {
    var (low, high) = (BitCounts(), BitCounts())
    var count = min(rest, tilesInBytes)
    rest &-= count
    while count >= 4 {
      low.addFour(tile, bits)
      high.addFour(tile + 32, bits)
      // The same tiles of the next panel, which may still be in L3 or in memory.
      snq_prefetch(tile + next)
      snq_prefetch(tile + (next &+ 64))
      snq_prefetch(tile + (next &+ 128))
      snq_prefetch(tile + (next &+ 192))
      tile += 256
      bits += 16
      count &-= 4
    }
    while count > 0 {
      low.addOne(tile, bits)
      high.addOne(tile + 32, bits)
      tile += 64
      bits += 4
      count &-= 1
    }
    var total = OutputVectors.loaded(sums)
    total.low = _mm256_add_epi32(total.low, _mm256_sll_epi32(low.total(), weight))
    total.high = _mm256_add_epi32(total.high, _mm256_sll_epi32(high.total(), weight))
    total.store(sums)
  }
}

/// Rows whose outputs are finished together.
private let finishedRows = 32

/// Adds to `sums` ([half]) all pairs of planes of one panel and one row.
@inline(__always)
private func addPlanes(
  _ level: UnsafePointer<snq_matmul_args>, _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>,
  _ sums: UnsafeMutablePointer<__m256i>
) {
  let (weightBits, codeBits) = (Int(level.pointee.weightBits), Int(level.pointee.activationBits))
  let tiles = Int(level.pointee.paddedChannels) &>> 5
  for index in 0..<weightBits {
    for bit in 0..<codeBits {
      addCounts(
        weights + index &* Int(level.pointee.planeStride), codes + bit &* tiles &* 4, tiles,
        Int(level.pointee.panelStride), Int32(truncatingIfNeeded: weightBits &- 1 &- index &+ bit), sums)
    }
  }
}

/// Any part of the rows and panels. A panel stays in the first cache while its rows pass.
func multiplyBits(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart, _ scratch: UnsafeMutablePointer<UInt8>
) {
  guard let weights = level.pointee.weights, let codes = level.pointee.codes else { return }
  let sums = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: __m256i.self)
  for panel in part.panelBegin..<max(part.panelBegin, part.panelEnd) {
    let planes = weights + panel &* Int(level.pointee.panelStride)
    var row = part.rowBegin
    while row < part.rowEnd {
      let rows = min(finishedRows, part.rowEnd &- row)
      for r in 0..<rows {
        OutputVectors().store(sums + 2 &* r)
        addPlanes(level, planes, codes + (row &+ r) &* Int(level.pointee.codeStride), sums + 2 &* r)
      }
      finishTile(sums, rows, level, row, panel)
      row &+= rows
    }
  }
}
