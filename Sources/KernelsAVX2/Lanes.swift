import CSIMD

// The vocabulary of the shared row kernels on AVX2: two registers each, lanes 0...7 and 8...15.

/// Which of 16 lanes an operation touches: all bits of a lane set, or none.
struct LaneMask {
  let low: __m256
  let high: __m256

  @inline(__always) init(_ low: __m256, _ high: __m256) {
    self.low = low
    self.high = high
  }
  /// The first `count` lanes, 0...16.
  @inline(__always) init(first count: Int) {
    let limit = _mm256_set1_epi32(Int32(truncatingIfNeeded: count))
    let low = _mm256_cmpgt_epi32(limit, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
    let high = _mm256_cmpgt_epi32(limit, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15))
    self.init(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high))
  }
}

/// Sixteen binary32 lanes.
struct FloatLanes {
  let low: __m256
  let high: __m256

  @inline(__always) init(_ low: __m256, _ high: __m256) {
    self.low = low
    self.high = high
  }
  @inline(__always) init(repeating value: Float) { self.init(_mm256_set1_ps(value), _mm256_set1_ps(value)) }
  @inline(__always) init(load pointer: UnsafePointer<Float>) {
    self.init(_mm256_loadu_ps(pointer), _mm256_loadu_ps(pointer + 8))
  }
  /// The first `count` (0...16) elements, +0 in the other lanes.
  @inline(__always) init(load pointer: UnsafePointer<Float>, count: Int) {
    let mask = LaneMask(first: count)
    self.init(
      _mm256_maskload_ps(pointer, _mm256_castps_si256(mask.low)),
      _mm256_maskload_ps(pointer + 8, _mm256_castps_si256(mask.high)))
  }
  /// Sixteen binary16 numbers.
  @inline(__always) init(halves pointer: UnsafePointer<UInt16>) {
    let source = UnsafeRawPointer(pointer).assumingMemoryBound(to: __m128i.self)
    self.init(_mm256_cvtph_ps(_mm_loadu_si128(source)), _mm256_cvtph_ps(_mm_loadu_si128(source + 1)))
  }
  /// The first `count` of them, an even number in 0...16, +0 in the other lanes.
  @inline(__always) init(halves pointer: UnsafePointer<UInt16>, count: Int) {
    let pairs = _mm256_maskload_epi32(
      UnsafeRawPointer(pointer).assumingMemoryBound(to: Int32.self),
      _mm256_castps_si256(LaneMask(first: count &>> 1).low))
    self.init(
      _mm256_cvtph_ps(_mm256_castsi256_si128(pairs)), _mm256_cvtph_ps(snq_256_upper(pairs)))
  }
  /// source[indices[lane]], every index below `channels`; fast where the indices are runs of neighbours.
  @inline(__always) init(
    gather source: UnsafePointer<Float>, _ indices: UnsafePointer<UInt32>, channels: Int
  ) {
    if snq_256_is_run(indices) != 0 {
      self.init(load: source + Int(indices[0]))
      return
    }
    var lanes = SIMD16<Float>(repeating: 0)
    for lane in 0..<16 { lanes[lane] = source[Int(indices[lane])] }
    self.init(lanes.lowHalf, lanes.highHalf)
  }
  @inline(__always) init(bits: IntegerLanes) {
    self.init(_mm256_castsi256_ps(bits.low), _mm256_castsi256_ps(bits.high))
  }
  /// Exact for |integer| <= 2^24, else rounded to nearest even.
  @inline(__always) init(_ integers: IntegerLanes) {
    self.init(_mm256_cvtepi32_ps(integers.low), _mm256_cvtepi32_ps(integers.high))
  }

  @inline(__always) func store(_ pointer: UnsafeMutablePointer<Float>) {
    _mm256_storeu_ps(pointer, low)
    _mm256_storeu_ps(pointer + 8, high)
  }
  @inline(__always) func store(_ pointer: UnsafeMutablePointer<Float>, count: Int) {
    let mask = LaneMask(first: count)
    _mm256_maskstore_ps(pointer, _mm256_castps_si256(mask.low), low)
    _mm256_maskstore_ps(pointer + 8, _mm256_castps_si256(mask.high), high)
  }

