import CKernelABI

@inline(never) func layerNormRows(
  _ pointer: UnsafePointer<snq_layer_norm_args>, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  let args = pointer.pointee
  guard let firstInput = args.input, let firstOutput = args.output, let gamma = args.gamma else { return }
  let channels = Int(args.channels)
  var row = Int(rowBegin)
  while row < Int(rowEnd) {
    let input = firstInput + row &* args.inputStride
    let output = firstOutput + row &* args.outputStride
    var source = input
    var total: Float = 0
    if let firstResidual = args.residual {
      total = addInto(output, input, firstResidual + row &* args.residualStride, channels)
      source = UnsafePointer(output)
    } else if args.keepsMean == 0 {
      total = reduce(source, channels) { $0 + $1 }
    }
    let mean = FloatLanes(repeating: args.keepsMean == 0 ? total / Float(channels) : 0)
    let squares = reduce(source, channels, minus: mean) { fma($1, $1, $0) }
    let deviation = (squares / Float(channels) + args.epsilon).squareRoot()
    normalize(source, channels, mean, FloatLanes(repeating: 1 / deviation), gamma, args.beta, output)
    row &+= 1
  }
}

/// output = a + b; returns the 16-lane sum of it.
@inline(__always) private func addInto(
  _ output: UnsafeMutablePointer<Float>, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  _ channels: Int
) -> Float {
  var total = FloatLanes(repeating: 0)
  var channel = 0
  while channel &+ 16 <= channels {
    let sum = FloatLanes(load: a + channel) + FloatLanes(load: b + channel)
    sum.store(output + channel)
    total = total + sum
    channel &+= 16
  }
  if channel < channels {
    let count = channels &- channel
    let sum = FloatLanes(load: a + channel, count: count) + FloatLanes(load: b + channel, count: count)
    sum.store(output + channel, count: count)
    total = total + sum
  }
  return total.sum()
}

/// The 16-lane sum that `step` builds from +0. The lanes that the tail does not reach are stepped with +0,
/// which leaves a sum that began at +0 as it is.
@inline(__always) func reduce(
  _ source: UnsafePointer<Float>, _ channels: Int, _ step: (FloatLanes, FloatLanes) -> FloatLanes
) -> Float {
  var total = FloatLanes(repeating: 0)
  var channel = 0
  while channel &+ 16 <= channels {
    total = step(total, FloatLanes(load: source + channel))
    channel &+= 16
  }
  if channel < channels {
    total = step(total, FloatLanes(load: source + channel, count: channels &- channel))
  }
  return total.sum()
}

/// The same over source - mean.
@inline(__always) private func reduce(
  _ source: UnsafePointer<Float>, _ channels: Int, minus mean: FloatLanes,
  _ step: (FloatLanes, FloatLanes) -> FloatLanes
) -> Float {
  var total = FloatLanes(repeating: 0)
  var channel = 0
  while channel &+ 16 <= channels {
    total = step(total, FloatLanes(load: source + channel) - mean)
    channel &+= 16
  }
  if channel < channels {
    let count = channels &- channel
    let centred = FloatLanes(load: source + channel, count: count) - mean
    total = step(total, select(LaneMask(first: count), centred, FloatLanes(repeating: 0)))
  }
  return total.sum()
}

@inline(__always) private func normalize(
  _ source: UnsafePointer<Float>, _ channels: Int, _ mean: FloatLanes, _ inverse: FloatLanes,
  _ gamma: UnsafePointer<Float>, _ beta: UnsafePointer<Float>?, _ output: UnsafeMutablePointer<Float>
) {
  var channel = 0
  while channel &+ 16 <= channels {
    let scaled = (FloatLanes(load: source + channel) - mean) * inverse
    let shift = beta.map { FloatLanes(load: $0 + channel) } ?? FloatLanes(repeating: 0)
    fma(scaled, FloatLanes(load: gamma + channel), shift).store(output + channel)
    channel &+= 16
  }
  if channel < channels {
    let count = channels &- channel
    let scaled = (FloatLanes(load: source + channel, count: count) - mean) * inverse
    let shift = beta.map { FloatLanes(load: $0 + channel, count: count) } ?? FloatLanes(repeating: 0)
    fma(scaled, FloatLanes(load: gamma + channel, count: count), shift).store(output + channel, count: count)
  }
}
