import CKernelABI

@inline(never) func depthwiseRows(
  _ pointer: UnsafePointer<snq_depthwise_args>, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  let args = pointer.pointee
  guard let codes = args.codes, let offsets = args.tapOffsets, let weights = args.weights,
    let zeroSums = args.zeroSums, let weightScale = args.weightScale, let firstOutput = args.output
  else { return }
  let channels = Int(args.channels)
  let taps = Int(args.taps)
  let padded = Int(args.paddedChannels)
  let scale = FloatLanes(repeating: args.scale)
  var row = Int(rowBegin)
  while row < Int(rowEnd) {
    let pixel = codes + row &* args.rowStep
    let output = firstOutput + row &* args.outputStride
    var channel = 0
    while channel < channels {
      var sum = IntegerLanes(repeating: 0) &- IntegerLanes(load: zeroSums + channel)
      for tap in 0..<taps {
        let four = IntegerLanes(bytes: pixel + (Int(offsets[tap]) &+ channel))
        sum = sum &+ four &* IntegerLanes(signedBytes: weights + (tap &* padded &+ channel))
      }
      let start = args.bias.map { FloatLanes(load: $0 + channel) } ?? FloatLanes(repeating: 0)
      let result = fma(FloatLanes(sum), FloatLanes(load: weightScale + channel) * scale, start)
      result.store(output + channel, count: min(16, channels &- channel))
      channel &+= 16
    }
    row &+= 1
  }
}

@inline(never) func depthwiseFloatRows(
  _ pointer: UnsafePointer<snq_depthwise_float_args>, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  let args = pointer.pointee
  guard let firstInput = args.input, let weights = args.weights, let firstOutput = args.output else { return }
  let channels = Int(args.channels)
  let taps = Int(args.taps)
  var row = Int(rowBegin)
  while row < Int(rowEnd) {
    let input = firstInput + row &* taps &* channels
    let output = firstOutput + row &* args.outputStride
    var channel = 0
    while channel < channels {
      let count = min(16, channels &- channel)
      var sum = args.bias.map { FloatLanes(load: $0 + channel, count: count) } ?? FloatLanes(repeating: 0)
      for tap in 0..<taps {
        let place = tap &* channels &+ channel
        sum = fma(
          FloatLanes(load: weights + place, count: count), FloatLanes(load: input + place, count: count), sum)
      }
      sum.store(output + channel, count: count)
      channel &+= 16
    }
    row &+= 1
  }
}