  @inline(__always) static func + (a: Self, b: Self) -> Self {
    Self(_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high))
  }
  @inline(__always) static func - (a: Self, b: Self) -> Self {
    Self(_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high))
  }
  @inline(__always) static func * (a: Self, b: Self) -> Self {
    Self(_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high))
  }
  @inline(__always) static func / (a: Self, b: Self) -> Self {
    Self(_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high))
  }
  @inline(__always) static func .< (a: Self, b: Self) -> LaneMask {
    LaneMask(snq_256_less(a.low, b.low), snq_256_less(a.high, b.high))
  }

  @inline(__always) func squareRoot() -> Self { Self(_mm256_sqrt_ps(low), _mm256_sqrt_ps(high)) }
  @inline(__always) func floor() -> Self { Self(snq_256_floor(low), snq_256_floor(high)) }
  @inline(__always) func nearest() -> Self { Self(snq_256_nearest(low), snq_256_nearest(high)) }
  @inline(__always) func magnitude() -> Self {
    let sign = _mm256_set1_ps(-0.0)
    return Self(_mm256_andnot_ps(sign, low), _mm256_andnot_ps(sign, high))
  }
  /// cvtps2dq: round to nearest even; Int32.min out of range and for NaN.
  @inline(__always) func nearestInteger() -> IntegerLanes {
    IntegerLanes(_mm256_cvtps_epi32(low), _mm256_cvtps_epi32(high))
  }
  /// cvttps2dq: toward zero; Int32.min out of range and for NaN.
  @inline(__always) func truncatedInteger() -> IntegerLanes {
    IntegerLanes(_mm256_cvttps_epi32(low), _mm256_cvttps_epi32(high))
  }

  /// Lane r is the maximum of the sixteen numbers at rows + 16 * r; no NaN.
  @inline(__always) init(maximaOfRows rows: UnsafePointer<Float>) {
    self.init(snq_256_block_maxima(rows), snq_256_block_maxima(rows + 128))
  }

  @inline(__always) func sum() -> Float { snq_256_sum(_mm256_add_ps(low, high)) }
  @inline(__always) func minimum() -> Float { snq_256_minimum(_mm256_min_ps(low, high)) }
  @inline(__always) func maximum() -> Float { snq_256_maximum(_mm256_max_ps(low, high)) }
}

/// Asks for the cache line of an address that will be read; any address will do.
@inline(__always) func prefetch(_ address: UnsafeRawPointer) { snq_prefetch_first(address) }

/// Sixteen rows of sixteen numbers, to their columns; the two places do not overlap.
@inline(__always) func transpose(_ rows: UnsafePointer<Float>, to columns: UnsafeMutablePointer<Float>) {
  snq_256_transpose_16(rows, columns)
}

/// a * b + c, rounded once.
@inline(__always) func fma(_ a: FloatLanes, _ b: FloatLanes, _ c: FloatLanes) -> FloatLanes {
  FloatLanes(_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high))
}
/// a < b ? a : b.
@inline(__always) func minimum(_ a: FloatLanes, _ b: FloatLanes) -> FloatLanes {
  FloatLanes(_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high))
}
/// a > b ? a : b.
@inline(__always) func maximum(_ a: FloatLanes, _ b: FloatLanes) -> FloatLanes {
  FloatLanes(_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high))
}
@inline(__always) func select(_ mask: LaneMask, _ yes: FloatLanes, _ no: FloatLanes) -> FloatLanes {
  FloatLanes(_mm256_blendv_ps(no.low, yes.low, mask.low), _mm256_blendv_ps(no.high, yes.high, mask.high))
}

/// Sixteen int32 lanes; arithmetic wraps.
struct IntegerLanes {
  let low: __m256i
  let high: __m256i

