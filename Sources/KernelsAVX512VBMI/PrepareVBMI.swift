import CKernelABI
import CSIMD

/// `count` codes at `channel`, 0 behind them.
@inline(__always)
private func loadCodes(_ source: UnsafePointer<UInt8>, _ channel: Int, _ channels: Int) -> __m512i {
  if channels &- channel >= 64 { return _mm512_loadu_si512(source + channel) }
  return _mm512_maskz_loadu_epi8(0xffff_ffff, source + channel)
}

/// Bits in the order of a lane of planes: nibbles of the upper 16 channels above those of the lower 16.
@inline(never) func packRow(
  _ source: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<UInt8>,
  _ args: UnsafePointer<snq_prepare_args>
) {
  let (channels, bits) = (Int(args.pointee.paddedChannels), Int(args.pointee.activationBits))
  let planeStride = args.pointee.planeStride
  let order = snq_plane_order_512()
  var channel = 0
  while channel < channels {
    let codes = _mm512_permutexvar_epi8(order, loadCodes(source, channel, channels))
    var bit = _mm512_set1_epi8(1)
    var plane = target + channel / 8
    for _ in 0..<bits {
      let packed = _mm512_test_epi8_mask(codes, bit)
      if channels &- channel >= 64 {
        snq_store_u64(plane, packed)
      } else {
        snq_store_u32(plane, UInt32(truncatingIfNeeded: packed))
      }
      plane += planeStride
      bit = _mm512_add_epi8(bit, bit)
    }
    channel &+= 64
  }
}

/// The 4 tables of 16 channels: lane b looks up its 4 codes where the entry's bits are set.
@inline(__always)
private func tables(_ sixteen: __m512i) -> __m512i {
  let even = _mm512_add_epi8(
    _mm512_shuffle_epi8(sixteen, snq_table_pick_512(0)), _mm512_shuffle_epi8(sixteen, snq_table_pick_512(1)))
  let odd = _mm512_add_epi8(
    _mm512_shuffle_epi8(sixteen, snq_table_pick_512(2)), _mm512_shuffle_epi8(sixteen, snq_table_pick_512(3)))
  return _mm512_add_epi8(even, odd)
}

@inline(never) func buildTables(
  _ source: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<UInt8>, _ channels: Int
) {
  var channel = 0
  while channel < channels {
    _mm512_store_si512(target + channel &* 4, tables(snq_broadcast16_512(source + channel)))
    channel &+= 16
  }
}

@inline(never) func buildHalfTables(
  _ source: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<UInt8>, _ channels: Int
) {
  let low = _mm512_set1_epi8(15)
  var channel = 0
  while channel < channels {
    // Both halves of 32 channels: 256 bytes.
    let start = target + channel &* 8
    for half in 0..<2 {
      let codes = snq_broadcast16_512(source + (channel &+ half &* 16))
      _mm512_store_si512(start + half &* 64, tables(_mm512_and_si512(codes, low)))
      _mm512_store_si512(start + 128 + half &* 64, tables(snq_high_nibbles_512(codes)))
    }
    channel &+= 32
  }
}

@c @implementation
func snq_prepare_vbmi__avx512(
  _ args: UnsafePointer<snq_prepare_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  if let args { prepareRows(args, rowBegin, rowEnd) }
}
