import CKernelABI
import CSIMD

/// Floats for each of two panels: scales, y or z.
struct FloatPair {
  var first = _mm512_setzero_ps()
  var second = _mm512_setzero_ps()

  @inline(__always)
  static func loaded(_ memory: UnsafePointer<__m512>) -> FloatPair {
    FloatPair(first: _mm512_load_ps(memory), second: _mm512_load_ps(memory + 1))
  }

  @inline(__always)
  func store(_ memory: UnsafeMutablePointer<__m512>) {
    _mm512_store_ps(memory, first)
    _mm512_store_ps(memory + 1, second)
  }

  /// z = fma(float(I), s, z).
  @inline(__always)
  mutating func add(_ dots: PanelPair, _ scales: FloatPair) {
    first = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots.first), scales.first, first)
    second = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots.second), scales.second, second)
  }

  /// z = fma(Q, d, z).
  @inline(__always)
  mutating func add(_ sum: Float, offsets: FloatPair) {
    let sum = _mm512_set1_ps(sum)
    first = _mm512_fmadd_ps(sum, offsets.first, first)
    second = _mm512_fmadd_ps(sum, offsets.second, second)
  }

  /// y = fma(z, scale of the row, y).
  @inline(__always)
  mutating func add(_ parts: FloatPair, _ rowScale: Float) {
    let scale = _mm512_set1_ps(rowScale)
    first = _mm512_fmadd_ps(parts.first, scale, first)
    second = _mm512_fmadd_ps(parts.second, scale, second)
  }

  /// The same with the z of this group alone.
  @inline(__always)
  mutating func add(_ dots: PanelPair, _ scales: FloatPair, _ rowScale: Float) {
    var parts = FloatPair()
    parts.add(dots, scales)
    add(parts, rowScale)
  }

  @inline(__always)
  mutating func add(
    _ dots: PanelPair, _ scales: FloatPair, _ sum: Float, _ offsets: FloatPair, _ rowScale: Float
  ) {
    var parts = FloatPair()
    parts.add(dots, scales)
    parts.add(sum, offsets: offsets)
    add(parts, rowScale)
  }
}

/// Q of some rows as floats.
struct GroupSums {
  let first: UnsafePointer<Float>
  let stride: Int

  /// From the fourth row on.
  @inline(__always) var lower: GroupSums { GroupSums(first: first + 3 &* stride, stride: stride) }
}

/// y or z of three rows.
struct RowFloats {
  var row0 = FloatPair()
  var row1 = FloatPair()
  var row2 = FloatPair()

  @inline(__always)
  static func loaded(_ memory: UnsafePointer<__m512>) -> RowFloats {
    RowFloats(row0: .loaded(memory), row1: .loaded(memory + 2), row2: .loaded(memory + 4))
  }

  @inline(__always)
  func store(_ memory: UnsafeMutablePointer<__m512>) {
    row0.store(memory)
    row1.store(memory + 2)
    row2.store(memory + 4)
  }

  @inline(__always)
  mutating func add(_ dots: RowDots, _ scales: FloatPair) {
    row0.add(dots.row0, scales)
    row1.add(dots.row1, scales)
    row2.add(dots.row2, scales)
  }

  /// z = fma(Q, d, z).
  @inline(__always)
  mutating func add(_ sums: GroupSums, offsets: FloatPair) {
    row0.add(sums.first[0], offsets: offsets)
    row1.add(sums.first[sums.stride], offsets: offsets)
    row2.add(sums.first[2 &* sums.stride], offsets: offsets)
  }

  @inline(__always)
  mutating func add(
    _ dots: RowDots, _ scales: FloatPair, _ sums: GroupSums, _ offsets: FloatPair,
    _ rowScales: UnsafePointer<Float>, _ stride: Int
  ) {
    row0.add(dots.row0, scales, sums.first[0], offsets, rowScales[0])
    row1.add(dots.row1, scales, sums.first[sums.stride], offsets, rowScales[stride])
    row2.add(dots.row2, scales, sums.first[2 &* sums.stride], offsets, rowScales[2 &* stride])
  }

  @inline(__always)
  mutating func add(_ dots: RowDots, _ scales: FloatPair, _ rowScales: UnsafePointer<Float>, _ stride: Int) {
    row0.add(dots.row0, scales, rowScales[0])
    row1.add(dots.row1, scales, rowScales[stride])
    row2.add(dots.row2, scales, rowScales[2 &* stride])
  }
}

/// y or z of the rows and panels of a tile.
struct GroupFloats {
  let rows: Int
  var upper = RowFloats()
  var lower = RowFloats()

  @inline(__always) init(_ rows: Int) { self.rows = rows }

  @inline(__always)
  mutating func load(_ memory: UnsafePointer<__m512>) {
    upper = .loaded(memory)
    if rows > 3 { lower = .loaded(memory + 6) }
  }

  @inline(__always)
  func store(_ memory: UnsafeMutablePointer<__m512>) {
    upper.store(memory)
    if rows > 3 { lower.store(memory + 6) }
  }

  @inline(__always)
  mutating func add(_ dots: GroupDots, _ scales: FloatPair) {
    upper.add(dots.upper, scales)
    if rows > 3 { lower.add(dots.lower, scales) }
  }

  @inline(__always)
  mutating func add(_ sums: GroupSums, offsets: FloatPair) {
    upper.add(sums, offsets: offsets)
    if rows > 3 { lower.add(sums.lower, offsets: offsets) }
  }

  @inline(__always)
  mutating func add(
    _ dots: GroupDots, _ scales: FloatPair, _ sums: GroupSums, _ offsets: FloatPair,
    _ rowScales: UnsafePointer<Float>, _ stride: Int
  ) {
    upper.add(dots.upper, scales, sums, offsets, rowScales, stride)
    if rows > 3 { lower.add(dots.lower, scales, sums.lower, offsets, rowScales + 3 &* stride, stride) }
  }

  @inline(__always)
  mutating func add(_ dots: GroupDots, _ scales: FloatPair, _ rowScales: UnsafePointer<Float>, _ stride: Int)
  {
    upper.add(dots.upper, scales, rowScales, stride)
    if rows > 3 { lower.add(dots.lower, scales, rowScales + 3 &* stride, stride) }
  }
}
