import CKernelABI
import CSIMD

/// The planes of a level from one panel on.
struct PlaneSource {
  let start: UnsafePointer<UInt8>
  let planeStride: Int
  let bits: Int

  @inline(__always)
  init(_ level: UnsafePointer<snq_matmul_args>, _ start: UnsafePointer<UInt8>) {
    self.start = start
    planeStride = Int(level.pointee.planeStride)
    bits = Int(level.pointee.weightBits)
  }

  /// Rebuilds the bytes of 4 channels of the tile: every byte of a lane gets the lane's byte `group` % 4, and
  /// each tests the bit of its own channel there.
  @inline(__always)
  func rebuilt(_ tile: UnsafePointer<UInt8>, _ group: Int) -> OutputVectors {
    let laneStarts = _mm256_setr_epi32(
      0, 0x0404_0404, 0x0808_0808, 0x0c0c_0c0c, 0, 0x0404_0404, 0x0808_0808, 0x0c0c_0c0c)
    let pick = _mm256_add_epi8(laneStarts, _mm256_set1_epi8(Int8(truncatingIfNeeded: group & 3)))
    let test = group < 4 ? _mm256_set1_epi32(0x0804_0201) : _mm256_set1_epi32(Int32(bitPattern: 0x8040_2010))
    var value = _mm256_set1_epi8(1 &<< Int8(truncatingIfNeeded: bits &- 1))
    var plane = tile
    var weights = OutputVectors()
    for _ in 0..<bits {
      let taken = OutputVectors.loaded(plane)
      weights.low = snq_or_bits_256(weights.low, taken.low, pick, test, value)
      weights.high = snq_or_bits_256(weights.high, taken.high, pick, test, value)
      value = _mm256_srli_epi16(value, 1)
      plane += planeStride
    }
    return weights
  }
}

/// Planes of a block of channels as signed bytes, t - 2^(bits - 1).
@inline(never)
func unpackPlanes(
  _ planes: PlaneSource, _ channel: Int, _ channels: Int, _ target: UnsafeMutablePointer<UInt8>
) {
  let center = _mm256_set1_epi8(1 &<< Int8(truncatingIfNeeded: planes.bits &- 1))
  var (tile, place, rest) = (planes.start + channel &* 2, target, channels)
  while rest > 0 {
    var group = 0
    while group < 8 {
      let weights = planes.rebuilt(tile, group).centered(center)
      snq_store_256(place, weights.low)
      snq_store_256(place + 32, weights.high)
      place += 64
      group &+= 1
    }
    tile += 64
    rest &-= 32
  }
}
