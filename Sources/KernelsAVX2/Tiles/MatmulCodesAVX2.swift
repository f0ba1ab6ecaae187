import CKernelABI
import CSIMD

/// Writes `rows` x 16 outputs as the codes of `snq_matmul_args.sink`: the floats never leave the registers.
@inline(never)
func finishCodes(
  _ sums: UnsafePointer<__m256i>, _ rows: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int,
  _ panel: Int
) {
  let sink = level.pointee.sink
  guard let codes = sink.codes, let storedSum = level.pointee.storedSum,
    let weightScale = level.pointee.weightScale
  else { return }
  let first = panel &* 16
  let count = Int(level.pointee.outputs) &- first
  let shared = PanelDots(level, storedSum + first)
  // All rows have one scale.
  let rowScale = _mm256_set1_ps(level.pointee.rows.pointee.scale)
  let scale = (
    _mm256_mul_ps(_mm256_loadu_ps(weightScale + first), rowScale),
    _mm256_mul_ps(_mm256_loadu_ps(weightScale + first + 8), rowScale)
  )
  var start = (_mm256_setzero_ps(), _mm256_setzero_ps())
  if let bias = level.pointee.bias {
    start = (_mm256_loadu_ps(bias + first), _mm256_loadu_ps(bias + first + 8))
  }
  let inverse = _mm256_set1_ps(sink.inverse)
  let high = _mm256_set1_ps(sink.high)
  let zero = _mm256_set1_epi16(Int16(truncatingIfNeeded: sink.zero))
  var target = codes + (row &* sink.codeStride &+ first)
  var parameters = level.pointee.rows + row &* Int(level.pointee.rowStride)
  for r in 0..<rows {
    let dots = shared.dots(sums + 2 &* r, parameters)
    let low = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots.low), scale.0, start.0)
    let upper = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots.high), scale.1, start.1)
    // This order of the operands lets a NaN pass, which packing makes code 0.
    let bytes = snq_pack_codes_256(
      _mm256_cvtps_epi32(_mm256_min_ps(high, _mm256_mul_ps(low, inverse))),
      _mm256_cvtps_epi32(_mm256_min_ps(high, _mm256_mul_ps(upper, inverse))), zero)
    if count >= 16 {
      snq_store_128(target, bytes)
    } else {
      snq_256_store_first(target, _mm256_castsi128_si256(bytes), count)
    }
    target += sink.codeStride
    parameters += Int(level.pointee.rowStride)
  }
}
