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
func parameterMemory(
  _ sums: UnsafeMutablePointer<__m512i>
) -> UnsafeMutablePointer<MatmulRow> {
  UnsafeMutableRawPointer(sums + 2 &* tileVectors).assumingMemoryBound(to: MatmulRow.self)
}

/// Fills the rows of a tile, in scratch memory: an array in locals would be copied at every subscript.
@inline(__always)
func fill(
  _ parameters: UnsafeMutablePointer<MatmulRow>, _ level: UnsafePointer<snq_matmul_args>, _ row: Int,
  _ rows: Int
) -> UnsafePointer<MatmulRow> {
  for index in 0..<rows { parameters[index] = MatmulRow(level, row &+ index) }
  return UnsafePointer(parameters)
}

/// Whether all rows have one factor of storedSum.
@inline(__always)
func isUniform(_ parameters: UnsafePointer<MatmulRow>, _ rows: Int) -> Bool {
  var difference: Int32 = 0
  for row in 1..<max(1, rows) { difference |= parameters[row].sumFactor ^ parameters[0].sumFactor }
  return difference == 0
}

/// One level of one panel: what all rows share.
struct MatmulPanel {
  let storedSum: __m512i
  let weightScale: __m512
  /// weightMultiplier * activationMultiplier, 1, 2 or 4, as a shift.
  let shift: __m512i
  /// storedSum * sumFactor of the first row, for tiles whose rows have one factor: a product is slow.
  let correction: __m512i

  @inline(__always)
  init(
    _ level: UnsafePointer<snq_matmul_args>, _ first: Int, _ row: UnsafePointer<MatmulRow>? = nil
  ) {
    storedSum = _mm512_loadu_si512(level.pointee.storedSum + first)
    weightScale = _mm512_loadu_ps(level.pointee.weightScale + first)
    let product = level.pointee.weightMultiplier &* level.pointee.activationMultiplier
    shift = _mm512_set1_epi32(product &>> 1)
    correction = _mm512_mullo_epi32(storedSum, _mm512_set1_epi32(row?.pointee.sumFactor ?? 0))
  }

  /// I of 16 outputs from sum(t * q). `kind` is a literal.
  @inline(__always)
  func dot(_ sum: __m512i, _ row: UnsafePointer<MatmulRow>, _ kind: DotKind) -> __m512i {
    if kind == .uniform {
      return _mm512_add_epi32(
        _mm512_sub_epi32(_mm512_sllv_epi32(sum, shift), correction), _mm512_set1_epi32(row.pointee.term))
    }
    let correction = _mm512_mullo_epi32(storedSum, _mm512_set1_epi32(row.pointee.sumFactor))
    if kind == .plain { return _mm512_sub_epi32(sum, correction) }
    return _mm512_add_epi32(
      _mm512_sub_epi32(_mm512_sllv_epi32(sum, shift), correction), _mm512_set1_epi32(row.pointee.term))
  }

  /// y + level.
  @inline(__always)
  func added(
    _ sum: __m512i, _ row: UnsafePointer<MatmulRow>, to y: __m512, _ kind: DotKind
  ) -> __m512 {
    _mm512_fmadd_ps(
      _mm512_cvtepi32_ps(dot(sum, row, kind)),
      _mm512_mul_ps(weightScale, _mm512_set1_ps(row.pointee.scale)), y)
  }
}

/// What the way from sum(t * q) to I needs in a tile.
enum DotKind {
  /// Symmetric weights and affine activations: the shift and the row's term are 0.
  case plain
  /// All rows have the same constant, as those of bipolar codes have.
  case uniform
  case any
}

/// Whether the shift and the row's term are 0.
@inline(__always)
func isPlain(_ level: UnsafePointer<snq_matmul_args>) -> Bool {
  level.pointee.weightMultiplier &* level.pointee.activationMultiplier == 1
    && level.pointee.weightConstant == 0
}
