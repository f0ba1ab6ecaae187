import CKernelABI
import CSIMD

/// Bits in the order of a lane of planes: nibbles of the upper 16 channels above those of the lower 16.
@inline(never)
func packRow(
  _ source: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<UInt8>,
  _ args: UnsafePointer<snq_prepare_args>
) {
  let (channels, bits) = (Int(args.pointee.paddedChannels), Int(args.pointee.activationBits))
  let stride = args.pointee.planeStride
  var channel = 0
  while channel < channels {
    let (low, high) = (snq_load_u8(source + channel), snq_load_u8(source + channel + 16))
    let plane = target + channel / 8
    storePlanes(snq_join_low_nibbles(low, high), plane, stride, min(4, bits))
    if bits > 4 {
      storePlanes(snq_join_high_nibbles(low, high), plane + 4 &* stride, stride, bits &- 4)
    }
    channel &+= 32
  }
}

/// Up to four planes of 32 channels, from four bits each of two channels in a byte.
@inline(__always)
private func storePlanes(
  _ nibbles: uint8x16_t, _ target: UnsafeMutablePointer<UInt8>, _ stride: Int, _ count: Int
) {
  let (first, second) = (plane(0, nibbles), plane(1, nibbles))
  let (third, fourth) = (plane(2, nibbles), plane(3, nibbles))
  let words = vpaddq_u8(vpaddq_u8(first, second), vpaddq_u8(third, fourth))
  snq_store_u32_lane0(target, words)
  if count > 1 { snq_store_u32_lane1(target + stride, words) }
  if count > 2 { snq_store_u32_lane2(target + 2 &* stride, words) }
  if count > 3 { snq_store_u32_lane3(target + 3 &* stride, words) }
}

/// Bit `bit` of both nibbles, at the place of the byte's channel among four: bytes whose sums are those of a plane.
@inline(__always)
private func plane(_ bit: Int8, _ nibbles: uint8x16_t) -> uint8x16_t {
  let places = vreinterpretq_s8_u32(vdupq_n_u32(0x0302_0100))
  let kept = vreinterpretq_u8_u32(vdupq_n_u32(0x8844_2211))
  return vandq_u8(vshlq_u8(nibbles, vsubq_s8(places, vdupq_n_s8(bit))), kept)
}

/// Four tables of 16 channels: the sums of the first two codes where the entry's lower bits are set, and of the last two.
@inline(__always)
private func storeTables(_ codes: uint8x16_t, _ target: UnsafeMutablePointer<UInt8>) {
  let sums = snq_subset_sums(codes)
  let lower = vreinterpretq_u8_u32(vdupq_n_u32(0x0302_0100))
  let upper = vreinterpretq_u8_u32(uint32x4_t(0x0404_0404, 0x0505_0505, 0x0606_0606, 0x0707_0707))
  @inline(__always) func table(_ pairs: uint8x16_t, _ first: UInt8) -> uint8x16_t {
    let begin = vdupq_n_u8(first)
    return vaddq_u8(
      vqtbl1q_u8(pairs, vaddq_u8(lower, begin)), vqtbl1q_u8(pairs, vaddq_u8(upper, begin)))
  }
  snq_store_u8(target, table(sums.val.0, 0))
  snq_store_u8(target + 16, table(sums.val.0, 8))
  snq_store_u8(target + 32, table(sums.val.1, 0))
  snq_store_u8(target + 48, table(sums.val.1, 8))
}

@inline(never)
func buildTables(
  _ source: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<UInt8>, _ channels: Int
) {
  var channel = 0
  while channel < channels {
    storeTables(snq_load_u8(source + channel), target + channel &* 4)
    channel &+= 16
  }
}

@inline(never)
func buildHalfTables(
  _ source: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<UInt8>, _ channels: Int
) {
  var channel = 0
  while channel < channels {
    // Both halves of 32 channels: 256 bytes.
    for half in 0..<2 {
      let codes = snq_load_u8(source + (channel &+ half &* 16))
      let start = target + (channel &* 8 &+ half &* 64)
      storeTables(vandq_u8(codes, vdupq_n_u8(15)), start)
      storeTables(snq_upper_nibbles(codes), start + 128)
    }
    channel &+= 32
  }
}
