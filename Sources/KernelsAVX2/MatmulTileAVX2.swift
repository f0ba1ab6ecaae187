import CKernelABI
import CSIMD

/// 16 outputs as two registers: sums of one row, or half a tile of weights.
struct OutputVectors {
  var low = _mm256_setzero_si256()
  var high = _mm256_setzero_si256()

  @inline(__always)
  static func loaded(_ tile: UnsafePointer<UInt8>) -> OutputVectors {
    OutputVectors(low: snq_load_256(tile), high: snq_load_256(tile + 32))
  }

  /// Adds the products of 4 codes with weights split into 16-bit words. `vpmaddwd` cannot saturate here,
  /// which `vpmaddubsw` on 8-bit weights would.
  @inline(__always)
  mutating func addWords(_ codes: UnsafePointer<UInt8>, _ even: OutputVectors, _ odd: OutputVectors) {
    let four = snq_broadcast4_256(codes)
    let evenCodes = _mm256_and_si256(four, _mm256_set1_epi16(0x00ff))
    let oddCodes = _mm256_srli_epi16(four, 8)
    low = _mm256_add_epi32(low, _mm256_madd_epi16(even.low, evenCodes))
    high = _mm256_add_epi32(high, _mm256_madd_epi16(even.high, evenCodes))
    low = _mm256_add_epi32(low, _mm256_madd_epi16(odd.low, oddCodes))
    high = _mm256_add_epi32(high, _mm256_madd_epi16(odd.high, oddCodes))
  }

  /// Adds the products of 8 codes with weights of at most 5 bits: 4 * 255 * 31 fits in 16 bits.
  @inline(__always)
  mutating func addNarrow(_ codes: UnsafePointer<UInt8>, _ first: OutputVectors, _ second: OutputVectors) {
    let firstCodes = snq_broadcast4_256(codes)
    let secondCodes = snq_broadcast4_256(codes + 4)
    let ones = _mm256_set1_epi16(1)
    let lowSum = _mm256_add_epi16(
      _mm256_maddubs_epi16(firstCodes, first.low), _mm256_maddubs_epi16(secondCodes, second.low))
    let highSum = _mm256_add_epi16(
      _mm256_maddubs_epi16(firstCodes, first.high), _mm256_maddubs_epi16(secondCodes, second.high))
    low = _mm256_add_epi32(low, _mm256_madd_epi16(lowSum, ones))
    high = _mm256_add_epi32(high, _mm256_madd_epi16(highSum, ones))
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

  @inline(__always)
  func lowNibbles() -> OutputVectors {
    let mask = _mm256_set1_epi8(0x0f)
    return OutputVectors(low: _mm256_and_si256(low, mask), high: _mm256_and_si256(high, mask))
  }

  @inline(__always)
  func highNibbles() -> OutputVectors {
    OutputVectors(low: snq_high_nibbles_256(low), high: snq_high_nibbles_256(high))
  }

  @inline(__always)
  func store(_ target: UnsafeMutablePointer<__m256i>) {
    snq_store_256(target, low)
    snq_store_256(target + 1, high)
  }
}

/// sum(t * q) of 1, 2 or 4 rows x 1 panel: 8 of the 16 registers for sums, 4 for weights.
struct MatmulTile {
  let rows: Int
  var row0 = OutputVectors()
  var row1 = OutputVectors()
  var row2 = OutputVectors()
  var row3 = OutputVectors()

  @inline(__always)
  init(_ rows: Int) { self.rows = rows }

  /// Adds 4 channels with weights of up to 8 bits.
  @inline(__always)
  mutating func addWords(_ tile: OutputVectors, _ codes: UnsafePointer<UInt8>, _ stride: Int) {
    let (even, odd) = (tile.evenWords(), tile.oddWords())
    row0.addWords(codes, even, odd)
    if rows > 1 { row1.addWords(codes + stride, even, odd) }
    if rows > 2 {
      row2.addWords(codes + 2 &* stride, even, odd)
      row3.addWords(codes + 3 &* stride, even, odd)
    }
  }

  /// Adds 8 channels with weights in 0...31.
  @inline(__always)
  mutating func addNarrow(
    _ first: OutputVectors, _ second: OutputVectors, _ codes: UnsafePointer<UInt8>, _ stride: Int
  ) {
    row0.addNarrow(codes, first, second)
    if rows > 1 { row1.addNarrow(codes + stride, first, second) }
    if rows > 2 {
      row2.addNarrow(codes + 2 &* stride, first, second)
      row3.addNarrow(codes + 3 &* stride, first, second)
    }
  }

  @inline(__always)
  mutating func addBytes(
    _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ stride: Int, _ channels: Int
  ) {
    var channel = 0
    while channel < channels {
      addWords(.loaded(weights + channel &* 16), codes + channel, stride)
      channel &+= 4
    }
  }

  @inline(__always)
  mutating func addNibbles(
    _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ stride: Int, _ channels: Int
  ) {
    var channel = 0
    while channel < channels {
      let tile = OutputVectors.loaded(weights + channel &* 8)
      addNarrow(tile.lowNibbles(), tile.highNibbles(), codes + channel, stride)
      channel &+= 8
    }
  }

  /// The sums as [row][half].
  @inline(__always)
  func store(_ target: UnsafeMutablePointer<__m256i>) {
    row0.store(target)
    if rows > 1 { row1.store(target + 2) }
    if rows > 2 {
      row2.store(target + 4)
      row3.store(target + 6)
    }
  }
}
