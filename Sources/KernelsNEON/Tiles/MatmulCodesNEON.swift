import CKernelABI
import CSIMD

/// Writes `rows` x 16 outputs as the codes of `snq_matmul_args.sink`: rne(min(max(y * inverse, -zero), high)) + zero of
/// the floats y, and code 0 for a NaN.
@inline(never)
func finishCodes(
  _ sums: UnsafePointer<Int32>, _ rows: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int
) {
  let sink = level.pointee.sink
  guard let codes = sink.codes, let storedSum = level.pointee.storedSum,
    let weightScale = level.pointee.weightScale
  else { return }
  let first = panel &* 16
  let count = min(16, Int(level.pointee.outputs) &- first)
  let shared = PanelDots(level, storedSum + first)
  let scale = PanelFloats(weightScale + first)
  let start = level.pointee.bias.map { PanelFloats($0 + first) } ?? PanelFloats()
  for r in 0..<rows {
    let parameters = level.pointee.rows + (row &+ r) &* level.pointee.rowStride
    let y = start.adding(
      shared.dots(sums + 16 &* r, parameters), scale, vdupq_n_f32(parameters.pointee.scale))
    let low = vcombine_s16(vqmovn_s32(sink.integers(y.a)), vqmovn_s32(sink.integers(y.b)))
    let high = vcombine_s16(vqmovn_s32(sink.integers(y.c)), vqmovn_s32(sink.integers(y.d)))
    let bytes = vcombine_u8(vqmovun_s16(low), vqmovun_s16(high))
    let target = codes + ((row &+ r) &* sink.codeStride &+ first)
    if count == 16 { snq_store_u8(target, bytes) } else { snq_store_some_u8(target, bytes, count) }
  }
}

extension snq_code_sink {
  /// Codes before they are cut off at 0; a NaN is far below.
  @inline(__always)
  fileprivate func integers(_ y: float32x4_t) -> int32x4_t {
    let value = vmulq_f32(y, vdupq_n_f32(inverse))
    // Comparing decides, not the minimum of this machine, so that a NaN can be told below.
    let limit = vdupq_n_f32(high)
    let cut = vbslq_f32(vcltq_f32(limit, value), limit, value)
    // Conversion saturates far below and makes a NaN 0, which is then taken for lowest.
    let integers = vqaddq_s32(vcvtnq_s32_f32(cut), vdupq_n_s32(zero))
    return vbslq_s32(vceqq_f32(value, value), integers, vdupq_n_s32(Int32.min))
  }
}
