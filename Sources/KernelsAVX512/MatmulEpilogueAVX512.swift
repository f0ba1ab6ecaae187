import CKernelABI
import CSIMD

/// What one row adds to the epilogue of its outputs, for one level.
struct MatmulRow {
  /// weightMultiplier * constant: the factor of storedSum.
  var sumFactor: Int32
  /// -weightConstant * U.
  var term: Int32
  var scale: Float
  /// float(U) * scale, the factor of weightOffset.
  var offsetFactor: Float

  @inline(__always)
  init(_ level: UnsafePointer<snq_matmul_args>, _ row: Int) {
    let parameters = level.pointee.rows + row &* Int(level.pointee.rowStride)
    let constant = parameters.pointee.constant
    let channels = Int32(truncatingIfNeeded: level.pointee.channels)
    let offsetSum =
      level.pointee.activationMultiplier &* parameters.pointee.codeSum &- channels &* constant
    sumFactor = level.pointee.weightMultiplier &* constant
    term = 0 &- level.pointee.weightConstant &* offsetSum
    scale = parameters.pointee.scale
    offsetFactor = Float(offsetSum) * parameters.pointee.scale
  }
}

/// Behind the sums of two levels there is room for the parameters of 12 rows.
@inline(__always)
private func parameterMemory(
  _ sums: UnsafeMutablePointer<__m512i>
) -> UnsafeMutablePointer<MatmulRow> {
  UnsafeMutableRawPointer(sums + 2 &* tileVectors).assumingMemoryBound(to: MatmulRow.self)
}

/// Fills the rows of a tile, in scratch memory: an array in locals would be copied at every subscript.
@inline(__always)
private func fill(
  _ parameters: UnsafeMutablePointer<MatmulRow>, _ level: UnsafePointer<snq_matmul_args>, _ row: Int,
  _ rows: Int
) -> UnsafePointer<MatmulRow> {
  for index in 0..<rows { parameters[index] = MatmulRow(level, row &+ index) }
  return UnsafePointer(parameters)
}

/// One level of one panel: what all rows share.
struct MatmulPanel {
  let storedSum: __m512i
  let weightScale: __m512
  /// weightMultiplier * activationMultiplier, 1, 2 or 4, as a shift.
  let shift: __m512i

  @inline(__always)
  init(_ level: UnsafePointer<snq_matmul_args>, _ first: Int) {
    storedSum = _mm512_loadu_si512(level.pointee.storedSum + first)
    weightScale = _mm512_loadu_ps(level.pointee.weightScale + first)
    let product = level.pointee.weightMultiplier &* level.pointee.activationMultiplier
    shift = _mm512_set1_epi32(product &>> 1)
  }

  /// I of 16 outputs from sum(t * q). `isPlain` is a literal: see `isPlain(_:)`.
  @inline(__always)
  func dot(_ sum: __m512i, _ row: UnsafePointer<MatmulRow>, isPlain: Bool) -> __m512i {
    let correction = _mm512_mullo_epi32(storedSum, _mm512_set1_epi32(row.pointee.sumFactor))
    if isPlain { return _mm512_sub_epi32(sum, correction) }
    return _mm512_add_epi32(
      _mm512_sub_epi32(_mm512_sllv_epi32(sum, shift), correction), _mm512_set1_epi32(row.pointee.term))
  }

  /// y + level.
  @inline(__always)
  func added(
    _ sum: __m512i, _ row: UnsafePointer<MatmulRow>, to y: __m512, isPlain: Bool
  ) -> __m512 {
    _mm512_fmadd_ps(
      _mm512_cvtepi32_ps(dot(sum, row, isPlain: isPlain)),
      _mm512_mul_ps(weightScale, _mm512_set1_ps(row.pointee.scale)), y)
  }
}

/// Symmetric weights and affine activations: the shift and the row's term are 0.
@inline(__always)
private func isPlain(_ level: UnsafePointer<snq_matmul_args>) -> Bool {
  level.pointee.weightMultiplier &* level.pointee.activationMultiplier == 1
    && level.pointee.weightConstant == 0
}

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
  let accumulates = level.pointee.mode == UInt32(SNQ_ACCUMULATE)
  let isWhole = (panel &+ panels) &* 16 <= Int(level.pointee.outputs)
  guard let next = level.pointee.next else {
    guard isWhole, level.pointee.weightOffset == nil else {
      return finishAny(sums, 0, rows, panels, level, accumulates, row, panel)
    }
    if isPlain(level) {
      return finishOneLevel(sums, rows, panels, level, row, panel, isPlain: true)
    }
    return finishOneLevel(sums, rows, panels, level, row, panel, isPlain: false)
  }
  guard isWhole, level.pointee.weightOffset == nil, next.pointee.weightOffset == nil else {
    finishAny(sums, 0, rows, panels, level, accumulates, row, panel)
    return finishAny(sums, tileVectors, rows, panels, next, true, row, panel)
  }
  if isPlain(level), isPlain(next) {
    return finishTwoLevels(sums, rows, panels, level, next, row, panel, isPlain: true)
  }
  finishTwoLevels(sums, rows, panels, level, next, row, panel, isPlain: false)
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
  _ row: Int, _ panel: Int, isPlain: Bool
) {
  guard let output = level.pointee.output else { return }
  let parameters = fill(parameterMemory(sums), level, row, rows)
  let stride = Int(level.pointee.outputStride)
  let accumulates = level.pointee.mode == UInt32(SNQ_ACCUMULATE)
  for p in 0..<panels {
    let first = (panel &+ p) &* 16
    let shared = MatmulPanel(level, first)
    let begin = start(level, first)
    var target = output + row &* stride + first
    for r in 0..<rows {
      let y = accumulates ? _mm512_loadu_ps(target) : begin
      _mm512_storeu_ps(
        target, shared.added(sums[r &* panels &+ p], parameters + r, to: y, isPlain: isPlain))
      target += stride
    }
  }
}

