import CKernelABI
import CSIMD

/// Writes I of `rows` x `panels` outputs, or the sum of both levels' I.
@inline(never)
func finishIntegers(
  _ sums: UnsafeMutablePointer<__m512i>, _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>,
  _ row: Int, _ panel: Int
) {
  let memory = RowParameters(behind: sums)
  let parameters = memory.first(row)
  let isWhole = (panel &+ panels) &* 16 <= Int(level.pointee.outputs)
  let starts = level.pointee.mode == UInt32(SNQ_INTEGER)
  if isWhole, starts, memory.isFirstUniform {
    guard let next = level.pointee.next else {
      return finishWhole(sums, rows, panels, level, parameters, row, panel)
    }
    let nextParameters = memory.second(row)
    if memory.isSecondUniform {
      let pair = LevelPair(level: level, next: next, parameters: parameters, nextParameters: nextParameters)
      return finishWholePair(sums, rows, panels, pair, row, panel)
    }
  }
  finishPart(sums, rows, panels, level, level, parameters, row, panel, adds: !starts)
  if let next = level.pointee.next {
    finishPart(sums + tileVectors, rows, panels, next, level, memory.second(row), row, panel, adds: true)
  }
}

/// Whole panels of one level whose rows have one constant.
@inline(__always)
private func finishWhole(
  _ sums: UnsafeMutablePointer<__m512i>, _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>,
  _ parameters: UnsafePointer<MatmulRow>, _ row: Int, _ panel: Int
) {
  guard let output = level.pointee.integerOutput else { return }
  let stride = Int(level.pointee.outputStride)
  if rows == 1 { return finishRow(sums, panels, level, parameters, output + row &* stride, panel) }
  for p in 0..<panels {
    let first = (panel &+ p) &* 16
    let shared = MatmulPanel(level, first, parameters)
    var target = output + row &* stride + first
    for r in 0..<rows {
      _mm512_storeu_si512(target, shared.dot(sums[r &* panels &+ p], parameters + r, .uniform))
      target += stride
    }
  }
}

/// One row: nothing to share between rows, and the row's terms in registers.
@inline(__always)
private func finishRow(
  _ sums: UnsafeMutablePointer<__m512i>, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>,
  _ parameters: UnsafePointer<MatmulRow>, _ output: UnsafeMutablePointer<Int32>, _ panel: Int
) {
  guard let storedSum = level.pointee.storedSum else { return }
  let shift = _mm_cvtsi32_si128(
    (level.pointee.weightMultiplier &* level.pointee.activationMultiplier) &>> 1)
  let factor = _mm512_set1_epi32(parameters.pointee.sumFactor)
  let term = _mm512_set1_epi32(parameters.pointee.term)
  for p in 0..<panels {
    let first = (panel &+ p) &* 16
    let correction = _mm512_mullo_epi32(_mm512_loadu_si512(storedSum + first), factor)
    let sum = _mm512_sll_epi32(_mm512_load_si512(sums + p), shift)
    _mm512_storeu_si512(output + first, _mm512_add_epi32(_mm512_sub_epi32(sum, correction), term))
  }
}

/// The same of two levels.
@inline(__always)
private func finishWholePair(
  _ sums: UnsafeMutablePointer<__m512i>, _ rows: Int, _ panels: Int, _ pair: LevelPair, _ row: Int,
  _ panel: Int
) {
  guard let output = pair.level.pointee.integerOutput else { return }
  let stride = Int(pair.level.pointee.outputStride)
  for p in 0..<panels {
    let first = (panel &+ p) &* 16
    let shared = MatmulPanel(pair.level, first, pair.parameters)
    let nextShared = MatmulPanel(pair.next, first, pair.nextParameters)
    var target = output + row &* stride + first
    for r in 0..<rows {
      let index = r &* panels &+ p
      let dot = shared.dot(sums[index], pair.parameters + r, .uniform)
      let nextDot = nextShared.dot(sums[tileVectors &+ index], pair.nextParameters + r, .uniform)
      _mm512_storeu_si512(target, _mm512_add_epi32(dot, nextDot))
      target += stride
    }
  }
}

/// One level of anything, written to the outputs of `target`.
@inline(never)
private func finishPart(
  _ sums: UnsafeMutablePointer<__m512i>, _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>,
  _ target: UnsafePointer<snq_matmul_args>, _ parameters: UnsafePointer<MatmulRow>, _ row: Int, _ panel: Int,
  adds: Bool
) {
  guard let output = target.pointee.integerOutput else { return }
  for p in 0..<panels {
    let first = (panel &+ p) &* 16
    let mask = outputMask(Int(level.pointee.outputs), first)
    let shared = MatmulPanel(level, first)
    for r in 0..<rows {
      let place = output + ((row &+ r) &* Int(target.pointee.outputStride) &+ first)
      let begin = _mm512_maskz_loadu_epi32(adds ? mask : 0, place)
      let value = shared.dot(sums[r &* panels &+ p], parameters + r, .any)
      _mm512_mask_storeu_epi32(place, mask, _mm512_add_epi32(begin, value))
    }
  }
}
