import CKernelABI
import CSIMD

/// The parameters of the rows of a call, in the memory behind the sums of two levels: an array in locals would be
/// copied at every subscript.
struct RowParameters {
  /// Rows that there is room for; more rows are more calls.
  static let capacity = 64
  /// Vectors of a header and of the rows of two levels.
  static let vectors = 1 + 2 * 16

  private struct Header {
    var firstRow: Int
    /// Whether all rows have one factor of storedSum.
    var isUniform: (Bool, Bool)
    /// Whether they have one scale as well.
    var isFixed: (Bool, Bool)
  }

  private let header: UnsafeMutablePointer<Header>
  private let rows: UnsafeMutablePointer<MatmulRow>

  @inline(__always)
  init(behind sums: UnsafeMutablePointer<__m512i>) {
    let start = UnsafeMutableRawPointer(sums + 2 &* tileVectors)
    header = start.assumingMemoryBound(to: Header.self)
    rows = (start + 64).assumingMemoryBound(to: MatmulRow.self)
  }

  /// Makes the parameters of rows `begin` ..< `end` ready, at most `capacity`.
  @inline(never)
  func fill(_ level: UnsafePointer<snq_matmul_args>, _ begin: Int, _ end: Int) {
    header.pointee.firstRow = begin
    (header.pointee.isUniform.0, header.pointee.isFixed.0) = fill(rows, level, begin, end)
    if let next = level.pointee.next {
      (header.pointee.isUniform.1, header.pointee.isFixed.1) = fill(rows + Self.capacity, next, begin, end)
    }
  }

  @inline(__always)
  private func fill(
    _ target: UnsafeMutablePointer<MatmulRow>, _ level: UnsafePointer<snq_matmul_args>, _ begin: Int,
    _ end: Int
  ) -> (isUniform: Bool, isFixed: Bool) {
    if level.pointee.rowStride == 0 {
      let parameters = MatmulRow(level, begin)
      for row in begin..<end { target[row &- begin] = parameters }
      return (true, true)
    }
    var difference: Int32 = 0
    var scales: UInt32 = 0
    for row in begin..<end {
      let parameters = MatmulRow(level, row)
      target[row &- begin] = parameters
      difference |= parameters.sumFactor ^ target.pointee.sumFactor
      scales |= parameters.scale.bitPattern ^ target.pointee.scale.bitPattern
    }
    return (difference == 0, difference == 0 && scales == 0)
  }

  /// Those of a row on and the ones behind it.
  @inline(__always)
  func first(_ row: Int) -> UnsafePointer<MatmulRow> {
    UnsafePointer(rows + (row &- header.pointee.firstRow))
  }

  /// The same of the second level.
  @inline(__always)
  func second(_ row: Int) -> UnsafePointer<MatmulRow> { first(row) + Self.capacity }

  @inline(__always) var isFirstUniform: Bool { header.pointee.isUniform.0 }
  @inline(__always) var isSecondUniform: Bool { header.pointee.isUniform.1 }
  @inline(__always) var isFirstFixed: Bool { header.pointee.isFixed.0 }
  @inline(__always) var isSecondFixed: Bool { header.pointee.isFixed.1 }
}

/// One level of one panel: what all rows share.
struct MatmulPanel {
  let storedSum: __m512i
  let weightScale: __m512
  /// weightMultiplier * activationMultiplier, 1, 2 or 4, as a shift.
  let shift: __m512i
  /// storedSum * sumFactor of the first row, for tiles whose rows have one factor: a product is slow.
  let correction: __m512i
  /// weightScale * scale of the first row, for those that have one scale.
  let scale: __m512

  @inline(__always)
  init(
    _ level: UnsafePointer<snq_matmul_args>, _ first: Int, _ row: UnsafePointer<MatmulRow>? = nil
  ) {
    storedSum = _mm512_loadu_si512(level.pointee.storedSum + first)
    weightScale = _mm512_loadu_ps(level.pointee.weightScale + first)
    let product = level.pointee.weightMultiplier &* level.pointee.activationMultiplier
    shift = _mm512_set1_epi32(product &>> 1)
    correction = _mm512_mullo_epi32(storedSum, _mm512_set1_epi32(row?.pointee.sumFactor ?? 0))
    scale = _mm512_mul_ps(weightScale, _mm512_set1_ps(row?.pointee.scale ?? 0))
  }

  /// I of 16 outputs from sum(t * q). `kind` is a literal.
  @inline(__always)
  func dot(_ sum: __m512i, _ row: UnsafePointer<MatmulRow>, _ kind: DotKind) -> __m512i {
    if kind == .fixedPlain { return _mm512_sub_epi32(sum, correction) }
    if kind == .uniform || kind == .fixed {
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
    if kind == .fixed || kind == .fixedPlain {
      return _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot(sum, row, kind)), scale, y)
    }
    return _mm512_fmadd_ps(
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
  /// And one scale, as fixed activations have.
  case fixed
  /// Both: symmetric weights and affine activations of fixed scale and zero.
  case fixedPlain
  case any
}

/// Whether the shift and the row's term are 0.
@inline(__always)
func isPlain(_ level: UnsafePointer<snq_matmul_args>) -> Bool {
  level.pointee.weightMultiplier &* level.pointee.activationMultiplier == 1
    && level.pointee.weightConstant == 0
}
