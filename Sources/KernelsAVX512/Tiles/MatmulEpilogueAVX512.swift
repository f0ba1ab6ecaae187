import CKernelABI
import CSIMD

/// A second level of so few channels that the epilogue sums it itself.
@inline(__always)
func isShort(_ level: UnsafePointer<snq_matmul_args>) -> Bool {
  level.pointee.paddedChannels <= 8 && level.pointee.layout == UInt32(SNQ_BYTES) && isPlain(level)
}

/// The lanes of the panel from `first` that are outputs.
@inline(__always)
func outputMask(_ outputs: Int, _ first: Int) -> __mmask16 {
  outputs &- first >= 16 ? 0xffff : __mmask16(truncatingIfNeeded: (1 &<< (outputs &- first)) &- 1)
}

/// Writes `rows` x `panels` outputs from the sums of one or two levels ([row][panel] in order) as
/// CKernelABI.h states.
@inline(never)
func finishTile(
  _ sums: UnsafeMutablePointer<__m512i>, _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>,
  _ row: Int, _ panel: Int
) {
  if level.pointee.mode >= UInt32(SNQ_INTEGER) {
    return finishIntegers(sums, rows, panels, level, row, panel)
  }
  if level.pointee.sink.codes != nil { return finishCodes(sums, rows, panels, level, row, panel) }
  let accumulates = level.pointee.mode == UInt32(SNQ_ACCUMULATE)
  let isWhole = (panel &+ panels) &* 16 <= Int(level.pointee.outputs)
  let memory = RowParameters(behind: sums)
  let parameters = memory.first(row)
  guard let next = level.pointee.next else {
    guard isWhole, level.pointee.weightOffset == nil else {
      return finishAny(sums, rows, panels, level, level, parameters, row, panel, accumulates)
    }
    if memory.isFirstFixed {
      if isPlain(level) {
        return finishOneLevel(sums, rows, panels, level, parameters, row, panel, .fixedPlain)
      }
      return finishOneLevel(sums, rows, panels, level, parameters, row, panel, .fixed)
    }
    if isPlain(level) { return finishOneLevel(sums, rows, panels, level, parameters, row, panel, .plain) }
    if memory.isFirstUniform {
      return finishOneLevel(sums, rows, panels, level, parameters, row, panel, .uniform)
    }
    return finishOneLevel(sums, rows, panels, level, parameters, row, panel, .any)
  }
  guard isWhole, level.pointee.weightOffset == nil, next.pointee.weightOffset == nil else {
    finishAny(sums, rows, panels, level, level, parameters, row, panel, accumulates)
    return finishAny(
      sums + tileVectors, rows, panels, next, level, memory.second(row), row, panel, true)
  }
  let nextParameters = memory.second(row)
  let pair = LevelPair(level: level, next: next, parameters: parameters, nextParameters: nextParameters)
  if memory.isFirstFixed, memory.isSecondFixed {
    return finishTwoLevels(sums, rows, panels, pair, row, panel, .fixed)
  }
  if isPlain(level), isPlain(next) { return finishTwoLevels(sums, rows, panels, pair, row, panel, .plain) }
  if memory.isFirstUniform, memory.isSecondUniform {
    return finishTwoLevels(sums, rows, panels, pair, row, panel, .uniform)
  }
  finishTwoLevels(sums, rows, panels, pair, row, panel, .any)
}

/// Where a sum starts when the outputs themselves are not added to.
@inline(__always)
private func start(_ level: UnsafePointer<snq_matmul_args>, _ first: Int) -> __m512 {
  guard let bias = level.pointee.bias else { return _mm512_setzero_ps() }
  return _mm512_loadu_ps(bias + first)
}

/// Whole panels without offsets, one level: by panel, so that what its rows share stays in registers.
@inline(__always)
private func finishOneLevel(
  _ sums: UnsafeMutablePointer<__m512i>, _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>,
  _ parameters: UnsafePointer<MatmulRow>, _ row: Int, _ panel: Int, _ kind: DotKind
) {
  guard let output = level.pointee.output else { return }
  let stride = Int(level.pointee.outputStride)
  let accumulates = level.pointee.mode == UInt32(SNQ_ACCUMULATE)
  for p in 0..<panels {
    let first = (panel &+ p) &* 16
    let shared = MatmulPanel(level, first, parameters)
    let begin = start(level, first)
    var target = output + row &* stride + first
    for r in 0..<rows {
      let y = accumulates ? _mm512_loadu_ps(target) : begin
      _mm512_storeu_ps(
        target, shared.added(sums[r &* panels &+ p], parameters + r, to: y, kind))
      target += stride
    }
  }
}

/// Two levels with the parameters of a tile's rows.
struct LevelPair {
  let level: UnsafePointer<snq_matmul_args>
  let next: UnsafePointer<snq_matmul_args>
  let parameters: UnsafePointer<MatmulRow>
  let nextParameters: UnsafePointer<MatmulRow>
}

