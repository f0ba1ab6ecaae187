import CKernelABI
import CSIMD

/// What one row adds to the epilogue of all its outputs.
struct MatmulRow {
  /// weightMultiplier * constant: the factor of storedSum.
  let sumFactor: __m512i
  /// -weightConstant * U.
  let term: __m512i
  let scale: __m512
  /// float(U) * scale, the factor of weightOffset.
  let offsetFactor: __m512

  @inline(__always)
  init(_ level: UnsafePointer<snq_matmul_args>, _ row: Int) {
    let parameters = level.pointee.rows + row &* Int(level.pointee.rowStride)
    let constant = parameters.pointee.constant
    let channels = Int32(truncatingIfNeeded: level.pointee.channels)
    let offsetSum =
      level.pointee.activationMultiplier &* parameters.pointee.codeSum &- channels &* constant
    sumFactor = _mm512_set1_epi32(level.pointee.weightMultiplier &* constant)
    term = _mm512_set1_epi32(0 &- level.pointee.weightConstant &* offsetSum)
    scale = _mm512_set1_ps(parameters.pointee.scale)
    offsetFactor = _mm512_set1_ps(Float(offsetSum) * parameters.pointee.scale)
  }
}

/// The lanes of the panel from `first` that are outputs.
@inline(__always)
func outputMask(_ outputs: Int, _ first: Int) -> __mmask16 {
  outputs &- first >= 16 ? 0xffff : __mmask16(truncatingIfNeeded: (1 &<< (outputs &- first)) &- 1)
}

/// I of 16 outputs from sum(t * q).
@inline(__always)
private func dot(
  _ sum: __m512i, _ product: __m512i, _ storedSum: UnsafePointer<Int32>, _ row: MatmulRow
) -> __m512i {
  let correction = _mm512_mullo_epi32(_mm512_loadu_si512(storedSum), row.sumFactor)
  return _mm512_add_epi32(_mm512_sub_epi32(_mm512_mullo_epi32(sum, product), correction), row.term)
}

/// Writes `rows` x `panels` outputs from their sums ([row][panel] in order) as CKernelABI.h states.
@inline(never)
func finishTile(
  _ sums: UnsafePointer<__m512i>, _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>,
  _ row: Int, _ panel: Int
) {
  if level.pointee.mode >= UInt32(SNQ_INTEGER) {
    finishIntegers(sums, rows, panels, level, row, panel)
  } else {
    finishFloats(sums, rows, panels, level, row, panel)
  }
}

@inline(__always)
private func finishFloats(
  _ sums: UnsafePointer<__m512i>, _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>,
  _ row: Int, _ panel: Int
) {
  guard let output = level.pointee.output, let storedSum = level.pointee.storedSum,
    let weightScale = level.pointee.weightScale
  else { return }
  let accumulates = level.pointee.mode == UInt32(SNQ_ACCUMULATE)
  let bias = accumulates ? nil : level.pointee.bias
  let weightOffset = level.pointee.weightOffset
  let outputs = Int(level.pointee.outputs)
  let product = _mm512_set1_epi32(level.pointee.weightMultiplier &* level.pointee.activationMultiplier)
  for r in 0..<rows {
    let parameters = MatmulRow(level, row &+ r)
    let target = output + (row &+ r) &* Int(level.pointee.outputStride)
    for p in 0..<panels {
      let first = (panel &+ p) &* 16
      let mask = outputMask(outputs, first)
      // A sum starts from the output itself, from the bias or from zero.
      var sum = _mm512_maskz_loadu_ps(accumulates ? mask : 0, target + first)
      if let bias { sum = _mm512_loadu_ps(bias + first) }
      let real = _mm512_cvtepi32_ps(
        dot(sums[r &* panels &+ p], product, storedSum + first, parameters))
      sum = _mm512_fmadd_ps(
        real, _mm512_mul_ps(_mm512_loadu_ps(weightScale + first), parameters.scale), sum)
      if let weightOffset {
        sum = _mm512_fmadd_ps(parameters.offsetFactor, _mm512_loadu_ps(weightOffset + first), sum)
      }
      if mask == 0xffff {
        _mm512_storeu_ps(target + first, sum)
      } else {
        _mm512_mask_storeu_ps(target + first, mask, sum)
      }
    }
  }
}

@inline(__always)
private func finishIntegers(
  _ sums: UnsafePointer<__m512i>, _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>,
  _ row: Int, _ panel: Int
) {
  guard let output = level.pointee.integerOutput, let storedSum = level.pointee.storedSum else { return }
  let adds = level.pointee.mode == UInt32(SNQ_INTEGER_ACCUMULATE)
  let product = _mm512_set1_epi32(level.pointee.weightMultiplier &* level.pointee.activationMultiplier)
  for r in 0..<rows {
    let parameters = MatmulRow(level, row &+ r)
    let target = output + (row &+ r) &* Int(level.pointee.outputStride)
    for p in 0..<panels {
      let first = (panel &+ p) &* 16
      let mask = outputMask(Int(level.pointee.outputs), first)
      let start = _mm512_maskz_loadu_epi32(adds ? mask : 0, target + first)
      let value = dot(sums[r &* panels &+ p], product, storedSum + first, parameters)
      _mm512_mask_storeu_epi32(target + first, mask, _mm512_add_epi32(start, value))
    }
  }
}