  @inline(__always) init(_ low: __m256i, _ high: __m256i) {
    self.low = low
    self.high = high
  }
  @inline(__always) init(repeating value: Int32) {
    self.init(_mm256_set1_epi32(value), _mm256_set1_epi32(value))
  }
  @inline(__always) init(load pointer: UnsafePointer<Int32>) {
    let source = UnsafeRawPointer(pointer).assumingMemoryBound(to: __m256i.self)
    self.init(_mm256_loadu_si256(source), _mm256_loadu_si256(source + 1))
  }
  /// Sixteen bytes of a register, unsigned, one a lane.
  @inline(__always) private init(spreading bytes: __m128i) {
    self.init(_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(_mm_unpackhi_epi64(bytes, bytes)))
  }
  /// Sixteen unsigned bytes, one a lane.
  @inline(__always) init(bytes pointer: UnsafePointer<UInt8>) {
    self.init(
      spreading: _mm_loadu_si128(UnsafeRawPointer(pointer).assumingMemoryBound(to: __m128i.self)))
  }
  /// Sixteen signed bytes, one a lane.
  @inline(__always) init(signedBytes pointer: UnsafePointer<Int8>) {
    let bytes = _mm_loadu_si128(UnsafeRawPointer(pointer).assumingMemoryBound(to: __m128i.self))
    self.init(_mm256_cvtepi8_epi32(bytes), _mm256_cvtepi8_epi32(_mm_unpackhi_epi64(bytes, bytes)))
  }
  /// Eight bytes: low nibble in the even lanes, high nibble in the odd lanes.
  @inline(__always) init(nibbles pointer: UnsafePointer<UInt8>) {
    let bytes = _mm_loadl_epi64(UnsafeRawPointer(pointer).assumingMemoryBound(to: __m128i.self))
    let pairs = _mm_unpacklo_epi8(bytes, _mm_srli_epi16(bytes, 4))
    self.init(spreading: _mm_and_si128(pairs, _mm_set1_epi8(15)))
  }
  @inline(__always) init(bits: FloatLanes) {
    self.init(_mm256_castps_si256(bits.low), _mm256_castps_si256(bits.high))
  }

  @inline(__always) func store(_ pointer: UnsafeMutablePointer<Int32>) {
    let target = UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: __m256i.self)
    _mm256_storeu_si256(target, low)
    _mm256_storeu_si256(target + 1, high)
  }
  /// The low byte of every lane; the lanes hold 0...255 or -128...127.
  @inline(__always) func storeBytes(_ pointer: UnsafeMutablePointer<UInt8>) {
    _mm_storeu_si128(
      UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: __m128i.self), snq_256_low_bytes(low, high))
  }
  /// The first `count` (0...16) of them.
  @inline(__always) func storeBytes(_ pointer: UnsafeMutablePointer<UInt8>, count: Int) {
    storeFirst(count, of: snq_256_low_bytes(low, high), pointer)
  }
  /// The same of 32 lanes.
  @inline(__always) static func storeBytes(_ low: Self, _ high: Self, _ pointer: UnsafeMutablePointer<UInt8>)
  {
    low.storeBytes(pointer)
    high.storeBytes(pointer + 16)
  }
  @inline(__always) static func & (a: Self, b: Self) -> Self {
    Self(_mm256_and_si256(a.low, b.low), _mm256_and_si256(a.high, b.high))
  }
  @inline(__always) static func | (a: Self, b: Self) -> Self {
    Self(_mm256_or_si256(a.low, b.low), _mm256_or_si256(a.high, b.high))
  }
  @inline(__always) static func &+ (a: Self, b: Self) -> Self {
    Self(_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high))
  }
  @inline(__always) static func &- (a: Self, b: Self) -> Self {
    Self(_mm256_sub_epi32(a.low, b.low), _mm256_sub_epi32(a.high, b.high))
  }
  @inline(__always) static func &* (a: Self, b: Self) -> Self {
    Self(_mm256_mullo_epi32(a.low, b.low), _mm256_mullo_epi32(a.high, b.high))
  }
  @inline(__always) func shiftedLeft(_ count: UInt32) -> Self {
    let count = Int32(truncatingIfNeeded: count)
    return Self(_mm256_slli_epi32(low, count), _mm256_slli_epi32(high, count))
  }
  @inline(__always) func arithmeticallyShiftedRight(_ count: UInt32) -> Self {
    let count = Int32(truncatingIfNeeded: count)
    return Self(_mm256_srai_epi32(low, count), _mm256_srai_epi32(high, count))
  }
  /// The lanes outside the mask become 0.
  @inline(__always) func kept(_ mask: LaneMask) -> Self {
    Self(
      _mm256_and_si256(low, _mm256_castps_si256(mask.low)),
      _mm256_and_si256(high, _mm256_castps_si256(mask.high)))
  }
  @inline(__always) func sum() -> Int32 { snq_256_sum_int32(_mm256_add_epi32(low, high)) }
}

