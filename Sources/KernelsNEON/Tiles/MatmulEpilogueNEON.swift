import CKernelABI
import CSIMD

/// Writes `rows` x 16 outputs from their sums ([row][16]) as CKernelABI.h states.
@inline(never)
func finishTile(
  _ sums: UnsafePointer<Int32>, _ rows: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int
) {
  let isFloat = level.pointee.mode < UInt32(SNQ_INTEGER)
  if isFloat && level.pointee.sink.codes != nil { return finishCodes(sums, rows, level, row, panel) }
  let isWhole = panel &* 16 &+ 16 <= Int(level.pointee.outputs)
  if isFloat && isWhole && level.pointee.weightOffset == nil {
    let isPlain =
      level.pointee.weightMultiplier == 1 && level.pointee.activationMultiplier == 1
      && level.pointee.weightConstant == 0
    if isPlain { return finishWholeFloats(isPlain: true, sums, rows, level, row, panel) }
    return finishWholeFloats(isPlain: false, sums, rows, level, row, panel)
  }
  for r in 0..<rows {
    let parameters = MatmulRow(level, row &+ r)
    for quarter in 0..<4 {
      let first = panel &* 16 &+ 4 &* quarter
      if first >= Int(level.pointee.outputs) { break }
      let sum = snq_load_s32(sums + (16 &* r &+ 4 &* quarter))
      if isFloat {
        finishFloats(sum, parameters, level, row &+ r, first)
      } else {
        finishIntegers(sum, parameters, level, row &+ r, first)
      }
    }
  }
}

/// What turns the sums of a panel into I, all but the rows' part.
struct PanelDots {
  /// -weightMultiplier * storedSum.
  private let stored: OutputVectors
  /// weightMultiplier * activationMultiplier.
  private let product: int32x4_t
  private let weightConstant: Int32
  private let activationMultiplier: Int32
  private let channels: Int32

  @inline(__always)
  init(_ level: UnsafePointer<snq_matmul_args>, _ storedSum: UnsafePointer<Int32>) {
    let factor = vdupq_n_s32(0 &- level.pointee.weightMultiplier)
    stored = OutputVectors(storedSum).map { vmulq_s32($0, factor) }
    activationMultiplier = level.pointee.activationMultiplier
    product = vdupq_n_s32(level.pointee.weightMultiplier &* activationMultiplier)
    weightConstant = level.pointee.weightConstant
    channels = Int32(truncatingIfNeeded: level.pointee.channels)
  }

  /// I of one row. `isPlain`, a literal: multipliers are 1 and the constant of the weights is 0.
  @inline(__always)
  func dots(
    isPlain: Bool = false, _ sums: UnsafePointer<Int32>, _ parameters: UnsafePointer<snq_row_params>
  ) -> OutputVectors {
    let constant = parameters.pointee.constant
    if isPlain {
      let (own, factor) = (OutputVectors(sums), vdupq_n_s32(constant))
      return OutputVectors(
        vmlaq_s32(own.a, stored.a, factor), vmlaq_s32(own.b, stored.b, factor),
        vmlaq_s32(own.c, stored.c, factor), vmlaq_s32(own.d, stored.d, factor))
    }
    let offsetSum = activationMultiplier &* parameters.pointee.codeSum &- channels &* constant
    let term = vdupq_n_s32(0 &- weightConstant &* offsetSum)
    let factor = vdupq_n_s32(constant)
    let own = OutputVectors(sums)
    return OutputVectors(
      vmlaq_s32(vmlaq_s32(term, stored.a, factor), own.a, product),
      vmlaq_s32(vmlaq_s32(term, stored.b, factor), own.b, product),
      vmlaq_s32(vmlaq_s32(term, stored.c, factor), own.c, product),
      vmlaq_s32(vmlaq_s32(term, stored.d, factor), own.d, product))
  }
}

/// 16 outputs as floats.
struct PanelFloats {
  var a = vdupq_n_f32(0)
  var b = vdupq_n_f32(0)
  var c = vdupq_n_f32(0)
  var d = vdupq_n_f32(0)

  @inline(__always) init() {}

  @inline(__always)
  init(_ a: float32x4_t, _ b: float32x4_t, _ c: float32x4_t, _ d: float32x4_t) {
    self.a = a
    self.b = b
    self.c = c
    self.d = d
  }

  @inline(__always)
  init(_ memory: UnsafePointer<Float>) {
    a = snq_load_f32(memory)
    b = snq_load_f32(memory + 4)
    c = snq_load_f32(memory + 8)
    d = snq_load_f32(memory + 12)
  }

