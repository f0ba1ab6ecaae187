import CKernelABI

@inline(never) func addRows(
  _ pointer: UnsafePointer<snq_add_args>, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  let args = pointer.pointee
  guard let firstLeft = args.left, let firstRight = args.right, let firstOutput = args.output,
    args.rightRows > 0
  else { return }
  var channels = Int(args.channels)
  // Of NaN and 0 the maximum is NaN, also where nothing is cut off.
  let least = FloatLanes(repeating: args.rectifies != 0 ? 0 : -.infinity)
  var row = Int(rowBegin)
  var end = Int(rowEnd)
  if args.leftStride == channels, args.rightStride == channels, args.outputStride == channels,
    end <= Int(args.rightRows), row < end
  {
    // Rows without gaps are one row: many are of few channels.
    (channels, end) = (channels &* (end &- row), row &+ 1)
  }
  while row < end {
    let left = firstLeft + row &* args.leftStride
    let right = firstRight + (row % Int(args.rightRows)) &* args.rightStride
    let output = firstOutput + row &* args.outputStride
    var channel = 0
    while channel &+ 16 <= channels {
      maximum(least, FloatLanes(load: left + channel) + FloatLanes(load: right + channel))
        .store(output + channel)
      channel &+= 16
    }
    if channel < channels {
      let count = channels &- channel
      let sum =
        FloatLanes(load: left + channel, count: count) + FloatLanes(load: right + channel, count: count)
      maximum(least, sum).store(output + channel, count: count)
    }
    row &+= 1
  }
}

@inline(never) func normalizeRows(
  _ pointer: UnsafePointer<snq_normalize_args>, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  let args = pointer.pointee
  guard let firstInput = args.input, let firstOutput = args.output else { return }
  let channels = Int(args.channels)
  var row = Int(rowBegin)
  while row < Int(rowEnd) {
    let input = firstInput + row &* args.inputStride
    let output = firstOutput + row &* args.outputStride
    let length = reduce(input, channels) { fma($1, $1, $0) }.squareRoot()
    let divisor = FloatLanes(repeating: length > args.epsilon ? length : args.epsilon)
    var channel = 0
    while channel < channels {
      let count = min(16, channels &- channel)
      (FloatLanes(load: input + channel, count: count) / divisor).store(output + channel, count: count)
      channel &+= 16
    }
    row &+= 1
  }
}
