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

  /// Without the first rows.
  @inline(__always)
  func behind(_ rows: Int) -> GroupSums { GroupSums(first: first + rows &* stride, stride: stride) }
}

/// y or z of the rows and panels of a tile.
protocol GroupFloats {
  associatedtype Dots
  /// Zeros.
  init()
  init(_ memory: UnsafePointer<__m512>)
  func store(_ memory: UnsafeMutablePointer<__m512>)
  /// z = fma(float(I), s, z).
  mutating func add(_ dots: Dots, _ scales: FloatPair)
  /// z = fma(Q, d, z).
  mutating func add(_ sums: GroupSums, offsets: FloatPair)
  /// y = fma(z, scale of the row, y) with the z of this group alone.
  mutating func add(_ dots: Dots, _ scales: FloatPair, _ rowScales: UnsafePointer<Float>, _ stride: Int)
  mutating func add(
    _ dots: Dots, _ scales: FloatPair, _ sums: GroupSums, _ offsets: FloatPair,
    _ rowScales: UnsafePointer<Float>, _ stride: Int)
}

/// Of one row.
struct RowFloats: GroupFloats {
  var pair = FloatPair()

  @inline(__always) init() {}
  @inline(__always) init(_ memory: UnsafePointer<__m512>) { pair = .loaded(memory) }
  @inline(__always) func store(_ memory: UnsafeMutablePointer<__m512>) { pair.store(memory) }

  @inline(__always)
  mutating func add(_ dots: RowDots, _ scales: FloatPair) { pair.add(dots.pair, scales) }

  @inline(__always)
  mutating func add(_ sums: GroupSums, offsets: FloatPair) { pair.add(sums.first.pointee, offsets: offsets) }

  @inline(__always)
  mutating func add(_ dots: RowDots, _ scales: FloatPair, _ rowScales: UnsafePointer<Float>, _ stride: Int) {
    pair.add(dots.pair, scales, rowScales.pointee)
  }

  @inline(__always)
  mutating func add(
    _ dots: RowDots, _ scales: FloatPair, _ sums: GroupSums, _ offsets: FloatPair,
    _ rowScales: UnsafePointer<Float>, _ stride: Int
  ) {
    pair.add(dots.pair, scales, sums.first.pointee, offsets, rowScales.pointee)
  }
}

/// Of the rows of one, and behind them those of another.
struct JoinedFloats<Upper: GroupFloats, Lower: GroupFloats>: GroupFloats
where Upper.Dots: GroupDots, Lower.Dots: GroupDots {
  typealias Dots = JoinedDots<Upper.Dots, Lower.Dots>
  var upper: Upper
  var lower: Lower

  @inline(__always)
  init() {
    upper = Upper()
    lower = Lower()
  }

  @inline(__always)
  init(_ memory: UnsafePointer<__m512>) {
    upper = Upper(memory)
    lower = Lower(memory + 2 &* Upper.Dots.rows)
  }

  @inline(__always)
  func store(_ memory: UnsafeMutablePointer<__m512>) {
    upper.store(memory)
    lower.store(memory + 2 &* Upper.Dots.rows)
  }

  @inline(__always)
  mutating func add(_ dots: Dots, _ scales: FloatPair) {
    upper.add(dots.upper, scales)
    lower.add(dots.lower, scales)
  }

  @inline(__always)
  mutating func add(_ sums: GroupSums, offsets: FloatPair) {
    upper.add(sums, offsets: offsets)
    lower.add(sums.behind(Upper.Dots.rows), offsets: offsets)
  }

  @inline(__always)
  mutating func add(_ dots: Dots, _ scales: FloatPair, _ rowScales: UnsafePointer<Float>, _ stride: Int) {
    upper.add(dots.upper, scales, rowScales, stride)
    lower.add(dots.lower, scales, rowScales + Upper.Dots.rows &* stride, stride)
  }

  @inline(__always)
  mutating func add(
    _ dots: Dots, _ scales: FloatPair, _ sums: GroupSums, _ offsets: FloatPair,
    _ rowScales: UnsafePointer<Float>, _ stride: Int
  ) {
    upper.add(dots.upper, scales, sums, offsets, rowScales, stride)
    let rows = Upper.Dots.rows
    lower.add(dots.lower, scales, sums.behind(rows), offsets, rowScales + rows &* stride, stride)
  }
}
