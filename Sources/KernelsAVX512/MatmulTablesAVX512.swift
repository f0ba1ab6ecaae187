import CKernelABI
import CSIMD

/// Where each byte of one plane of 2 or 4 panels looks up its sum: the lower nibbles, of 16 channels, and the upper
/// ones, of the next 16.
private struct TableIndices {
  let low: PanelVectors
  let high: PanelVectors

  @inline(__always)
  init(_ tile: UnsafePointer<UInt8>, _ panelStride: Int, _ panels: Int) {
    let bits = PanelVectors.loaded(tile, panelStride, panels)
    low = PanelVectors(
      first: snq_low_indices_512(bits.first), second: snq_low_indices_512(bits.second),
      third: snq_low_indices_512(bits.third), fourth: snq_low_indices_512(bits.fourth))
    high = PanelVectors(
      first: snq_high_indices_512(bits.first), second: snq_high_indices_512(bits.second),
      third: snq_high_indices_512(bits.third), fourth: snq_high_indices_512(bits.fourth))
  }
}

/// The sums of 8 channels a lane, weighed by the plane.
@inline(__always)
private func added(
  _ sum: __m512i, _ low: __m512i, _ high: __m512i, _ tables: (__m512i, __m512i), _ weight: __m512i
) -> __m512i {
  let looked = _mm512_add_epi8(
    _mm512_permutexvar_epi8(low, tables.0), _mm512_permutexvar_epi8(high, tables.1))
  return _mm512_dpbusd_epi32(sum, looked, weight)
}

extension PanelVectors {
  @inline(__always)
  fileprivate mutating func look(
    _ tables: UnsafePointer<UInt8>, _ indices: TableIndices, _ weight: __m512i, _ panels: Int
  ) {
    let pair = (_mm512_load_si512(tables), _mm512_load_si512(tables + 64))
    first = added(first, indices.low.first, indices.high.first, pair, weight)
    if panels > 1 { second = added(second, indices.low.second, indices.high.second, pair, weight) }
    if panels > 2 {
      third = added(third, indices.low.third, indices.high.third, pair, weight)
      fourth = added(fourth, indices.low.fourth, indices.high.fourth, pair, weight)
    }
  }
}

extension MatmulTile {
  @inline(__always)
  private mutating func look(
    _ indices: TableIndices, _ tables: UnsafePointer<UInt8>, _ stride: Int, _ weight: __m512i
  ) {
    row0.look(tables, indices, weight, panels)
    if rows > 1 { row1.look(tables + stride, indices, weight, panels) }
    if rows > 2 {
      row2.look(tables + 2 &* stride, indices, weight, panels)
      row3.look(tables + 3 &* stride, indices, weight, panels)
    }
    if rows > 4 {
      row4.look(tables + 4 &* stride, indices, weight, panels)
      row5.look(tables + 5 &* stride, indices, weight, panels)
    }
  }

  /// Channels `begin` ..< `end` of one plane, 32 at a time: the four bits of a nibble select one of the 16 sums of
  /// 4 codes. `halves` (1 or 2, a literal): tables of whole codes, or of their lower and upper 4 bits.
  @inline(__always)
  mutating func addPlane(
    _ plane: UnsafePointer<UInt8>, _ panelStride: Int, _ source: TileSource, _ begin: Int, _ end: Int,
    weight: __m512i, halves: Int
  ) {
    let upperWeight = _mm512_slli_epi32(weight, 4)
    var channel = begin
    while channel < end {
      let indices = TableIndices(plane + channel &* 2, panelStride, panels)
      let table = source.codes + channel &* (4 &* halves)
      look(indices, table, source.codeStride, weight)
      if halves > 1 { look(indices, table + 128, source.codeStride, upperWeight) }
      channel &+= 32
    }
  }
}

/// Adds sum(t * q) of some channels of `panels` panels from `firstPanel` on to `sums`; the first channels start
/// them.
@inline(__always)
func sumPlanesByTables(
  _ rows: Int, _ panels: Int, _ weights: PlaneSource, _ source: TileSource, _ begin: Int, _ end: Int,
  _ firstPanel: Int, _ sums: UnsafeMutablePointer<__m512i>, _ stride: Int, halves: Int
) {
  var plane = weights.start + firstPanel &* weights.panelStride
  for index in 0..<weights.bits {
    var tile = MatmulTile(rows, panels)
    if begin > 0 || index > 0 { tile.load(sums, stride) }
    let weight = _mm512_set1_epi8(Int8(truncatingIfNeeded: 1 &<< (weights.bits &- 1 &- index)))
    tile.addPlane(plane, weights.panelStride, source, begin, end, weight: weight, halves: halves)
    tile.store(sums, stride)
    plane += weights.planeStride
  }
}
