import CSIMD

// The vocabulary of the shared row kernels on AVX-512: one register each.

/// Which of 16 lanes an operation touches.
struct LaneMask {
  let bits: __mmask16

  @inline(__always) init(_ bits: __mmask16) { self.bits = bits }
  /// The first `count` lanes, 0...16.
  @inline(__always) init(first count: Int) { bits = __mmask16(truncatingIfNeeded: (1 &<< count) &- 1) }
}

/// Sixteen binary32 lanes.
struct FloatLanes {
  let value: __m512

  @inline(__always) init(_ value: __m512) { self.value = value }
  @inline(__always) init(repeating value: Float) { self.value = _mm512_set1_ps(value) }
  @inline(__always) init(load pointer: UnsafePointer<Float>) { value = _mm512_loadu_ps(pointer) }
  /// The first `count` (0...16) elements, +0 in the other lanes.
  @inline(__always) init(load pointer: UnsafePointer<Float>, count: Int) {
    value = _mm512_maskz_loadu_ps(LaneMask(first: count).bits, pointer)
  }
  /// Sixteen binary16 numbers.
  @inline(__always) init(halves pointer: UnsafePointer<UInt16>) {
    value = _mm512_cvtph_ps(
      _mm256_loadu_si256(UnsafeRawPointer(pointer).assumingMemoryBound(to: __m256i.self)))
  }
  /// The first `count` of them, an even number in 0...16, +0 in the other lanes.
  @inline(__always) init(halves pointer: UnsafePointer<UInt16>, count: Int) {
    value = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(LaneMask(first: count).bits, pointer))
  }
  /// source[indices[lane]], every index below `channels`; fast where the indices are runs of neighbours.
  @inline(__always) init(
    gather source: UnsafePointer<Float>, _ indices: UnsafePointer<UInt32>, channels: Int
  ) {
    let first = Int(indices[0])
    let places = _mm512_sub_epi32(
      _mm512_loadu_si512(indices), _mm512_set1_epi32(Int32(truncatingIfNeeded: first)))
    if snq_512_below_32(places) != 0 {
      // All within 32 neighbours: a run, or one with a few left out.
      let left = channels &- first
      var (low, high) = (FloatLanes(repeating: 0), FloatLanes(repeating: 0))
      if left >= 32 {
        low = Self(load: source + first)
        high = Self(load: source + first + 16)
      } else {
        low = Self(load: source + first, count: min(16, left))
        high = Self(load: source + first + 16, count: max(0, min(16, left &- 16)))
      }
      value = _mm512_permutex2var_ps(low.value, places, high.value)
    } else {
      value = snq_512_gather(source, _mm512_loadu_si512(indices))
    }
  }
  @inline(__always) init(bits: IntegerLanes) { value = _mm512_castsi512_ps(bits.value) }
  /// Exact for |integer| <= 2^24, else rounded to nearest even.
  @inline(__always) init(_ integers: IntegerLanes) { value = _mm512_cvtepi32_ps(integers.value) }

  @inline(__always) func store(_ pointer: UnsafeMutablePointer<Float>) { _mm512_storeu_ps(pointer, value) }
  @inline(__always) func store(_ pointer: UnsafeMutablePointer<Float>, count: Int) {
    _mm512_mask_storeu_ps(pointer, LaneMask(first: count).bits, value)
  }

  @inline(__always) static func + (a: Self, b: Self) -> Self { Self(_mm512_add_ps(a.value, b.value)) }
  @inline(__always) static func - (a: Self, b: Self) -> Self { Self(_mm512_sub_ps(a.value, b.value)) }
  @inline(__always) static func * (a: Self, b: Self) -> Self { Self(_mm512_mul_ps(a.value, b.value)) }
  @inline(__always) static func / (a: Self, b: Self) -> Self { Self(_mm512_div_ps(a.value, b.value)) }
  @inline(__always) static func .< (a: Self, b: Self) -> LaneMask {
    LaneMask(snq_512_less(a.value, b.value))
  }

  @inline(__always) func squareRoot() -> Self { Self(_mm512_sqrt_ps(value)) }
  @inline(__always) func floor() -> Self { Self(snq_512_floor(value)) }
  @inline(__always) func nearest() -> Self { Self(snq_512_nearest(value)) }
  @inline(__always) func magnitude() -> Self { Self(_mm512_abs_ps(value)) }
  /// cvtps2dq: round to nearest even; Int32.min out of range and for NaN.
  @inline(__always) func nearestInteger() -> IntegerLanes { IntegerLanes(_mm512_cvtps_epi32(value)) }
  /// cvttps2dq: toward zero; Int32.min out of range and for NaN.
  @inline(__always) func truncatedInteger() -> IntegerLanes { IntegerLanes(_mm512_cvttps_epi32(value)) }

  /// Lane r is the maximum of the sixteen numbers at rows + 16 * r; no NaN.
  @inline(__always) init(maximaOfRows rows: UnsafePointer<Float>) { value = snq_512_block_maxima(rows) }

  private var halves: (lower: __m256, upper: __m256) {
    @inline(__always) get { (_mm512_castps512_ps256(value), snq_512_upper(value)) }
  }
  @inline(__always) func sum() -> Float { snq_256_sum(_mm256_add_ps(halves.lower, halves.upper)) }
  @inline(__always) func minimum() -> Float { snq_256_minimum(_mm256_min_ps(halves.lower, halves.upper)) }
  @inline(__always) func maximum() -> Float { snq_256_maximum(_mm256_max_ps(halves.lower, halves.upper)) }
}

