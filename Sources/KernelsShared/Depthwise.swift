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
  if let offsets = args.tapOffsets { return depthwiseFloatLine(args, offsets, Int(rowBegin), Int(rowEnd)) }
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

/// One channel: neighbouring rows in lanes, each with the chain that it would have alone.
private func depthwiseFloatLine(
  _ args: snq_depthwise_float_args, _ offsets: UnsafePointer<Int32>, _ rowBegin: Int, _ rowEnd: Int
) {
  guard let input = args.input, let weights = args.weights, let output = args.output else { return }
  let start = FloatLanes(repeating: args.bias?[0] ?? 0)
  let taps = Int(args.taps)
  var row = rowBegin
  while row &+ 64 <= rowEnd {
    var (a, b, c, d) = (start, start, start, start)
    for tap in 0..<taps {
      let place = input + (row &+ Int(offsets[tap]))
      let weight = FloatLanes(repeating: weights[tap])
      a = fma(weight, FloatLanes(load: place), a)
      b = fma(weight, FloatLanes(load: place + 16), b)
      c = fma(weight, FloatLanes(load: place + 32), c)
      d = fma(weight, FloatLanes(load: place + 48), d)
    }
    a.store(output + row)
    b.store(output + (row &+ 16))
    c.store(output + (row &+ 32))
    d.store(output + (row &+ 48))
    row &+= 64
  }
  while row < rowEnd {
    let count = min(16, rowEnd &- row)
    var sum = start
    for tap in 0..<taps {
      let place = input + (row &+ Int(offsets[tap]))
      sum = fma(FloatLanes(repeating: weights[tap]), FloatLanes(load: place, count: count), sum)
    }
    sum.store(output + row, count: count)
    row &+= 16
  }
}
