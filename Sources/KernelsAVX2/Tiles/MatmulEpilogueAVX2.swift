import CKernelABI
import CSIMD

/// All ones in the 32-bit lanes that are below `count` (which may be more than 8, or not positive).
@inline(__always)
func laneMask(_ count: Int) -> __m256i {
  let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(Int32(truncatingIfNeeded: max(0, min(8, count)))), lanes)
}

/// I of 8 outputs from sum(t * q).
@inline(__always)
private func dot(
  _ sum: __m256i, _ product: __m256i, _ storedSum: UnsafePointer<Int32>, _ row: MatmulRow
) -> __m256i {
  let correction = _mm256_mullo_epi32(snq_load_256(storedSum), _mm256_set1_epi32(row.sumFactor))
  let dot = _mm256_sub_epi32(_mm256_mullo_epi32(sum, product), correction)
  return _mm256_add_epi32(dot, _mm256_set1_epi32(row.term))
}

/// Writes `rows` x 16 outputs from their sums ([row][half] in order) as CKernelABI.h states.
@inline(never)
func finishTile(
  _ sums: UnsafePointer<__m256i>, _ rows: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int,
  _ panel: Int
) {
  let isWhole = panel &* 16 &+ 16 <= Int(level.pointee.outputs)
  if level.pointee.sink.codes != nil { return finishCodes(sums, rows, level, row, panel) }
  if level.pointee.mode >= UInt32(SNQ_INTEGER) {
    if isWhole {
      finishWholeIntegers(sums, rows, level, row, panel)
    } else {
      finishIntegers(sums, rows, level, row, panel)
    }
  } else if level.pointee.weightOffset == nil {
    if isWhole {
      finishPlainFloats(sums, rows, level, row, panel, isWhole: true)
    } else {
      finishPlainFloats(sums, rows, level, row, panel, isWhole: false)
    }
  } else {
    finishFloats(sums, rows, level, row, panel)
  }
}

/// What turns the sums of a whole panel into I.
struct PanelDots {
  /// weightMultiplier * storedSum; where all rows have the parameters of the first, what is taken off each of them.
  private let low: __m256i
  private let high: __m256i
  /// weightMultiplier * activationMultiplier, 1, 2 or 4, as a shift.
  private let shift: __m128i
  private let channels: Int32
  private let weightConstant: Int32
  private let activationMultiplier: Int32
  private let isUniform: Bool

  @inline(__always)
  init(_ level: UnsafePointer<snq_matmul_args>, _ storedSum: UnsafePointer<Int32>) {
    let (weight, activation) = (level.pointee.weightMultiplier, level.pointee.activationMultiplier)
    let single = _mm_cvtsi32_si128(weight &>> 1)
    let low = _mm256_sll_epi32(snq_load_256(storedSum), single)
    let high = _mm256_sll_epi32(snq_load_256(storedSum + 8), single)
    shift = _mm_cvtsi32_si128((weight &>> 1) &+ (activation &>> 1))
    channels = Int32(truncatingIfNeeded: level.pointee.channels)
    weightConstant = level.pointee.weightConstant
    activationMultiplier = activation
    isUniform = level.pointee.rowStride == 0
    guard isUniform else {
      (self.low, self.high) = (low, high)
      return
    }
    let constant = level.pointee.rows.pointee.constant
    let offsetSum = activation &* level.pointee.rows.pointee.codeSum &- channels &* constant
    let term = _mm256_set1_epi32(weightConstant &* offsetSum)
    let factor = _mm256_set1_epi32(constant)
    self.low = _mm256_add_epi32(_mm256_mullo_epi32(low, factor), term)
    self.high = _mm256_add_epi32(_mm256_mullo_epi32(high, factor), term)
  }

  /// I of one row.
  @inline(__always)
  func dots(
    _ sums: UnsafePointer<__m256i>, _ parameters: UnsafePointer<snq_row_params>
  ) -> OutputVectors {
    let (lower, upper) = (
      _mm256_sll_epi32(snq_load_256(sums), shift), _mm256_sll_epi32(snq_load_256(sums + 1), shift)
    )
    if isUniform {
      return OutputVectors(low: _mm256_sub_epi32(lower, low), high: _mm256_sub_epi32(upper, high))
    }
    let constant = parameters.pointee.constant
    let offsetSum = activationMultiplier &* parameters.pointee.codeSum &- channels &* constant
    let term = _mm256_set1_epi32(weightConstant &* offsetSum)
    let factor = _mm256_set1_epi32(constant)
    func dot(_ sum: __m256i, _ stored: __m256i) -> __m256i {
      _mm256_sub_epi32(sum, _mm256_add_epi32(_mm256_mullo_epi32(stored, factor), term))
    }
    return OutputVectors(low: dot(lower, low), high: dot(upper, high))
  }
}