/// The same for two levels: the outputs of the first never leave the registers.
@inline(__always)
private func finishTwoLevels(
  _ sums: UnsafeMutablePointer<__m512i>, _ rows: Int, _ panels: Int, _ pair: LevelPair, _ row: Int,
  _ panel: Int, _ kind: DotKind
) {
  let (level, next, parameters, nextParameters) = (
    pair.level, pair.next, pair.parameters, pair.nextParameters
  )
  guard let output = level.pointee.output else { return }
  let stride = Int(level.pointee.outputStride)
  let accumulates = level.pointee.mode == UInt32(SNQ_ACCUMULATE)
  for p in 0..<panels {
    let first = (panel &+ p) &* 16
    let shared = MatmulPanel(level, first, parameters)
    let nextShared = MatmulPanel(next, first, nextParameters)
    let begin = start(level, first)
    var target = output + row &* stride + first
    for r in 0..<rows {
      let index = r &* panels &+ p
      let y = accumulates ? _mm512_loadu_ps(target) : begin
      let half = shared.added(sums[index], parameters + r, to: y, kind)
      _mm512_storeu_ps(
        target,
        nextShared.added(sums[tileVectors &+ index], nextParameters + r, to: half, kind))
      target += stride
    }
  }
}

/// The same when the second level has at most 8 channels: its sums need no tile of their own.
@inline(never)
func finishShortLevel(
  _ sums: UnsafeMutablePointer<__m512i>, _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>,
  _ next: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int
) {
  guard let output = level.pointee.output, let weights = next.pointee.weights,
    let codes = next.pointee.codes
  else { return }
  let memory = RowParameters(behind: sums)
  let (parameters, nextParameters) = (memory.first(row), memory.second(row))
  let stride = Int(level.pointee.outputStride)
  let codeStride = Int(next.pointee.codeStride)
  let isLong = next.pointee.paddedChannels > 4
  let accumulates = level.pointee.mode == UInt32(SNQ_ACCUMULATE)
  for p in 0..<panels {
    let first = (panel &+ p) &* 16
    let shared = MatmulPanel(level, first)
    let nextShared = MatmulPanel(next, first)
    let begin = start(level, first)
    let tile = weights + (panel &+ p) &* Int(next.pointee.panelStride)
    let early = _mm512_loadu_si512(tile)
    let late = isLong ? _mm512_loadu_si512(tile + 64) : _mm512_setzero_si512()
    var target = output + row &* stride + first
    var rowCodes = codes + row &* codeStride
    for r in 0..<rows {
      let y = accumulates ? _mm512_loadu_ps(target) : begin
      let half = shared.added(sums[r &* panels &+ p], parameters + r, to: y, .plain)
      var sum = _mm512_dpbusd_epi32(_mm512_setzero_si512(), snq_broadcast4_512(rowCodes), early)
      if isLong { sum = _mm512_dpbusd_epi32(sum, snq_broadcast4_512(rowCodes + 4), late) }
      _mm512_storeu_ps(target, nextShared.added(sum, nextParameters + r, to: half, .plain))
      target += stride
      rowCodes += codeStride
    }
  }
}

/// Whether `finishShortLevel` can finish a tile of these levels.
@inline(__always)
func endsShort(
  _ level: UnsafePointer<snq_matmul_args>, _ next: UnsafePointer<snq_matmul_args>, _ panelEnd: Int
) -> Bool {
  isShort(next) && isPlain(level) && panelEnd &* 16 <= Int(level.pointee.outputs)
    && level.pointee.mode < UInt32(SNQ_INTEGER) && level.pointee.weightOffset == nil
    && next.pointee.weightOffset == nil
}

/// Any level: offsets, and panels that end behind the last output. The outputs are those of `target`.
@inline(never)
private func finishAny(
  _ sums: UnsafeMutablePointer<__m512i>, _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>,
  _ target: UnsafePointer<snq_matmul_args>, _ parameters: UnsafePointer<MatmulRow>, _ row: Int, _ panel: Int,
  _ accumulates: Bool
) {
  guard let output = target.pointee.output else { return }
  for p in 0..<panels {
    let first = (panel &+ p) &* 16
    let mask = outputMask(Int(level.pointee.outputs), first)
    let shared = MatmulPanel(level, first)
    for r in 0..<rows {
      let place = output + (row &+ r) &* Int(target.pointee.outputStride) + first
      let y = accumulates ? _mm512_maskz_loadu_ps(mask, place) : start(level, first)
      var sum = shared.added(sums[r &* panels &+ p], parameters + r, to: y, .any)
      if let weightOffset = level.pointee.weightOffset {
        let factor = _mm512_set1_ps(parameters[r].offsetFactor)
        sum = _mm512_fmadd_ps(factor, _mm512_loadu_ps(weightOffset + first), sum)
      }
      _mm512_mask_storeu_ps(place, mask, sum)
    }
  }
}
