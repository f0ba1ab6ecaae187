import CKernelABI
import CSIMD

/// What becomes of sums of up to 32 channels: outputs one below the other.
struct DepthwiseResult {
  let args: UnsafePointer<snq_depthwise_args>
  /// The first of them, and how many are written.
  let channel: Int
  let elements: Int
  /// The row of the first output, and how many there are.
  let row: Int
  let count: Int
  /// Four vectors an output. Of up to 16 channels two are nobody's, and what is made of them is not written.
  let sums: UnsafePointer<__m256i>
}

/// Numbers of 32 channels in the order of the sums.
private struct ChannelNumbers {
  let a, b, c, d: __m256

  /// Where there are 16 at most, these twice. Without numbers all are 0.
  @inline(__always)
  init(_ numbers: UnsafePointer<Float>?, _ result: DepthwiseResult) {
    guard let numbers else {
      let none = _mm256_setzero_ps()
      (a, b, c, d) = (none, none, none, none)
      return
    }
    let low = numbers + result.channel
    let high = low + (result.elements > 16 ? 16 : 0)
    a = _mm256_loadu2_m128(low + 8, low)
    b = _mm256_loadu2_m128(low + 12, low + 4)
    c = _mm256_loadu2_m128(high + 8, high)
    d = _mm256_loadu2_m128(high + 12, high + 4)
  }

  @inline(__always)
  init(_ numbers: ChannelNumbers, times factor: Float) {
    let factor = _mm256_set1_ps(factor)
    a = _mm256_mul_ps(numbers.a, factor)
    b = _mm256_mul_ps(numbers.b, factor)
    c = _mm256_mul_ps(numbers.c, factor)
    d = _mm256_mul_ps(numbers.d, factor)
  }

  /// The outputs of sums.
  @inline(__always)
  init(_ sums: UnsafePointer<__m256i>, _ scale: ChannelNumbers, _ bias: ChannelNumbers) {
    a = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[0]), scale.a, bias.a)
    b = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[1]), scale.b, bias.b)
    c = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[2]), scale.c, bias.c)
    d = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[3]), scale.d, bias.d)
  }
}

/// What makes codes of outputs: see `snq_code_sink`.
private struct CodeRule {
  let inverse: __m256
  let high: __m256
  let zero: __m256i

  @inline(__always)
  init(_ sink: snq_code_sink) {
    inverse = _mm256_set1_ps(sink.inverse)
    high = _mm256_set1_ps(sink.high)
    zero = _mm256_set1_epi16(Int16(truncatingIfNeeded: sink.zero))
  }

  @inline(__always)
  private func integers(_ y: __m256) -> __m256i {
    // This order of the operands lets a NaN pass, which packing makes code 0.
    _mm256_cvtps_epi32(_mm256_min_ps(high, _mm256_mul_ps(y, inverse)))
  }

  /// Not yet cut off at 0.
  @inline(__always)
  func words(_ a: __m256, _ b: __m256) -> __m256i {
    _mm256_adds_epi16(_mm256_packs_epi32(integers(a), integers(b)), zero)
  }
}

@inline(__always)
func finishDepthwise(_ result: DepthwiseResult) {
  if result.args.pointee.sink.codes == nil {
    finishDepthwiseFloats(result)
  } else {
    finishDepthwiseCodes(result)
  }
}

@inline(never)
func finishDepthwiseFloats(_ result: DepthwiseResult) {
  snq_align_frame()
  let args = result.args
  guard let output = args.pointee.output, let weightScale = args.pointee.weightScale else { return }
  let scale = ChannelNumbers(ChannelNumbers(weightScale, result), times: args.pointee.scale)
  let bias = ChannelNumbers(args.pointee.bias, result)
  var target = output + (result.row &* args.pointee.outputStride &+ result.channel)
  for index in 0..<result.count {
    let y = ChannelNumbers(result.sums + 4 &* index, scale, bias)
    let low = FloatLanes(snq_256_lower_halves(y.a, y.b), snq_256_upper_halves(y.a, y.b))
    let high = FloatLanes(snq_256_lower_halves(y.c, y.d), snq_256_upper_halves(y.c, y.d))
    if result.elements >= 16 { low.store(target) } else { low.store(target, count: result.elements) }
    if result.elements == 32 {
      high.store(target + 16)
    } else if result.elements > 16 {
      high.store(target + 16, count: result.elements &- 16)
    }
    target += args.pointee.outputStride
  }
}

@inline(never)
func finishDepthwiseCodes(_ result: DepthwiseResult) {
  snq_align_frame()
  let args = result.args
  guard let codes = args.pointee.sink.codes, let weightScale = args.pointee.weightScale else { return }
  let stride = args.pointee.sink.codeStride
  let scale = ChannelNumbers(ChannelNumbers(weightScale, result), times: args.pointee.scale)
  let bias = ChannelNumbers(args.pointee.bias, result)
  let rule = CodeRule(args.pointee.sink)
  var target = codes + (result.row &* stride &+ result.channel)
  for index in 0..<result.count {
    let y = ChannelNumbers(result.sums + 4 &* index, scale, bias)
    let bytes = snq_256_pack_words(rule.words(y.a, y.b), rule.words(y.c, y.d))
    if result.elements == 32 {
      snq_store_256(target, bytes)
    } else {
      snq_256_store_first(target, bytes, result.elements)
    }
    target += stride
  }
}
