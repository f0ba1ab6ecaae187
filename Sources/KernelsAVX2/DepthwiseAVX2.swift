import CKernelABI
import CSIMD

// Sixteen channels at a time. Two taps of a channel lie next to each other as 16-bit words, whose products `vpmaddwd` adds
// up without loss, of any codes and weights: two of bytes would not fit into the words of `vpmaddubsw`.

/// Two taps of 16 channels, or their weights, in 32 bits each: channels 0-3 and 8-11, then 4-7 and 12-15, which is how
/// packing wants them.
struct TapPair {
  let first: __m256i
  let second: __m256i

  /// Words of 16 channels.
  @inline(__always)
  init(_ early: __m256i, _ late: __m256i) {
    first = _mm256_unpacklo_epi16(early, late)
    second = _mm256_unpackhi_epi16(early, late)
  }

  /// Codes under two taps.
  @inline(__always)
  init(_ early: UnsafePointer<UInt8>, _ late: UnsafePointer<UInt8>) {
    self.init(tapWords(early), tapWords(late))
  }
}

/// Sixteen codes as words.
@inline(__always)
func tapWords(_ codes: UnsafePointer<UInt8>) -> __m256i {
  _mm256_cvtepu8_epi16(_mm_loadu_si128(UnsafeRawPointer(codes).assumingMemoryBound(to: __m128i.self)))
}

/// Sixteen weights as words.
@inline(__always)
func tapWords(_ weights: UnsafePointer<Int8>) -> __m256i {
  _mm256_cvtepi8_epi16(_mm_loadu_si128(UnsafeRawPointer(weights).assumingMemoryBound(to: __m128i.self)))
}

/// Of 16 channels, in the order of `TapPair`.
struct TapSums {
  let first: __m256i
  let second: __m256i

  @inline(__always)
  func adding(_ codes: TapPair, _ weights: TapPair) -> TapSums {
    TapSums(
      first: _mm256_add_epi32(first, _mm256_madd_epi16(codes.first, weights.first)),
      second: _mm256_add_epi32(second, _mm256_madd_epi16(codes.second, weights.second)))
  }
}

/// Some neighbouring outputs of up to 16 channels.
struct DepthwiseStretch {
  let args: UnsafePointer<snq_depthwise_args>
  /// Under the first tap of the first output, and the weights of that tap.
  let codes: UnsafePointer<UInt8>
  let weights: UnsafePointer<Int8>
  let channel: Int
  /// Channels that are written.
  let elements: Int
  /// The row of the first output, and how many there are.
  let row: Int
  let count: Int

  /// Weights of a tap.
  @inline(__always)
  func words(_ tap: Int) -> __m256i { tapWords(weights + tap &* Int(args.pointee.paddedChannels)) }
}

/// What turns sums into outputs.
struct DepthwiseFinish {
  let start: TapSums
  private let scale: (__m256, __m256)
  private let bias: (__m256, __m256)
  private let inverse: __m256
  private let high: __m256
  private let zero: __m256i
  /// Where the first output goes, as codes or, without them, as floats; elements to the next; how many are written.
  private let codes: UnsafeMutablePointer<UInt8>?
  private let floats: UnsafeMutablePointer<Float>?
  private let stride: Int
  private let elements: Int

  @inline(__always)
  init?(_ stretch: DepthwiseStretch) {
    let args = stretch.args
    guard let zeroSums = args.pointee.zeroSums, let weightScale = args.pointee.weightScale else { return nil }
    let sums = UnsafeRawPointer(zeroSums + stretch.channel).assumingMemoryBound(to: __m128i.self)
    let none = _mm256_setzero_si256()
    start = TapSums(
      first: _mm256_sub_epi32(none, _mm256_loadu2_m128i(sums + 2, sums)),
      second: _mm256_sub_epi32(none, _mm256_loadu2_m128i(sums + 3, sums + 1)))
    let common = _mm256_set1_ps(args.pointee.scale)
    let factors = weightScale + stretch.channel
    scale = (
      _mm256_mul_ps(_mm256_loadu2_m128(factors + 8, factors), common),
      _mm256_mul_ps(_mm256_loadu2_m128(factors + 12, factors + 4), common)
    )
    if let start = args.pointee.bias {
      let first = start + stretch.channel
      bias = (_mm256_loadu2_m128(first + 8, first), _mm256_loadu2_m128(first + 12, first + 4))
    } else {
      bias = (_mm256_setzero_ps(), _mm256_setzero_ps())
    }
    inverse = _mm256_set1_ps(args.pointee.sink.inverse)
    high = _mm256_set1_ps(args.pointee.sink.high)
    zero = _mm256_set1_epi16(Int16(truncatingIfNeeded: args.pointee.sink.zero))
    elements = stretch.elements
    let place = args.pointee.sink.codes == nil ? args.pointee.outputStride : args.pointee.sink.codeStride
    stride = place
    codes = args.pointee.sink.codes.map { $0 + (stretch.row &* place &+ stretch.channel) }
    floats = args.pointee.output.map { $0 + (stretch.row &* place &+ stretch.channel) }
  }

