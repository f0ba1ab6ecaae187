import CKernelABI
import CSIMD

/// Four rows at a time, which share what is made of the weights; the rest by the shared body.
@inline(never) func depthwiseByFourRows(
  _ args: UnsafePointer<snq_depthwise_args>, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  var row = rowBegin
  while row &+ 4 <= rowEnd {
    depthwiseFourRows(args, Int(row))
    row &+= 4
  }
  if row < rowEnd { depthwiseRows(args, row, rowEnd) }
}

/// Not private: the compiler would give it a weak symbol.
@inline(never) func depthwiseFourRows(_ pointer: UnsafePointer<snq_depthwise_args>, _ row: Int) {
  let args = pointer.pointee
  guard let codes = args.codes, let offsets = args.tapOffsets, let weights = args.weights,
    let zeroSums = args.zeroSums, let weightScale = args.weightScale, let firstOutput = args.output
  else { return }
  let (channels, padded, step) = (Int(args.channels), Int(args.paddedChannels), args.rowStep)
  let pixels = codes + row &* step
  let output = firstOutput + row &* args.outputStride
  var channel = 0
  while channel < channels {
    let start = IntegerLanes(repeating: 0) &- IntegerLanes(load: zeroSums + channel)
    var sums = (start, start, start, start)
    var tapWeights = weights + channel
    for tap in 0..<Int(args.taps) {
      let taken = WordLanes(signedBytes: tapWeights)
      let pixel = pixels + (Int(offsets[tap]) &+ channel)
      sums.0 = addProducts(sums.0, WordLanes(bytes: pixel), taken)
      sums.1 = addProducts(sums.1, WordLanes(bytes: pixel + step), taken)
      sums.2 = addProducts(sums.2, WordLanes(bytes: pixel + 2 &* step), taken)
      sums.3 = addProducts(sums.3, WordLanes(bytes: pixel + 3 &* step), taken)
      tapWeights += padded
    }
    let factor = FloatLanes(load: weightScale + channel) * FloatLanes(repeating: args.scale)
    let bias = args.bias.map { FloatLanes(load: $0 + channel) } ?? FloatLanes(repeating: 0)
    let (target, count) = (output + channel, min(16, channels &- channel))
    fma(FloatLanes(sums.0), factor, bias).store(target, count: count)
    fma(FloatLanes(sums.1), factor, bias).store(target + args.outputStride, count: count)
    fma(FloatLanes(sums.2), factor, bias).store(target + 2 &* args.outputStride, count: count)
    fma(FloatLanes(sums.3), factor, bias).store(target + 3 &* args.outputStride, count: count)
    channel &+= 16
  }
}

/// Sixteen words of 16 bits.
private struct WordLanes {
  let low, high: int16x8_t

  @inline(__always) init(signedBytes pointer: UnsafePointer<Int8>) {
    let bytes = snq_load_s8(pointer)
    (low, high) = (vmovl_s8(vget_low_s8(bytes)), vmovl_high_s8(bytes))
  }
  /// Of unsigned bytes.
  @inline(__always) init(bytes pointer: UnsafePointer<UInt8>) {
    let bytes = snq_load_u8(pointer)
    low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes)))
    high = vreinterpretq_s16_u16(vmovl_high_u8(bytes))
  }
}

@inline(__always) private func addProducts(
  _ sum: IntegerLanes, _ x: WordLanes, _ y: WordLanes
) -> IntegerLanes {
  IntegerLanes(
    vmlal_s16(sum.a, vget_low_s16(x.low), vget_low_s16(y.low)), vmlal_high_s16(sum.b, x.low, y.low),
    vmlal_s16(sum.c, vget_low_s16(x.high), vget_low_s16(y.high)), vmlal_high_s16(sum.d, x.high, y.high))
}