/// Asks for the cache line of an address that will be read; any address will do.
@inline(__always) func prefetch(_ address: UnsafeRawPointer) { snq_prefetch_first(address) }

/// Sixteen rows of sixteen numbers, to their columns; the two places do not overlap.
@inline(__always) func transpose(_ rows: UnsafePointer<Float>, to columns: UnsafeMutablePointer<Float>) {
  snq_256_transpose_16(rows, columns)
}

/// a * b + c, rounded once.
@inline(__always) func fma(_ a: FloatLanes, _ b: FloatLanes, _ c: FloatLanes) -> FloatLanes {
  FloatLanes(_mm512_fmadd_ps(a.value, b.value, c.value))
}
/// a < b ? a : b.
@inline(__always) func minimum(_ a: FloatLanes, _ b: FloatLanes) -> FloatLanes {
  FloatLanes(_mm512_min_ps(a.value, b.value))
}
/// a > b ? a : b.
@inline(__always) func maximum(_ a: FloatLanes, _ b: FloatLanes) -> FloatLanes {
  FloatLanes(_mm512_max_ps(a.value, b.value))
}
@inline(__always) func select(_ mask: LaneMask, _ yes: FloatLanes, _ no: FloatLanes) -> FloatLanes {
  FloatLanes(_mm512_mask_mov_ps(no.value, mask.bits, yes.value))
}

/// Sixteen int32 lanes; arithmetic wraps.
struct IntegerLanes {
  let value: __m512i

  @inline(__always) init(_ value: __m512i) { self.value = value }
  @inline(__always) init(repeating value: Int32) { self.value = _mm512_set1_epi32(value) }
  @inline(__always) init(load pointer: UnsafePointer<Int32>) { value = _mm512_loadu_si512(pointer) }
  /// Sixteen unsigned bytes, one a lane.
  @inline(__always) init(bytes pointer: UnsafePointer<UInt8>) {
    value = _mm512_cvtepu8_epi32(
      _mm_loadu_si128(UnsafeRawPointer(pointer).assumingMemoryBound(to: __m128i.self)))
  }
  /// Sixteen signed bytes, one a lane.
  @inline(__always) init(signedBytes pointer: UnsafePointer<Int8>) {
    value = _mm512_cvtepi8_epi32(
      _mm_loadu_si128(UnsafeRawPointer(pointer).assumingMemoryBound(to: __m128i.self)))
  }
  /// Eight bytes: low nibble in the even lanes, high nibble in the odd lanes.
  @inline(__always) init(nibbles pointer: UnsafePointer<UInt8>) {
    let bytes = _mm_loadl_epi64(UnsafeRawPointer(pointer).assumingMemoryBound(to: __m128i.self))
    let pairs = _mm512_cvtepu8_epi32(_mm_unpacklo_epi8(bytes, _mm_srli_epi16(bytes, 4)))
    value = _mm512_and_si512(pairs, _mm512_set1_epi32(15))
  }
  @inline(__always) init(bits: FloatLanes) { value = _mm512_castps_si512(bits.value) }

  @inline(__always) func store(_ pointer: UnsafeMutablePointer<Int32>) { _mm512_storeu_si512(pointer, value) }
  /// The low byte of every lane; the lanes hold 0...255 or -128...127.
  @inline(__always) func storeBytes(_ pointer: UnsafeMutablePointer<UInt8>) {
    _mm_storeu_si128(
      UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: __m128i.self), _mm512_cvtepi32_epi8(value))
  }
  /// The first `count` (0...16) of them.
  @inline(__always) func storeBytes(_ pointer: UnsafeMutablePointer<UInt8>, count: Int) {
    _mm_mask_storeu_epi8(pointer, LaneMask(first: count).bits, _mm512_cvtepi32_epi8(value))
  }
  /// The same of 32 lanes.
  @inline(__always) static func storeBytes(_ low: Self, _ high: Self, _ pointer: UnsafeMutablePointer<UInt8>)
  {
    snq_store_256(pointer, snq_512_low_bytes(low.value, high.value))
  }
  @inline(__always) static func & (a: Self, b: Self) -> Self { Self(_mm512_and_si512(a.value, b.value)) }
  @inline(__always) static func | (a: Self, b: Self) -> Self { Self(_mm512_or_si512(a.value, b.value)) }
  @inline(__always) static func &+ (a: Self, b: Self) -> Self { Self(_mm512_add_epi32(a.value, b.value)) }
  @inline(__always) static func &- (a: Self, b: Self) -> Self { Self(_mm512_sub_epi32(a.value, b.value)) }
  @inline(__always) static func &* (a: Self, b: Self) -> Self { Self(_mm512_mullo_epi32(a.value, b.value)) }
  @inline(__always) func shiftedLeft(_ count: UInt32) -> Self { Self(_mm512_slli_epi32(value, count)) }
  @inline(__always) func arithmeticallyShiftedRight(_ count: UInt32) -> Self {
    Self(_mm512_srai_epi32(value, count))
  }
  /// The lanes outside the mask become 0.
  @inline(__always) func kept(_ mask: LaneMask) -> Self { Self(_mm512_maskz_mov_epi32(mask.bits, value)) }
  @inline(__always) func sum() -> Int32 {
    snq_256_sum_int32(_mm256_add_epi32(_mm512_castsi512_si256(value), snq_512_upper_int32(value)))
  }
}