  @inline(__always)
  func store(_ memory: UnsafeMutablePointer<Float>) {
    snq_store_f32(memory, a)
    snq_store_f32(memory + 4, b)
    snq_store_f32(memory + 8, c)
    snq_store_f32(memory + 12, d)
  }

  /// + dots * (scale * rowScale), one rounding for the scale and one for the rest.
  @inline(__always)
  func adding(_ dots: OutputVectors, _ scale: PanelFloats, _ rowScale: float32x4_t) -> PanelFloats {
    var result = self
    result.a = vfmaq_f32(a, vcvtq_f32_s32(dots.a), vmulq_f32(scale.a, rowScale))
    result.b = vfmaq_f32(b, vcvtq_f32_s32(dots.b), vmulq_f32(scale.b, rowScale))
    result.c = vfmaq_f32(c, vcvtq_f32_s32(dots.c), vmulq_f32(scale.c, rowScale))
    result.d = vfmaq_f32(d, vcvtq_f32_s32(dots.d), vmulq_f32(scale.d, rowScale))
    return result
  }
}

@inline(__always)
private func finishWholeFloats(
  isPlain: Bool, _ sums: UnsafePointer<Int32>, _ rows: Int, _ level: UnsafePointer<snq_matmul_args>,
  _ row: Int, _ panel: Int
) {
  guard let output = level.pointee.output, let storedSum = level.pointee.storedSum,
    let weightScale = level.pointee.weightScale, rows > 0
  else { return }
  let first = panel &* 16
  let shared = PanelDots(level, storedSum + first)
  let scale = PanelFloats(weightScale + first)
  let accumulates = level.pointee.mode == UInt32(SNQ_ACCUMULATE)
  var start = PanelFloats()
  if !accumulates, let bias = level.pointee.bias { start = PanelFloats(bias + first) }
  var target = output + (row &* level.pointee.outputStride &+ first)
  var parameters = level.pointee.rows + row &* level.pointee.rowStride
  for r in 0..<rows {
    let begin = accumulates ? PanelFloats(target) : start
    begin.adding(
      shared.dots(isPlain: isPlain, sums + 16 &* r, parameters), scale, vdupq_n_f32(parameters.pointee.scale)
    )
    .store(target)
    target += level.pointee.outputStride
    parameters += level.pointee.rowStride
  }
}

/// I of 4 outputs from sum(t * q).
@inline(__always)
private func dot(
  _ sum: int32x4_t, _ parameters: MatmulRow, _ level: UnsafePointer<snq_matmul_args>, _ first: Int
) -> int32x4_t {
  let product = vdupq_n_s32(level.pointee.weightMultiplier &* level.pointee.activationMultiplier)
  let dot = vmlaq_s32(vdupq_n_s32(parameters.term), sum, product)
  return vmlsq_s32(dot, snq_load_s32(level.pointee.storedSum + first), vdupq_n_s32(parameters.sumFactor))
}

/// Up to 4 outputs of one row, those that there are.
@inline(__always)
private func finishFloats(
  _ sum: int32x4_t, _ parameters: MatmulRow, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ first: Int
) {
  let rest = Int(level.pointee.outputs) &- first
  let target = level.pointee.output + (row &* level.pointee.outputStride &+ first)
  var value = vdupq_n_f32(0)
  if level.pointee.mode == UInt32(SNQ_ACCUMULATE) {
    value = rest >= 4 ? snq_load_f32(target) : snq_load_some_f32(target, rest)
  } else if let bias = level.pointee.bias {
    value = snq_load_f32(bias + first)
  }
  let scale = vmulq_f32(snq_load_f32(level.pointee.weightScale + first), vdupq_n_f32(parameters.scale))
  value = vfmaq_f32(value, vcvtq_f32_s32(dot(sum, parameters, level, first)), scale)
  if let offset = level.pointee.weightOffset {
    value = vfmaq_f32(value, vdupq_n_f32(parameters.offsetFactor), snq_load_f32(offset + first))
  }
  if rest >= 4 { snq_store_f32(target, value) } else { snq_store_some_f32(target, value, rest) }
}

@inline(__always)
private func finishIntegers(
  _ sum: int32x4_t, _ parameters: MatmulRow, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ first: Int
) {
  let rest = Int(level.pointee.outputs) &- first
  let target = level.pointee.integerOutput + (row &* level.pointee.outputStride &+ first)
  var value = dot(sum, parameters, level, first)
  if level.pointee.mode == UInt32(SNQ_INTEGER_ACCUMULATE) {
    value = vaddq_s32(value, rest >= 4 ? snq_load_s32(target) : snq_load_some_s32(target, rest))
  }
  if rest >= 4 { snq_store_s32(target, value) } else { snq_store_some_s32(target, value, rest) }
}
