import CKernelABI
import CSIMD

extension PanelVectors {
  /// Adds, to each output, how many of 32 channels have their bit set in both planes.
  @inline(__always)
  mutating func count(_ bits: UnsafePointer<UInt8>, _ weights: PanelVectors, _ panels: Int) {
    let word = snq_broadcast4_512(bits)
    first = _mm512_add_epi32(first, _mm512_popcnt_epi32(_mm512_and_si512(word, weights.first)))
    if panels > 1 {
      second = _mm512_add_epi32(second, _mm512_popcnt_epi32(_mm512_and_si512(word, weights.second)))
    }
    if panels > 2 {
      third = _mm512_add_epi32(third, _mm512_popcnt_epi32(_mm512_and_si512(word, weights.third)))
      fourth = _mm512_add_epi32(fourth, _mm512_popcnt_epi32(_mm512_and_si512(word, weights.fourth)))
    }
  }
}

extension MatmulTile {
  @inline(__always)
  private mutating func count(_ weights: PanelVectors, _ bits: UnsafePointer<UInt8>, _ stride: Int) {
    row0.count(bits, weights, panels)
    if rows > 1 { row1.count(bits + stride, weights, panels) }
    if rows > 2 { row2.count(bits + 2 &* stride, weights, panels) }
    if rows > 3 { row3.count(bits + 3 &* stride, weights, panels) }
    if rows > 4 {
      row4.count(bits + 4 &* stride, weights, panels)
      row5.count(bits + 5 &* stride, weights, panels)
    }
  }

  /// One pair of planes over all channels.
  @inline(__always)
  mutating func countPlanes(
    _ weights: UnsafePointer<UInt8>, _ panelStride: Int, _ bits: UnsafePointer<UInt8>, _ bitStride: Int,
    _ channels: Int
  ) {
    var byte = 0
    let bytes = channels &>> 3
    while byte < bytes {
      count(.loaded(weights + byte &* 16, panelStride, panels), bits + byte, bitStride)
      byte &+= 4
    }
  }
}

/// sum(t * q) = sum over pairs of planes of 2^(i + j) * popcount(t_i & q_j), from the most significant i + j
/// to the least, doubling in between: the loop over the channels is the same for any number of bits.
@inline(__always)
func sumBitSerial(
  _ rows: Int, _ panels: Int, _ weights: PlaneSource, _ source: TileSource, _ activationBits: Int,
  _ sums: UnsafeMutablePointer<__m512i>
) {
  let top = weights.bits &+ activationBits &- 2
  if top == 0 {
    var tile = MatmulTile(rows, panels)
    tile.countPlanes(
      weights.start, weights.panelStride, source.codes, source.codeStride, source.channels)
    return tile.store(sums, panels)
  }
  var significance = top
  while significance >= 0 {
    var doubles = true
    var activationPlane = max(0, significance &- weights.bits &+ 1)
    while activationPlane < activationBits, activationPlane <= significance {
      // Planes of weights lie with the most significant first.
      let weightPlane = weights.bits &- 1 &- significance &+ activationPlane
      var tile = MatmulTile(rows, panels)
      if significance < top { tile.load(sums, panels, doubling: doubles) }
      tile.countPlanes(
        weights.start + weightPlane &* weights.planeStride, weights.panelStride,
        source.codes + activationPlane &* (source.channels &>> 3), source.codeStride, source.channels)
      tile.store(sums, panels)
      doubles = false
      activationPlane &+= 1
    }
    significance &-= 1
  }
}
