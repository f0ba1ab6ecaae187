import CKernelABI
import CSIMD

/// Adds the sum of 64 bytes, as 8 partial sums.
@inline(__always)
func addedSums(_ sum: __m512i, _ codes: __m512i) -> __m512i {
  _mm512_add_epi64(sum, _mm512_sad_epu8(codes, _mm512_setzero_si512()))
}

/// The lowest `count` (0...64) bits.
@inline(__always)
func lowestBits(_ count: Int) -> UInt64 {
  count >= 64 ? ~0 : (1 &<< UInt64(truncatingIfNeeded: count)) &- 1
}

/// Copies codes and returns their sum.
@inline(__always) func copyCodes(
  _ source: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<UInt8>, _ channels: Int
) -> UInt32 {
  var sum = _mm512_setzero_si512()
  var channel = 0
  while channel &+ 64 <= channels {
    let codes = _mm512_loadu_si512(source + channel)
    _mm512_storeu_si512(target + channel, codes)
    sum = addedSums(sum, codes)
    channel &+= 64
  }
  if channel < channels {
    let mask = lowestBits(channels &- channel)
    let codes = _mm512_maskz_loadu_epi8(mask, source + channel)
    _mm512_mask_storeu_epi8(target + channel, mask, codes)
    sum = addedSums(sum, codes)
  }
  return UInt32(truncatingIfNeeded: _mm512_reduce_add_epi64(sum))
}