/// sum + four exact products per lane of the unsigned bytes at `codes` (the same four for all lanes) and
/// the signed bytes of a 64-byte aligned tile.
@inline(__always) func dot(
  _ sum: IntegerLanes, _ codes: Int32, _ tile: UnsafePointer<Int8>
) -> IntegerLanes {
  let tiles = UnsafeRawPointer(tile).assumingMemoryBound(to: __m256i.self)
  let four = _mm256_set1_epi32(codes)
  return IntegerLanes(
    snq_256_dot_bytes(sum.low, four, _mm256_loadu_si256(tiles)),
    snq_256_dot_bytes(sum.high, four, _mm256_loadu_si256(tiles + 1)))
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
let channelsOfFourRows = 16
/// Whether rows that read the same do so together.
let rowsShareReads = true

/// Two words of 16 bits in each of 16 lanes.
struct WordPairs {
  let low: __m256i
  let high: __m256i

  /// 32 signed bytes.
  @inline(__always) init(signedBytes pointer: UnsafePointer<Int8>) {
    let source = UnsafeRawPointer(pointer).assumingMemoryBound(to: __m128i.self)
    low = _mm256_cvtepi8_epi16(_mm_loadu_si128(source))
    high = _mm256_cvtepi8_epi16(_mm_loadu_si128(source + 1))
  }
  @inline(__always) init(_ bytes: ByteBlock) {
    low = _mm256_cvtepu8_epi16(_mm256_castsi256_si128(bytes.value))
    high = _mm256_cvtepu8_epi16(snq_256_upper_bytes(bytes.value))
  }
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
  let two = _mm256_set1_epi32(words)
  return IntegerLanes(
    _mm256_add_epi32(sum.low, _mm256_madd_epi16(pairs.low, two)),
    _mm256_add_epi32(sum.high, _mm256_madd_epi16(pairs.high, two)))
}

/// Stores the codes of 64 integers: max(integer + zero, 0), at most 255 by the caller's care; zero in 0...255. Returns
/// `sum` with the codes added, spread over its lanes.
@inline(__always) func storeCodes(
  _ a: IntegerLanes, _ b: IntegerLanes, _ c: IntegerLanes, _ d: IntegerLanes, zero: Int32,
  _ target: UnsafeMutablePointer<UInt8>, addingTo sum: IntegerLanes
) -> IntegerLanes {
  let zeros = _mm256_set1_epi16(Int16(truncatingIfNeeded: zero))
  let low = snq_256_pack_codes(a.low, a.high, b.low, b.high, zeros)
  let high = snq_256_pack_codes(c.low, c.high, d.low, d.high, zeros)
  snq_store_256(target, low)
  snq_store_256(target + 32, high)
  let none = _mm256_setzero_si256()
  return IntegerLanes(
    _mm256_add_epi64(sum.low, _mm256_sad_epu8(low, none)),
    _mm256_add_epi64(sum.high, _mm256_sad_epu8(high, none)))
}

/// The first `count` (0...16) bytes.
@inline(__always) func storeFirst(_ count: Int, of bytes: __m128i, _ pointer: UnsafeMutablePointer<UInt8>) {
  var place = UnsafeMutableRawPointer(pointer)
  guard count < 16 else {
    return _mm_storeu_si128(place.assumingMemoryBound(to: __m128i.self), bytes)
  }
  var word = UInt64(bitPattern: _mm_cvtsi128_si64(bytes))
  if count & 8 != 0 {
    place.storeBytes(of: word, as: UInt64.self)
    word = UInt64(bitPattern: _mm_cvtsi128_si64(_mm_unpackhi_epi64(bytes, bytes)))
    place += 8
  }
  if count & 4 != 0 {
    place.storeBytes(of: UInt32(truncatingIfNeeded: word), as: UInt32.self)
    word &>>= 32
    place += 4
  }
  if count & 2 != 0 {
    place.storeBytes(of: UInt16(truncatingIfNeeded: word), as: UInt16.self)
    word &>>= 16
    place += 2
  }
  if count & 1 != 0 { place.storeBytes(of: UInt8(truncatingIfNeeded: word), as: UInt8.self) }
}