  /// Output `index` of the stretch.
  @inline(__always)
  func write(_ sums: TapSums, _ index: Int) {
    let first = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums.first), scale.0, bias.0)
    let second = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums.second), scale.1, bias.1)
    if let codes {
      let words = _mm256_adds_epi16(_mm256_packs_epi32(code(first), code(second)), zero)
      let bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), snq_256_upper(words))
      let target = codes + index &* stride
      if elements == 16 { return snq_store_128(target, bytes) }
      return snq_store_first_bytes(target, bytes, elements)
    }
    guard let floats else { return }
    let channels = FloatLanes(snq_256_lower_halves(first, second), snq_256_upper_halves(first, second))
    let target = floats + index &* stride
    if elements == 16 { return channels.store(target) }
    channels.store(target, count: elements)
  }

  /// Codes before `zero` is added; packing cuts them off at 0.
  @inline(__always)
  private func code(_ y: __m256) -> __m256i {
    // This order of the operands lets a NaN pass, which packing makes code 0.
    _mm256_cvtps_epi32(_mm256_min_ps(high, _mm256_mul_ps(y, inverse)))
  }
}

/// 3 x 3 windows one column apart: what is made of a column serves the three outputs that it belongs to.
@inline(never)
func depthwiseStepByOne(_ stretch: DepthwiseStretch, _ rows: (Int, Int), _ step: Int) {
  snq_align_frame()
  guard let finish = DepthwiseFinish(stretch) else { return }
  // Pairs of the upper rows of a column; the lowest row by columns, the last of a window alone.
  let upper = (
    TapPair(stretch.words(0), stretch.words(3)), TapPair(stretch.words(1), stretch.words(4)),
    TapPair(stretch.words(2), stretch.words(5))
  )
  let lower = (
    TapPair(stretch.words(6), stretch.words(7)), TapPair(_mm256_setzero_si256(), stretch.words(8))
  )
  var place = stretch.codes
  let first = TapPair(place, place + rows.0)
  var before = tapWords(place + rows.1)
  place += step
  let second = TapPair(place, place + rows.0)
  var lowest = tapWords(place + rows.1)
  var current = finish.start.adding(first, upper.0).adding(second, upper.1)
    .adding(TapPair(before, lowest), lower.0)
  var following = finish.start.adding(second, upper.0)
  for index in 0..<stretch.count {
    place += step
    before = lowest
    lowest = tapWords(place + rows.1)
    let column = TapPair(place, place + rows.0)
    let pair = TapPair(before, lowest)
    finish.write(current.adding(column, upper.2).adding(pair, lower.1), index)
    current = following.adding(column, upper.1).adding(pair, lower.0)
    following = finish.start.adding(column, upper.0)
  }
}

