import CKernelABI
import CSIMD

// Sixteen channels at a time go over a stretch of outputs and leave their sums in memory, from where both sixteens of 32 are
// finished: each loop has registers for what it repeats. Two taps of a channel lie next to each other as 16-bit words, whose
// products `vpmaddwd` adds up without loss, of any codes and weights: two of bytes would not fit into the words of `vpmaddubsw`.

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

/// Some neighbouring outputs of 16 channels.
struct DepthwiseStretch {
  let args: UnsafePointer<snq_depthwise_args>
  /// Under the first tap of the first output, and the weights of that tap.
  let codes: UnsafePointer<UInt8>
  let weights: UnsafePointer<Int8>
  let zeroSums: UnsafePointer<Int32>
  let count: Int
  /// Two vectors of sums for every output, four apart.
  let sums: UnsafeMutablePointer<__m256i>

  /// Weights of a tap.
  @inline(__always)
  func words(_ tap: Int) -> __m256i { tapWords(weights + tap &* Int(args.pointee.paddedChannels)) }

  /// What sums start with.
  @inline(__always)
  var start: TapSums {
    let place = UnsafeRawPointer(zeroSums).assumingMemoryBound(to: __m128i.self)
    let none = _mm256_setzero_si256()
    return TapSums(
      first: _mm256_sub_epi32(none, _mm256_loadu2_m128i(place + 2, place)),
      second: _mm256_sub_epi32(none, _mm256_loadu2_m128i(place + 3, place + 1)))
  }

  @inline(__always)
  func store(_ result: TapSums, _ index: Int) {
    sums[4 &* index] = result.first
    sums[4 &* index &+ 1] = result.second
  }
}

/// 3 x 3 windows one column apart: what is made of a column serves the three outputs that it belongs to.
@inline(never)
func depthwiseStepByOne(_ stretch: DepthwiseStretch, _ rows: (Int, Int), _ step: Int) {
  snq_align_frame()
  let start = stretch.start
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
  var current = start.adding(first, upper.0).adding(second, upper.1)
    .adding(TapPair(before, lowest), lower.0)
  var following = start.adding(second, upper.0)
  for index in 0..<stretch.count {
    place += step
    before = lowest
    lowest = tapWords(place + rows.1)
    let column = TapPair(place, place + rows.0)
    let pair = TapPair(before, lowest)
    stretch.store(current.adding(column, upper.2).adding(pair, lower.1), index)
    current = following.adding(column, upper.1).adding(pair, lower.0)
    following = start.adding(column, upper.0)
  }
}

/// Two columns apart: every second column belongs to two outputs.
@inline(never)
func depthwiseStepByTwo(_ stretch: DepthwiseStretch, _ rows: (Int, Int), _ step: Int) {
  snq_align_frame()
  let start = stretch.start
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
  var current = start.adding(TapPair(place, place + rows.0), upper.0)
    .adding(TapPair(lowest, lowest), lower.0)
  for index in 0..<stretch.count {
    place += step
    let column = TapPair(place, place + rows.0)
    let shared = TapPair(place + step, place + (step &+ rows.0))
    let pair = TapPair(place + rows.1, place + (step &+ rows.1))
    place += step
    stretch.store(current.adding(column, upper.1).adding(shared, upper.2).adding(pair, lower.1), index)
    current = start.adding(shared, upper.0).adding(pair, lower.0)
  }
}

/// Windows of any size: four outputs share what is made of the weights.
@inline(never)
func depthwiseAnyWindow(_ stretch: DepthwiseStretch, _ offsets: UnsafePointer<Int32>, _ step: Int) {
  snq_align_frame()
  let start = stretch.start
  let taps = Int(stretch.args.pointee.taps)
  var index = 0
  while index < stretch.count {
    // Of the last outputs some are made twice.
    let last = stretch.count &- 1
    let places = (
      stretch.codes + index &* step, stretch.codes + min(index &+ 1, last) &* step,
      stretch.codes + min(index &+ 2, last) &* step, stretch.codes + min(index &+ 3, last) &* step
    )
    var sums = (start, start, start, start)
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
    stretch.store(sums.0, index)
    if index &+ 1 <= last { stretch.store(sums.1, index &+ 1) }
    if index &+ 2 <= last { stretch.store(sums.2, index &+ 2) }
    if index &+ 3 <= last { stretch.store(sums.3, index &+ 3) }
    index &+= 4
  }
}

/// Sums of 16 channels.
@inline(__always)
private func sumStretch(_ stretch: DepthwiseStretch, _ offsets: UnsafePointer<Int32>) {
  let rowStep = stretch.args.pointee.rowStep
  if stretch.args.pointee.windowWidth == 3, stretch.args.pointee.taps == 9 {
    let step = Int(offsets[1])
    let rows = (Int(offsets[3]), Int(offsets[6]))
    if rowStep == step { return depthwiseStepByOne(stretch, rows, step) }
    if rowStep == 2 &* step { return depthwiseStepByTwo(stretch, rows, step) }
  }
  depthwiseAnyWindow(stretch, offsets, rowStep)
}

private struct DepthwiseCall {
  let args: UnsafePointer<snq_depthwise_args>
  let rowBegin: Int
  let rowEnd: Int

  /// Outputs at a time: their sums are 4 vectors each, and what they read stays in the first cache from one 16 channels to
  /// the next.
  static let outputsAtOnce = 32

  func run(_ sums: UnsafeMutablePointer<__m256i>) {
    guard let codes = args.pointee.codes, let weights = args.pointee.weights,
      let offsets = args.pointee.tapOffsets, let zeroSums = args.pointee.zeroSums
    else { return }
    let channels = Int(args.pointee.channels)
    var row = rowBegin
    while row < rowEnd {
      let count = min(Self.outputsAtOnce, rowEnd &- row)
      let pixel = codes + row &* args.pointee.rowStep
      var channel = 0
      while channel < channels {
        sumStretch(
          DepthwiseStretch(
            args: args, codes: pixel + channel, weights: weights + channel, zeroSums: zeroSums + channel,
            count: count, sums: sums + (channel & 16 == 0 ? 0 : 2)), offsets)
        channel &+= 16
        if channel & 16 == 0 || channel >= channels {
          let first = (channel &- 1) & ~31
          finishDepthwise(
            DepthwiseResult(
              args: args, channel: first, elements: min(32, channels &- first), row: row, count: count,
              sums: UnsafePointer(sums)))
        }
      }
      row &+= count
    }
  }
}

@c @implementation
func snq_depthwise__avx2(
  _ args: UnsafePointer<snq_depthwise_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  guard let args else { return }
  var call = DepthwiseCall(args: args, rowBegin: Int(rowBegin), rowEnd: Int(rowEnd))
  withUnsafeMutablePointer(to: &call) {
    snq_with_sum_memory($0) { context, memory in
      guard let call = context?.assumingMemoryBound(to: DepthwiseCall.self).pointee,
        let memory = memory?.assumingMemoryBound(to: __m256i.self)
      else { return }
      call.run(memory)
    }
  }
}
