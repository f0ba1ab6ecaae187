import CKernelABI
import CSIMD

/// One register a panel: sums of one row, or a tile of weights of 4 panels.
struct PanelVectors {
  var first = _mm512_setzero_si512()
  var second = _mm512_setzero_si512()
  var third = _mm512_setzero_si512()
  var fourth = _mm512_setzero_si512()

  /// Adds the products of one row's 4 codes.
  @inline(__always)
  mutating func add(_ codes: UnsafePointer<UInt8>, _ weights: PanelVectors, _ panels: Int) {
    let four = snq_broadcast4_512(codes)
    first = _mm512_dpbusd_epi32(first, four, weights.first)
    if panels > 1 { second = _mm512_dpbusd_epi32(second, four, weights.second) }
    if panels > 2 {
      third = _mm512_dpbusd_epi32(third, four, weights.third)
      fourth = _mm512_dpbusd_epi32(fourth, four, weights.fourth)
    }
  }

  /// Asks for the same channels of the next four panels: their weights may still be in L3 or in memory. Only where
  /// a tile has rows enough to pay for it: with one or two the hardware's own prefetching is faster without.
  @inline(__always)
  static func prefetchNext(_ tile: UnsafePointer<UInt8>, _ panelStride: Int) {
    snq_prefetch(tile + 4 &* panelStride)
    snq_prefetch(tile + 5 &* panelStride)
    snq_prefetch(tile + 6 &* panelStride)
    snq_prefetch(tile + 7 &* panelStride)
  }

  @inline(__always)
  static func loaded(
    _ tile: UnsafePointer<UInt8>, _ panelStride: Int, _ panels: Int, prefetches: Bool = false
  ) -> PanelVectors {
    var vectors = PanelVectors()
    vectors.first = _mm512_loadu_si512(tile)
    if panels > 1 { vectors.second = _mm512_loadu_si512(tile + panelStride) }
    if panels > 2 {
      vectors.third = _mm512_loadu_si512(tile + 2 &* panelStride)
      vectors.fourth = _mm512_loadu_si512(tile + 3 &* panelStride)
      if prefetches { prefetchNext(tile, panelStride) }
    }
    return vectors
  }

  @inline(__always)
  mutating func load(_ source: UnsafePointer<__m512i>, _ panels: Int, _ shift: __m128i) {
    first = _mm512_sll_epi32(_mm512_load_si512(source), shift)
    if panels > 1 { second = _mm512_sll_epi32(_mm512_load_si512(source + 1), shift) }
    if panels > 2 {
      third = _mm512_sll_epi32(_mm512_load_si512(source + 2), shift)
      fourth = _mm512_sll_epi32(_mm512_load_si512(source + 3), shift)
    }
  }

  @inline(__always)
  func lowNibbles() -> PanelVectors {
    let mask = _mm512_set1_epi8(0x0f)
    return PanelVectors(
      first: _mm512_and_si512(first, mask), second: _mm512_and_si512(second, mask),
      third: _mm512_and_si512(third, mask), fourth: _mm512_and_si512(fourth, mask))
  }

  @inline(__always)
  func highNibbles() -> PanelVectors {
    PanelVectors(
      first: snq_high_nibbles_512(first), second: snq_high_nibbles_512(second),
      third: snq_high_nibbles_512(third), fourth: snq_high_nibbles_512(fourth))
  }

  @inline(__always)
  func store(_ target: UnsafeMutablePointer<__m512i>, _ panels: Int) {
    _mm512_store_si512(target, first)
    if panels > 1 { _mm512_store_si512(target + 1, second) }
    if panels > 2 {
      _mm512_store_si512(target + 2, third)
      _mm512_store_si512(target + 3, fourth)
    }
  }
}

/// sum(t * q) of 1, 2, 3, 4 or 6 rows x 1, 2 or 4 panels in registers. 6 x 4 leaves 8 of the 32 registers for
/// weights, codes and constants, and each loaded tile of weights serves 6 rows.
///
/// Named variables, and rows and panels that are literals at every use: the optimiser then keeps all sums
/// in registers, which it does not do for an array of 24, and no generic leaves a weak symbol behind.
struct MatmulTile {
  let rows: Int
  let panels: Int
  var row0 = PanelVectors()
  var row1 = PanelVectors()
  var row2 = PanelVectors()
  var row3 = PanelVectors()
  var row4 = PanelVectors()
  var row5 = PanelVectors()

  @inline(__always)
  init(_ rows: Int, _ panels: Int) {
    self.rows = rows
    self.panels = panels
  }

  /// Adds 4 channels: `weights` against the codes of every row.
  @inline(__always)
  mutating func add(_ weights: PanelVectors, _ codes: UnsafePointer<UInt8>, _ stride: Int) {
    row0.add(codes, weights, panels)
    if rows > 1 { row1.add(codes + stride, weights, panels) }
    if rows > 2 { row2.add(codes + 2 &* stride, weights, panels) }
    if rows > 3 { row3.add(codes + 3 &* stride, weights, panels) }
    if rows > 4 {
      row4.add(codes + 4 &* stride, weights, panels)
      row5.add(codes + 5 &* stride, weights, panels)
    }
  }

  /// Goes on from sums that were stored, or from twice them.
  @inline(__always)
  mutating func load(_ source: UnsafePointer<__m512i>, _ stride: Int, doubling: Bool = false) {
    let shift = _mm_cvtsi32_si128(doubling ? 1 : 0)
    row0.load(source, panels, shift)
    if rows > 1 { row1.load(source + stride, panels, shift) }
    if rows > 2 { row2.load(source + 2 &* stride, panels, shift) }
    if rows > 3 { row3.load(source + 3 &* stride, panels, shift) }
    if rows > 4 {
      row4.load(source + 4 &* stride, panels, shift)
      row5.load(source + 5 &* stride, panels, shift)
    }
  }

  /// The sums as [row][panel], rows `stride` vectors apart.
  @inline(__always)
  func store(_ target: UnsafeMutablePointer<__m512i>, _ stride: Int) {
    row0.store(target, panels)
    if rows > 1 { row1.store(target + stride, panels) }
    if rows > 2 { row2.store(target + 2 &* stride, panels) }
    if rows > 3 { row3.store(target + 3 &* stride, panels) }
    if rows > 4 {
      row4.store(target + 4 &* stride, panels)
      row5.store(target + 5 &* stride, panels)
    }
  }

  @inline(__always)
  mutating func addBytes(_ source: TileSource) {
    var (weights, codes) = (source.weights, source.codes)
    var segment = 0
    repeat {
      var channel = 0
      // A loop that may have no turn at all would make the compiler keep sums in memory between segments.
      repeat {
        let tile = PanelVectors.loaded(
          weights + channel &* 16, source.panelStride, panels, prefetches: rows > 2)
        add(tile, codes + channel, source.codeStride)
        channel &+= 4
      } while channel < source.channels
      weights += source.channels &* 16
      codes += source.segmentStride
      segment &+= 1
    } while segment < source.segments
  }

  @inline(__always)
  mutating func addNibbles(_ source: TileSource) {
    var (weights, codes) = (source.weights, source.codes)
    var segment = 0
    repeat {
      var channel = 0
      repeat {
        let tile = PanelVectors.loaded(
          weights + channel &* 8, source.panelStride, panels, prefetches: rows > 2)
        add(tile.lowNibbles(), codes + channel, source.codeStride)
        add(tile.highNibbles(), codes + channel + 4, source.codeStride)
        channel &+= 8
      } while channel < source.channels
      weights += source.channels &* 8
      codes += source.segmentStride
      segment &+= 1
    } while segment < source.segments
  }
}