/// Sixteen rows of four words, row 4 * l + k at word 4 * (4 * k + l), to `count` (1...4) columns of sixteen.
@inline(__always) func storeColumns(
  _ words: UnsafePointer<Int32>, _ columns: UnsafeMutablePointer<Int32>, count: Int
) {
  snq_512_store_columns(words, columns, count)
}

/// sum + four exact products per lane of the unsigned bytes at `codes` (the same four for all lanes) and
/// the signed bytes of a 64-byte aligned tile.
@inline(__always) func dot(
  _ sum: IntegerLanes, _ codes: Int32, _ tile: UnsafePointer<Int8>
) -> IntegerLanes {
  IntegerLanes(_mm512_dpbusd_epi32(sum.value, _mm512_set1_epi32(codes), _mm512_load_si512(tile)))
}

/// The same less a multiple of the tile; here 0 times.
@inline(__always) func dotOfMoved(
  _ sum: IntegerLanes, _ codes: Int32, _ tile: UnsafePointer<Int8>
) -> IntegerLanes { dot(sum, codes, tile) }
/// sum + what `dotOfMoved` takes.
@inline(__always) func addTaken(_ sum: IntegerLanes, _ tile: UnsafePointer<Int8>) -> IntegerLanes { sum }

/// Whether four rows take two blocks of sixteen keys or channels at a time.
let takesTwoBlocks = true
/// How many channels of three or four rows of sums the registers hold, 16 or 32.
let channelsOfFourRows = 32
/// Whether rows that read the same do so together.
let rowsShareReads = true

/// Two words of 16 bits in each of 16 lanes.
struct WordPairs {
  let value: __m512i

  /// 32 signed bytes.
  @inline(__always) init(signedBytes pointer: UnsafePointer<Int8>) {
    value = _mm512_cvtepi8_epi16(
      _mm256_loadu_si256(UnsafeRawPointer(pointer).assumingMemoryBound(to: __m256i.self)))
  }
  @inline(__always) init(_ bytes: ByteBlock) { value = _mm512_cvtepu8_epi16(bytes.value) }
}

/// 32 unsigned bytes.
struct ByteBlock {
  let value: __m256i

  @inline(__always) init(_ value: __m256i) { self.value = value }
  @inline(__always) init(repeating byte: Int8) { value = _mm256_set1_epi8(byte) }
  @inline(__always) init(load pointer: UnsafePointer<UInt8>) {
    value = _mm256_loadu_si256(UnsafeRawPointer(pointer).assumingMemoryBound(to: __m256i.self))
  }
  @inline(__always) static func & (a: Self, b: Self) -> Self { Self(_mm256_and_si256(a.value, b.value)) }
  @inline(__always) static func | (a: Self, b: Self) -> Self { Self(_mm256_or_si256(a.value, b.value)) }
  /// What comes into a byte from above is not defined.
  @inline(__always) func shiftedRight(_ count: Int32) -> Self { Self(_mm256_srli_epi16(value, count)) }
}

/// sum + the exact products of the two words of each lane and those of `words`, the low one first.
@inline(__always) func dot(_ sum: IntegerLanes, _ words: Int32, _ pairs: WordPairs) -> IntegerLanes {
  IntegerLanes(_mm512_dpwssd_epi32(sum.value, pairs.value, _mm512_set1_epi32(words)))
}

/// Stores the codes of 64 integers: max(integer + zero, 0), at most 255 by the caller's care; zero in 0...255. Returns
/// `sum` with the codes added, spread over its lanes.
@inline(__always) func storeCodes(
  _ a: IntegerLanes, _ b: IntegerLanes, _ c: IntegerLanes, _ d: IntegerLanes, zero: Int32,
  _ target: UnsafeMutablePointer<UInt8>, addingTo sum: IntegerLanes
) -> IntegerLanes {
  let bytes = snq_512_pack_codes(
    a.value, b.value, c.value, d.value, _mm512_set1_epi16(Int16(truncatingIfNeeded: zero)))
  _mm512_storeu_si512(target, bytes)
  return IntegerLanes(_mm512_dpbusd_epi32(sum.value, bytes, _mm512_set1_epi8(1)))
}
