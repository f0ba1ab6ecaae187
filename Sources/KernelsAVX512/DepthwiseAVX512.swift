import CKernelABI
import CSIMD

/// Four taps of 64 channels as `vpdpbusd` wants them: vector b holds, in 16 bytes l, the taps of channels
/// 16l + 4b ... 16l + 4b + 3, four bytes a channel.
private struct FourTaps {
  let blocks: (__m512i, __m512i, __m512i, __m512i)

  @inline(__always)
  init(_ a: __m512i, _ b: __m512i, _ c: __m512i, _ d: __m512i) {
    let (low, high) = (_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b))
    let (nextLow, nextHigh) = (_mm512_unpacklo_epi8(c, d), _mm512_unpackhi_epi8(c, d))
    blocks = (
      _mm512_unpacklo_epi16(low, nextLow), _mm512_unpackhi_epi16(low, nextLow),
      _mm512_unpacklo_epi16(high, nextHigh), _mm512_unpackhi_epi16(high, nextHigh)
    )
  }
}

/// Sums of 64 channels in the order of `FourTaps`.
private struct ChannelSums {
  var first = _mm512_setzero_si512()
  var second = _mm512_setzero_si512()
  var third = _mm512_setzero_si512()
  var fourth = _mm512_setzero_si512()

  @inline(__always)
  mutating func add(_ taps: FourTaps, _ tile: UnsafePointer<Int8>) {
    first = _mm512_dpbusd_epi32(first, taps.blocks.0, _mm512_loadu_si512(tile))
    second = _mm512_dpbusd_epi32(second, taps.blocks.1, _mm512_loadu_si512(tile + 64))
    third = _mm512_dpbusd_epi32(third, taps.blocks.2, _mm512_loadu_si512(tile + 128))
    fourth = _mm512_dpbusd_epi32(fourth, taps.blocks.3, _mm512_loadu_si512(tile + 192))
  }

  /// In the order of the channels, 16 a vector.
  @inline(__always)
  func ordered() -> (__m512i, __m512i, __m512i, __m512i) {
    let (a, b) = (snq_512_even_quarters(first, second), snq_512_odd_quarters(first, second))
    let (c, d) = (snq_512_even_quarters(third, fourth), snq_512_odd_quarters(third, fourth))
    return (
      snq_512_join_even(a, c), snq_512_join_even(b, d), snq_512_join_odd(a, c), snq_512_join_odd(b, d)
    )
  }
}

@inline(__always)
private func finish(
  _ args: UnsafePointer<snq_depthwise_args>, _ sum: __m512i, _ channel: Int,
  _ output: UnsafeMutablePointer<Float>
) {
  let left = Int(args.pointee.channels) &- channel
  guard left > 0, let zeroSums = args.pointee.zeroSums, let weightScale = args.pointee.weightScale else {
    return
  }
  let mask: __mmask16 = left >= 16 ? 0xffff : __mmask16(truncatingIfNeeded: (1 &<< left) &- 1)
  let exact = _mm512_sub_epi32(sum, _mm512_loadu_si512(zeroSums + channel))
  let start = args.pointee.bias.map { _mm512_loadu_ps($0 + channel) } ?? _mm512_setzero_ps()
  let scale = _mm512_mul_ps(_mm512_loadu_ps(weightScale + channel), _mm512_set1_ps(args.pointee.scale))
  _mm512_mask_storeu_ps(output + channel, mask, _mm512_fmadd_ps(_mm512_cvtepi32_ps(exact), scale, start))
}

@inline(never)
private func depthwiseRow(
  _ args: UnsafePointer<snq_depthwise_args>, _ pixel: UnsafePointer<UInt8>,
  _ output: UnsafeMutablePointer<Float>
) {
  guard var tile = args.pointee.tiles, let offsets = args.pointee.tapOffsets else { return }
  let taps = Int(args.pointee.taps)
  let padded = Int(args.pointee.paddedChannels)
  var channel = 0
  while channel < padded {
    let left = padded &- channel
    let mask: __mmask64 = left >= 64 ? ~0 : (1 &<< UInt64(truncatingIfNeeded: left)) &- 1
    let start = pixel + channel
    var sums = ChannelSums()
    var tap = 0
    while tap < taps {
      let a = _mm512_maskz_loadu_epi8(mask, start + Int(offsets[tap]))
      let b = tap &+ 1 < taps ? _mm512_maskz_loadu_epi8(mask, start + Int(offsets[tap &+ 1])) : a
      let c = tap &+ 2 < taps ? _mm512_maskz_loadu_epi8(mask, start + Int(offsets[tap &+ 2])) : a
      let d = tap &+ 3 < taps ? _mm512_maskz_loadu_epi8(mask, start + Int(offsets[tap &+ 3])) : a
      // Taps that are not there have weight 0.
      sums.add(FourTaps(a, b, c, d), tile)
      tile += 256
      tap &+= 4
    }
    let ordered = sums.ordered()
    finish(args, ordered.0, channel, output)
    finish(args, ordered.1, channel &+ 16, output)
    finish(args, ordered.2, channel &+ 32, output)
    finish(args, ordered.3, channel &+ 48, output)
    channel &+= 64
  }
}

@c @implementation
func snq_depthwise__avx512(
  _ args: UnsafePointer<snq_depthwise_args>?, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  guard let args, let codes = args.pointee.codes, let output = args.pointee.output else { return }
  var row = Int(rowBegin)
  while row < Int(rowEnd) {
    depthwiseRow(args, codes + row &* args.pointee.rowStep, output + row &* args.pointee.outputStride)
    row &+= 1
  }
}