/// The same for two levels: the outputs of the first never leave the registers.
@inline(__always)
private func finishTwoLevels(
  _ sums: UnsafeMutablePointer<__m512i>, _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>,
  _ next: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, isPlain: Bool
) {
  guard let output = level.pointee.output else { return }
  let parameters = fill(parameterMemory(sums), level, row, rows)
  let nextParameters = fill(parameterMemory(sums) + rows, next, row, rows)
  let stride = Int(level.pointee.outputStride)
  let accumulates = level.pointee.mode == UInt32(SNQ_ACCUMULATE)
  for p in 0..<panels {
    let first = (panel &+ p) &* 16
    let shared = MatmulPanel(level, first)
    let nextShared = MatmulPanel(next, first)
    let begin = start(level, first)
    var target = output + row &* stride + first
    for r in 0..<rows {
      let index = r &* panels &+ p
      let y = accumulates ? _mm512_loadu_ps(target) : begin
      let half = shared.added(sums[index], parameters + r, to: y, isPlain: isPlain)
      _mm512_storeu_ps(
        target,
        nextShared.added(sums[tileVectors &+ index], nextParameters + r, to: half, isPlain: isPlain))
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
  let parameters = fill(parameterMemory(sums), level, row, rows)
  let nextParameters = fill(parameterMemory(sums) + rows, next, row, rows)
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
      let half = shared.added(sums[r &* panels &+ p], parameters + r, to: y, isPlain: true)
      var sum = _mm512_dpbusd_epi32(_mm512_setzero_si512(), snq_broadcast4_512(rowCodes), early)
      if isLong { sum = _mm512_dpbusd_epi32(sum, snq_broadcast4_512(rowCodes + 4), late) }
      _mm512_storeu_ps(target, nextShared.added(sum, nextParameters + r, to: half, isPlain: true))
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

/// Any level: offsets, and panels that end behind the last output.
@inline(never)
private func finishAny(
  _ sums: UnsafeMutablePointer<__m512i>, _ firstSum: Int, _ rows: Int, _ panels: Int,
  _ level: UnsafePointer<snq_matmul_args>, _ accumulates: Bool, _ row: Int, _ panel: Int
) {
  guard let output = level.pointee.output else { return }
  let parameters = fill(parameterMemory(sums), level, row, rows)
  for p in 0..<panels {
    let first = (panel &+ p) &* 16
    let mask = outputMask(Int(level.pointee.outputs), first)
    let shared = MatmulPanel(level, first)
    for r in 0..<rows {
      let target = output + (row &+ r) &* Int(level.pointee.outputStride) + first
      let y = accumulates ? _mm512_maskz_loadu_ps(mask, target) : start(level, first)
      var sum = shared.added(sums[firstSum &+ r &* panels &+ p], parameters + r, to: y, isPlain: false)
      if let weightOffset = level.pointee.weightOffset {
        let factor = _mm512_set1_ps(parameters[r].offsetFactor)
        sum = _mm512_fmadd_ps(factor, _mm512_loadu_ps(weightOffset + first), sum)
      }
      _mm512_mask_storeu_ps(target, mask, sum)
    }
  }
}

@inline(never)
private func finishIntegers(
  _ sums: UnsafeMutablePointer<__m512i>, _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>,
  _ row: Int, _ panel: Int
) {
  guard let output = level.pointee.integerOutput else { return }
  let adds = level.pointee.mode == UInt32(SNQ_INTEGER_ACCUMULATE)
  let parameters = fill(parameterMemory(sums), level, row, rows)
  for p in 0..<panels {
    let first = (panel &+ p) &* 16
    let mask = outputMask(Int(level.pointee.outputs), first)
    let shared = MatmulPanel(level, first)
    for r in 0..<rows {
      let target = output + (row &+ r) &* Int(level.pointee.outputStride) + first
      let begin = _mm512_maskz_loadu_epi32(adds ? mask : 0, target)
      let value = shared.dot(sums[r &* panels &+ p], parameters + r, isPlain: false)
      _mm512_mask_storeu_epi32(target, mask, _mm512_add_epi32(begin, value))
    }
  }
}
