import CKernelABI
import CSIMD

/// The planes of a level from one panel on.
struct PlaneSource {
  let start: UnsafePointer<UInt8>
  let panelStride: Int
  let planeStride: Int
  let bits: Int

  @inline(__always)
  init(_ level: UnsafePointer<snq_matmul_args>, _ start: UnsafePointer<UInt8>) {
    self.start = start
    panelStride = Int(level.pointee.panelStride)
    planeStride = Int(level.pointee.planeStride)
    bits = Int(level.pointee.weightBits)
  }
}

extension PanelVectors {
  /// Takes one plane into weights of 4 channels: `vpmultishiftqb` moves every channel's bit of the lane to its
  /// place in its byte (`control` says from where), the mask keeps that bit alone.
  @inline(__always)
  mutating func take(
    _ tile: UnsafePointer<UInt8>, _ panelStride: Int, _ control: __m512i, _ mask: __m512i, _ panels: Int
  ) {
    let bits = PanelVectors.loaded(tile, panelStride, panels)
    first = snq_or_and_512(first, _mm512_multishift_epi64_epi8(control, bits.first), mask)
    if panels > 1 {
      second = snq_or_and_512(second, _mm512_multishift_epi64_epi8(control, bits.second), mask)
    }
    if panels > 2 {
      third = snq_or_and_512(third, _mm512_multishift_epi64_epi8(control, bits.third), mask)
      fourth = snq_or_and_512(fourth, _mm512_multishift_epi64_epi8(control, bits.fourth), mask)
    }
  }
}

extension MatmulTile {
  /// Rebuilds bytes from the planes, 4 channels at a time, once for all rows of the tile.
  @inline(__always)
  mutating func addPlanes(
    _ planes: PlaneSource, _ codes: UnsafePointer<UInt8>, _ codeStride: Int, _ channels: Int
  ) {
    let one = _mm512_set1_epi8(1)
    let topShift = Int8(truncatingIfNeeded: planes.bits &- 1)
    let topMask = _mm512_set1_epi8(1 &<< topShift)
    // Byte c of lane o starts at bit 32 * o + c of its quadword, less the place the bit must reach.
    let topControl = _mm512_sub_epi8(
      _mm512_set1_epi64(0x2322_2120_0302_0100), _mm512_set1_epi8(topShift))
    var channel = 0
    while channel < channels {
      let tile = planes.start + channel &* 2
      for group in 0..<8 {
        // Channels 4 * group...: byte group % 4, its low nibble for the first 16 channels, then its high one.
        let place = group < 4 ? group &* 8 : group &* 8 &- 28
        var control = _mm512_add_epi8(topControl, _mm512_set1_epi8(Int8(truncatingIfNeeded: place)))
        var mask = topMask
        var plane = tile
        var weights = PanelVectors()
        for _ in 0..<planes.bits {
          weights.take(plane, planes.panelStride, control, mask, panels)
          plane += planes.planeStride
          control = _mm512_add_epi8(control, one)
          mask = _mm512_srli_epi16(mask, 1)
        }
        add(weights, codes + (channel &+ group &* 4), codeStride)
      }
      channel &+= 32
    }
  }
}
