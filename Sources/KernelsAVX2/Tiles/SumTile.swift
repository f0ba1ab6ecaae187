import CSIMD

/// 32-bit sums of up to 6 rows x 1 panel: 12 of the 16 registers; two hold weights, one codes, one products.
struct SumTile {
  let rows: Int
  var row0 = OutputVectors()
  var row1 = OutputVectors()
  var row2 = OutputVectors()
  var row3 = OutputVectors()
  var row4 = OutputVectors()
  var row5 = OutputVectors()

  /// From zero.
  @inline(__always)
  init(_ rows: Int) { self.rows = rows }

  /// * rows: 1, 2, 4 or 6, a literal.
  /// * sums: [row][half].
  @inline(__always)
  init(_ rows: Int, _ sums: UnsafePointer<__m256i>) {
    self.rows = rows
    row0 = .loaded(sums)
    if rows > 1 { row1 = .loaded(sums + 2) }
    if rows > 2 {
      row2 = .loaded(sums + 4)
      row3 = .loaded(sums + 6)
    }
    if rows > 4 {
      row4 = .loaded(sums + 8)
      row5 = .loaded(sums + 10)
    }
  }

  /// Adds the products of 4 bytes of codes with the weights, by the instructions of the caller; `codes` are those of
  /// row 0.
  @inline(__always)
  mutating func add(
    _ weights: OutputVectors, _ codes: UnsafePointer<UInt8>, _ stride: Int,
    _ addProducts: (inout OutputVectors, __m256i, OutputVectors) -> Void
  ) {
    let later = codes + 3 &* stride
    addProducts(&row0, snq_broadcast4_256(codes), weights)
    if rows > 1 { addProducts(&row1, snq_broadcast4_256(codes + stride), weights) }
    if rows > 2 {
      addProducts(&row2, snq_broadcast4_256(codes + 2 &* stride), weights)
      addProducts(&row3, snq_broadcast4_256(later), weights)
    }
    if rows > 4 {
      addProducts(&row4, snq_broadcast4_256(later + stride), weights)
      addProducts(&row5, snq_broadcast4_256(later + 2 &* stride), weights)
    }
  }

  @inline(__always)
  func store(_ sums: UnsafeMutablePointer<__m256i>) {
    row0.store(sums)
    if rows > 1 { row1.store(sums + 2) }
    if rows > 2 {
      row2.store(sums + 4)
      row3.store(sums + 6)
    }
    if rows > 4 {
      row4.store(sums + 8)
      row5.store(sums + 10)
    }
  }
}