/// Outputs without offsets. `isWhole` is a literal.
@inline(__always)
private func finishPlainFloats(
  _ sums: UnsafePointer<__m256i>, _ rows: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int,
  _ panel: Int, isWhole: Bool
) {
  guard let output = level.pointee.output, let storedSum = level.pointee.storedSum,
    let weightScale = level.pointee.weightScale
  else { return }
  let first = panel &* 16
  let count = Int(level.pointee.outputs) &- first
  let masks = isWhole ? (laneMask(8), laneMask(8)) : (laneMask(count), laneMask(count &- 8))
  let shared = PanelDots(level, storedSum + first)
  let scale = (_mm256_loadu_ps(weightScale + first), _mm256_loadu_ps(weightScale + first + 8))
  let accumulates = level.pointee.mode == UInt32(SNQ_ACCUMULATE)
  var start = (_mm256_setzero_ps(), _mm256_setzero_ps())
  if !accumulates, let bias = level.pointee.bias {
    start = (_mm256_loadu_ps(bias + first), _mm256_loadu_ps(bias + first + 8))
  }
  func load(_ place: UnsafePointer<Float>, _ mask: __m256i) -> __m256 {
    isWhole ? _mm256_loadu_ps(place) : _mm256_maskload_ps(place, mask)
  }
  func store(_ place: UnsafeMutablePointer<Float>, _ mask: __m256i, _ value: __m256) {
    if isWhole { _mm256_storeu_ps(place, value) } else { _mm256_maskstore_ps(place, mask, value) }
  }
  let stride = Int(level.pointee.outputStride)
  var target = output + row &* stride + first
  var parameters = level.pointee.rows + row &* Int(level.pointee.rowStride)
  for r in 0..<rows {
    let dots = shared.dots(sums + 2 &* r, parameters)
    let rowScale = _mm256_set1_ps(parameters.pointee.scale)
    let begin = accumulates ? (load(target, masks.0), load(target + 8, masks.1)) : start
    store(
      target, masks.0,
      _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots.low), _mm256_mul_ps(scale.0, rowScale), begin.0))
    store(
      target + 8, masks.1,
      _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots.high), _mm256_mul_ps(scale.1, rowScale), begin.1))
    target += stride
    parameters += Int(level.pointee.rowStride)
  }
}

@inline(__always)
private func finishWholeIntegers(
  _ sums: UnsafePointer<__m256i>, _ rows: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int,
  _ panel: Int
) {
  guard let output = level.pointee.integerOutput, let storedSum = level.pointee.storedSum else { return }
  let first = panel &* 16
  let shared = PanelDots(level, storedSum + first)
  let adds = level.pointee.mode == UInt32(SNQ_INTEGER_ACCUMULATE)
  let stride = Int(level.pointee.outputStride)
  var target = output + row &* stride + first
  var parameters = level.pointee.rows + row &* Int(level.pointee.rowStride)
  for r in 0..<rows {
    var dots = shared.dots(sums + 2 &* r, parameters)
    if adds {
      dots.low = _mm256_add_epi32(dots.low, snq_load_256(target))
      dots.high = _mm256_add_epi32(dots.high, snq_load_256(target + 8))
    }
    snq_store_256(target, dots.low)
    snq_store_256(target + 8, dots.high)
    target += stride
    parameters += Int(level.pointee.rowStride)
  }
}

@inline(__always)
private func finishFloats(
  _ sums: UnsafePointer<__m256i>, _ rows: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int,
  _ panel: Int
) {
  guard let output = level.pointee.output, let storedSum = level.pointee.storedSum,
    let weightScale = level.pointee.weightScale
  else { return }
  let accumulates = level.pointee.mode == UInt32(SNQ_ACCUMULATE)
  let bias = accumulates ? nil : level.pointee.bias
  let weightOffset = level.pointee.weightOffset
  let product = _mm256_set1_epi32(level.pointee.weightMultiplier &* level.pointee.activationMultiplier)
  for r in 0..<rows {
    let parameters = MatmulRow(level, row &+ r)
    let target = output + (row &+ r) &* Int(level.pointee.outputStride)
    for half in 0..<2 {
      let first = panel &* 16 &+ half &* 8
      let rest = Int(level.pointee.outputs) &- first
      if rest <= 0 { break }
      let mask = laneMask(rest)
      // A sum starts from the output itself, from the bias or from zero.
      var sum = _mm256_setzero_ps()
      if accumulates { sum = _mm256_maskload_ps(target + first, mask) }
      if let bias { sum = _mm256_loadu_ps(bias + first) }
      let real = _mm256_cvtepi32_ps(dot(sums[r &* 2 &+ half], product, storedSum + first, parameters))
      sum = _mm256_fmadd_ps(
        real, _mm256_mul_ps(_mm256_loadu_ps(weightScale + first), _mm256_set1_ps(parameters.scale)), sum)
      if let weightOffset {
        let offset = _mm256_set1_ps(parameters.offsetFactor)
        sum = _mm256_fmadd_ps(offset, _mm256_loadu_ps(weightOffset + first), sum)
      }
      if rest >= 8 {
        _mm256_storeu_ps(target + first, sum)
      } else {
        _mm256_maskstore_ps(target + first, mask, sum)
      }
    }
  }
}

@inline(__always)
private func finishIntegers(
  _ sums: UnsafePointer<__m256i>, _ rows: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int,
  _ panel: Int
) {
  guard let output = level.pointee.integerOutput, let storedSum = level.pointee.storedSum else { return }
  let adds = level.pointee.mode == UInt32(SNQ_INTEGER_ACCUMULATE)
  let product = _mm256_set1_epi32(level.pointee.weightMultiplier &* level.pointee.activationMultiplier)
  for r in 0..<rows {
    let parameters = MatmulRow(level, row &+ r)
    let target = output + (row &+ r) &* Int(level.pointee.outputStride)
    for half in 0..<2 {
      let first = panel &* 16 &+ half &* 8
      let rest = Int(level.pointee.outputs) &- first
      if rest <= 0 { break }
      let mask = laneMask(rest)
      var value = dot(sums[r &* 2 &+ half], product, storedSum + first, parameters)
      if adds { value = _mm256_add_epi32(value, _mm256_maskload_epi32(target + first, mask)) }
      _mm256_maskstore_epi32(target + first, mask, value)
    }
  }
}