/// Two columns apart: every second column belongs to two outputs.
@inline(never)
func depthwiseStepByTwo(_ stretch: DepthwiseStretch, _ rows: (Int, Int), _ step: Int) {
  snq_align_frame()
  guard let finish = DepthwiseFinish(stretch) else { return }
  let upper = (
    TapPair(stretch.words(0), stretch.words(3)), TapPair(stretch.words(1), stretch.words(4)),
    TapPair(stretch.words(2), stretch.words(5))
  )
  // The lowest row: the first column is the second one of the pair of the window before.
  let lower = (
    TapPair(_mm256_setzero_si256(), stretch.words(6)), TapPair(stretch.words(7), stretch.words(8))
  )
  var place = stretch.codes
  let lowest = tapWords(place + rows.1)
  var current = finish.start.adding(TapPair(place, place + rows.0), upper.0)
    .adding(TapPair(lowest, lowest), lower.0)
  for index in 0..<stretch.count {
    place += step
    let column = TapPair(place, place + rows.0)
    let shared = TapPair(place + step, place + (step &+ rows.0))
    let pair = TapPair(place + rows.1, place + (step &+ rows.1))
    place += step
    finish.write(current.adding(column, upper.1).adding(shared, upper.2).adding(pair, lower.1), index)
    current = finish.start.adding(shared, upper.0).adding(pair, lower.0)
  }
}

/// Windows of any size: four outputs share what is made of the weights.
@inline(never)
func depthwiseAnyWindow(_ stretch: DepthwiseStretch, _ offsets: UnsafePointer<Int32>, _ step: Int) {
  snq_align_frame()
  guard let finish = DepthwiseFinish(stretch) else { return }
  let taps = Int(stretch.args.pointee.taps)
  var index = 0
  while index < stretch.count {
    // Of the last outputs some are made twice.
    let last = stretch.count &- 1
    let places = (
      stretch.codes + index &* step, stretch.codes + min(index &+ 1, last) &* step,
      stretch.codes + min(index &+ 2, last) &* step, stretch.codes + min(index &+ 3, last) &* step
    )
    var sums = (finish.start, finish.start, finish.start, finish.start)
    var tap = 0
    while tap < taps {
      let isPair = tap &+ 1 < taps
      let early = Int(offsets[tap])
      let late = isPair ? Int(offsets[tap &+ 1]) : early
      let weights = TapPair(
        stretch.words(tap), isPair ? stretch.words(tap &+ 1) : _mm256_setzero_si256())
      sums.0 = sums.0.adding(TapPair(places.0 + early, places.0 + late), weights)
      sums.1 = sums.1.adding(TapPair(places.1 + early, places.1 + late), weights)
      sums.2 = sums.2.adding(TapPair(places.2 + early, places.2 + late), weights)
      sums.3 = sums.3.adding(TapPair(places.3 + early, places.3 + late), weights)
      tap &+= 2
    }
    finish.write(sums.0, index)
    if index &+ 1 <= last { finish.write(sums.1, index &+ 1) }
    if index &+ 2 <= last { finish.write(sums.2, index &+ 2) }
    if index &+ 3 <= last { finish.write(sums.3, index &+ 3) }
    index &+= 4
  }
}

@inline(__always)
private func runStretch(_ stretch: DepthwiseStretch, _ offsets: UnsafePointer<Int32>) {
  let rowStep = stretch.args.pointee.rowStep
  if stretch.args.pointee.windowWidth == 3, stretch.args.pointee.taps == 9 {
    let step = Int(offsets[1])
    let rows = (Int(offsets[3]), Int(offsets[6]))
    if rowStep == step { return depthwiseStepByOne(stretch, rows, step) }
    if rowStep == 2 &* step { return depthwiseStepByTwo(stretch, rows, step) }
  }
  depthwiseAnyWindow(stretch, offsets, rowStep)
}

/// So many outputs that what they read stays in the first cache from one 16 channels to the next.
private let outputsAtOnce = 32

@c @implementation
func snq_depthwise__avx2(
  _ args: UnsafePointer<snq_depthwise_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  guard let args, let codes = args.pointee.codes, let weights = args.pointee.weights,
    let offsets = args.pointee.tapOffsets
  else { return }
  let channels = Int(args.pointee.channels)
  var row = Int(rowBegin)
  while row < Int(rowEnd) {
    let count = min(outputsAtOnce, Int(rowEnd) &- row)
    var channel = 0
    while channel < channels {
      runStretch(
        DepthwiseStretch(
          args: args, codes: codes + (row &* args.pointee.rowStep &+ channel), weights: weights + channel,
          channel: channel, elements: min(16, channels &- channel), row: row, count: count), offsets)
      channel &+= 16
    }
    row &+= count
  }
}
