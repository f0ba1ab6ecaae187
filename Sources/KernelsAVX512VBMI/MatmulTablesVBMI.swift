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
  fileprivate mutating func look(
    _ indices: TableIndices, _ tables: UnsafePointer<UInt8>, _ stride: Int, _ weight: __m512i
  ) {
    row0.look(tables, indices, weight, panels)
    if rows > 1 { row1.look(tables + stride, indices, weight, panels) }
    if rows > 2 { row2.look(tables + 2 &* stride, indices, weight, panels) }
    if rows > 3 { row3.look(tables + 3 &* stride, indices, weight, panels) }
    if rows > 4 {
      row4.look(tables + 4 &* stride, indices, weight, panels)
      row5.look(tables + 5 &* stride, indices, weight, panels)
    }
  }

  /// Some channels of one plane, 32 at a time: the four bits of a nibble select one of the 16 sums of 4 codes.
  /// `halves` (1 or 2, a literal): tables of whole codes, or of their lower and upper 4 bits.
  @inline(__always)
  fileprivate mutating func addPlane(_ pass: UnsafePointer<TablePass>, halves: Int) {
    let upperWeight = _mm512_slli_epi32(pass.pointee.weight, 4)
    let weight = pass.pointee.weight
    let (panelStride, tableStride, end) = (
      pass.pointee.panelStride, pass.pointee.tableStride, pass.pointee.end
    )
    var (plane, tables) = (pass.pointee.plane, pass.pointee.tables)
    var segment = 0
    repeat {
      var channel = pass.pointee.begin
      while channel < end {
        let indices = TableIndices(plane + channel &* 2, panelStride, panels)
        let table = tables + channel &* (4 &* halves)
        look(indices, table, tableStride, weight)
        if halves > 1 { look(indices, table + 128, tableStride, upperWeight) }
        channel &+= 32
      }
      plane += pass.pointee.planeStep
      tables += pass.pointee.tableStep
      segment &+= 1
    } while segment < pass.pointee.segments
  }
}

/// One walk over channels `begin` ..< `end` of one plane of a tile, whose products count `weight` each.
struct TablePass {
  var plane: UnsafePointer<UInt8>
  var panelStride: Int
  var tables: UnsafePointer<UInt8>
  var tableStride: Int
  var begin: Int
  var end: Int
  /// How often, and how far plane and tables move each time.
  var segments = 1
  var planeStep = 0
  var tableStep = 0
  var weight: __m512i
  /// Where the sums of the tile go, [row][panel], rows `stride` vectors apart; added to unless this is the first
  /// pass.
  var sums: UnsafeMutablePointer<__m512i>
  var stride: Int
  var isFirst: Bool

  /// `rows`, `panels` and `halves` are literals.
  @inline(__always)
  static func run(_ pass: UnsafePointer<TablePass>, _ rows: Int, _ panels: Int, halves: Int) {
    var tile = MatmulTile(rows, panels)
    if !pass.pointee.isFirst { tile.load(pass.pointee.sums, pass.pointee.stride) }
    tile.addPlane(pass, halves: halves)
    tile.store(pass.pointee.sums, pass.pointee.stride)
  }

  /// One row against 8 panels, which share the loads of its tables: with 4 the loop is a tenth slower.
  @inline(__always)
  static func runRow(_ pass: UnsafePointer<TablePass>, halves: Int) {
    var (left, right) = (MatmulTile(1, 4), MatmulTile(1, 4))
    let sums = pass.pointee.sums
    if !pass.pointee.isFirst {
      left.load(sums, 4)
      right.load(sums + 4, 4)
    }
    let weight = pass.pointee.weight
    let upperWeight = _mm512_slli_epi32(weight, 4)
    let (panelStride, end) = (pass.pointee.panelStride, pass.pointee.end)
    var (plane, tables) = (pass.pointee.plane, pass.pointee.tables)
    var segment = 0
    repeat {
      var channel = pass.pointee.begin
      while channel < end {
        let tile = plane + channel &* 2
        let leftIndices = TableIndices(tile, panelStride, 4)
        let rightIndices = TableIndices(tile + 4 &* panelStride, panelStride, 4)
        let table = tables + channel &* (4 &* halves)
        left.look(leftIndices, table, 0, weight)
        right.look(rightIndices, table, 0, weight)
        if halves > 1 {
          left.look(leftIndices, table + 128, 0, upperWeight)
          right.look(rightIndices, table + 128, 0, upperWeight)
        }
        channel &+= 32
      }
      plane += pass.pointee.planeStep
      tables += pass.pointee.tableStep
      segment &+= 1
    } while segment < pass.pointee.segments
    left.store(sums, 4)
    right.store(sums + 4, 4)
  }
}
