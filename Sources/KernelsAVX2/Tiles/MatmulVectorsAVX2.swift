import CSIMD

/// 16 outputs as two registers: sums of one row, or a tile of weights.
struct OutputVectors {
  var low = _mm256_setzero_si256()
  var high = _mm256_setzero_si256()

  @inline(__always)
  static func loaded(_ tile: UnsafePointer<UInt8>) -> OutputVectors {
    OutputVectors(low: snq_load_256(tile), high: snq_load_256(tile + 32))
  }

  @inline(__always)
  static func loaded(_ sums: UnsafePointer<__m256i>) -> OutputVectors {
    OutputVectors(low: snq_load_256(sums), high: snq_load_256(sums + 1))
  }

  @inline(__always)
  func store(_ target: UnsafeMutablePointer<__m256i>) {
    snq_store_256(target, low)
    snq_store_256(target + 1, high)
  }

  /// Adds to 16-bit sums the products of 4 unsigned codes with signed bytes. The caller bounds how many of them
  /// fit in 16 bits.
  @inline(__always)
  mutating func addBytes(_ codes: __m256i, _ weights: OutputVectors) {
    low = _mm256_add_epi16(low, _mm256_maddubs_epi16(codes, weights.low))
    high = _mm256_add_epi16(high, _mm256_maddubs_epi16(codes, weights.high))
  }

  /// Adds to 32-bit sums the products of 4 unsigned codes with signed bytes of which two fit in 16 bits.
  @inline(__always)
  mutating func addPairs(_ codes: __m256i, _ weights: OutputVectors) {
    let ones = _mm256_set1_epi16(1)
    low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_maddubs_epi16(codes, weights.low), ones))
    high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_maddubs_epi16(codes, weights.high), ones))
  }

  /// Adds to 32-bit sums the products of 16-bit words.
  @inline(__always)
  mutating func addWords(_ codes: __m256i, _ weights: OutputVectors) {
    low = _mm256_add_epi32(low, _mm256_madd_epi16(codes, weights.low))
    high = _mm256_add_epi32(high, _mm256_madd_epi16(codes, weights.high))
  }

  /// Adds 16-bit sums, in pairs and times the factor, to 32-bit sums.
  @inline(__always)
  mutating func widen(_ sums: OutputVectors, _ factor: __m256i) { addWords(factor, sums) }

  /// The same in memory: 16-bit sums keep the registers, 32-bit sums are visited now and then.
  @inline(__always)
  func widen(into target: UnsafeMutableRawPointer) {
    let target = target.assumingMemoryBound(to: __m256i.self)
    var sums = OutputVectors.loaded(target)
    sums.widen(self, _mm256_set1_epi16(1))
    sums.store(target)
  }

  @inline(__always)
  func lowNibbles() -> OutputVectors {
    let mask = _mm256_set1_epi8(0x0f)
    return OutputVectors(low: _mm256_and_si256(low, mask), high: _mm256_and_si256(high, mask))
  }

  @inline(__always)
  func highNibbles() -> OutputVectors {
    OutputVectors(low: snq_high_nibbles_256(low), high: snq_high_nibbles_256(high))
  }

  /// Every byte less `center`.
  @inline(__always)
  func centered(_ center: __m256i) -> OutputVectors {
    OutputVectors(low: _mm256_sub_epi8(low, center), high: _mm256_sub_epi8(high, center))
  }

  /// Bytes 0 and 2 of every lane as signed words.
  @inline(__always)
  func evenWords() -> OutputVectors {
    OutputVectors(
      low: _mm256_srai_epi16(_mm256_slli_epi16(low, 8), 8),
      high: _mm256_srai_epi16(_mm256_slli_epi16(high, 8), 8))
  }

  /// Bytes 1 and 3 of every lane as signed words.
  @inline(__always)
  func oddWords() -> OutputVectors {
    OutputVectors(low: _mm256_srai_epi16(low, 8), high: _mm256_srai_epi16(high, 8))
  }
}

/// How many products of 4 codes with 4 weights, each at most this far from 0, add up in 16 bits (up to 128).
@inline(__always)
func groupsInWords(activationBits: Int, weightLimit: Int) -> Int {
  let largest = 2 &* ((1 &<< activationBits) &- 1) &* weightLimit
  return min(128, 32767 / largest)
}
