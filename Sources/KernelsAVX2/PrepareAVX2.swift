import CKernelABI
import CSIMD

/// Bits in the order of a lane of planes: nibbles of the upper 16 channels above those of the lower 16.
@inline(never)
func packRow(
  _ source: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<UInt8>,
  _ args: UnsafePointer<snq_prepare_args>
) {
  let (channels, bits) = (Int(args.pointee.paddedChannels), Int(args.pointee.activationBits))
  let planeStride = args.pointee.planeStride
  var channel = 0
  while channel < channels {
    // The bit of the plane goes to the top of its byte, from where it is taken.
    var codes = _mm256_slli_epi16(
      snq_plane_order_256(snq_load_256(source + channel)), 8 &- Int32(truncatingIfNeeded: bits))
    var plane = target + (channel / 8 &+ (bits &- 1) &* planeStride)
    for _ in 0..<bits {
      snq_store_u32(plane, UInt32(bitPattern: _mm256_movemask_epi8(codes)))
      codes = _mm256_add_epi8(codes, codes)
      plane -= planeStride
    }
    channel &+= 32
  }
}

/// Two of the 4 tables of 16 channels: lane b looks up its 4 codes where the entry's bits are set.
@inline(__always)
private func tables(_ sixteen: __m256i, _ pair: Int32) -> __m256i {
  let even = _mm256_add_epi8(
    _mm256_shuffle_epi8(sixteen, snq_table_pick_256(0, pair)),
    _mm256_shuffle_epi8(sixteen, snq_table_pick_256(1, pair)))
  let odd = _mm256_add_epi8(
    _mm256_shuffle_epi8(sixteen, snq_table_pick_256(2, pair)),
    _mm256_shuffle_epi8(sixteen, snq_table_pick_256(3, pair)))
  return _mm256_add_epi8(even, odd)
}

@inline(__always)
private func storeTables(_ sixteen: __m256i, _ target: UnsafeMutablePointer<UInt8>) {
  snq_store_256(target, tables(sixteen, 0))
  snq_store_256(target + 32, tables(sixteen, 2))
}

@inline(never)
func buildTables(
  _ source: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<UInt8>, _ channels: Int
) {
  var channel = 0
  while channel < channels {
    storeTables(snq_broadcast16_256(source + channel), target + channel &* 4)
    channel &+= 16
  }
}

@inline(never)
func buildHalfTables(
  _ source: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<UInt8>, _ channels: Int
) {
  let low = _mm256_set1_epi8(15)
  var channel = 0
  while channel < channels {
    // Both halves of 32 channels: 256 bytes.
    for half in 0..<2 {
      let codes = snq_broadcast16_256(source + (channel &+ half &* 16))
      let start = target + (channel &* 8 &+ half &* 64)
      storeTables(_mm256_and_si256(codes, low), start)
      storeTables(snq_high_nibbles_256(codes), start + 128)
    }
    channel &+= 32
  }
}
