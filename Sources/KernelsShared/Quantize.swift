import CKernelABI

@inline(never) func quantizeRows(
  _ pointer: UnsafePointer<snq_quantize_args>, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  let args = pointer.pointee
  guard let firstInput = args.input else { return }
  let count = min(SNQ_LEVELS, Int(args.levelCount))
  var fixed = 0
  while fixed < count, isFixedAffine(activationLevel(pointer, fixed)) { fixed &+= 1 }
  if args.gather == nil, fixed == count {
    for index in 0..<count { quantizeFixed(pointer, index, rowBegin, rowEnd) }
    return
  }
  var row = Int(rowBegin)
  while row < Int(rowEnd) {
    var input = firstInput + row &* args.inputStride
    if let gather = args.gather, let scratch = args.scratch {
      gatherRow(input, gather, Int(args.channels), scratch)
      input = UnsafePointer(scratch)
    }
    for index in 0..<count { quantizeRun(pointer, index, row, input) }
    row &+= 1
  }
}

@inline(__always) private func activationLevel(
  _ pointer: UnsafePointer<snq_quantize_args>, _ index: Int
) -> snq_activation_level {
  switch index {
  case 0: pointer.pointee.levels.0
  case 1: pointer.pointee.levels.1
  case 2: pointer.pointee.levels.2
  default: pointer.pointee.levels.3
  }
}

@inline(__always) private func isFixedAffine(_ level: snq_activation_level) -> Bool {
  level.isStatic != 0 && level.kind == UInt32(SNQ_AFFINE)
}

/// Rows of a level whose scale is fixed: its constants are made once. Not private: see `quantizeRun`.
@inline(never) func quantizeFixed(
  _ pointer: UnsafePointer<snq_quantize_args>, _ index: Int, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  let level = activationLevel(pointer, index)
  guard let firstInput = pointer.pointee.input, let firstCodes = level.codes, let rows = level.rows else {
    return
  }
  let maximumCode = (Int32(1) &<< Int32(truncatingIfNeeded: level.bits)) &- 1
  let inverse = FloatLanes(repeating: 1 / level.scale)
  let low = FloatLanes(repeating: Float(0 &- level.zero))
  let high = FloatLanes(repeating: Float(maximumCode &- level.zero))
  let zero = IntegerLanes(repeating: level.zero)
  let channels = Int(level.channels)
  let padded = max(channels, Int(level.paddedChannels))
  let whole = channels & ~63
  var row = Int(rowBegin)
  while row < Int(rowEnd) {
    let source = firstInput + (row &* pointer.pointee.inputStride &+ Int(level.begin))
    let codes = firstCodes + row &* level.codeStride
    var lanes = IntegerLanes(repeating: 0)
    var channel = 0
    while channel < whole {
      // A NaN passes `minimum` and becomes the least integer, so that packing makes it code 0, as `maximum` does below.
      let first = source + channel
      lanes = storeCodes(
        minimum(high, FloatLanes(load: first) * inverse).nearestInteger(),
        minimum(high, FloatLanes(load: first + 16) * inverse).nearestInteger(),
        minimum(high, FloatLanes(load: first + 32) * inverse).nearestInteger(),
        minimum(high, FloatLanes(load: first + 48) * inverse).nearestInteger(),
        zero: level.zero, codes + channel, addingTo: lanes)
      channel &+= 64
    }
    let rest = encode(source + whole, channels &- whole, codes + whole) { x in
      minimum(maximum(x * inverse, low), high).nearestInteger() &+ zero
    }
    let sum = rest &+ lanes.sum()
    var position = channels
    while position < padded {
      codes[position] = 0
      position &+= 1
    }
    rows[row &* level.rowStride] = snq_row_params(scale: level.scale, constant: level.zero, codeSum: sum)
    row &+= 1
  }
}

/// The channels of a row in sorted order.
@inline(__always) func gatherRow(
  _ input: UnsafePointer<Float>, _ gather: UnsafePointer<UInt32>, _ channels: Int,
  _ target: UnsafeMutablePointer<Float>
) {
  var position = 0
  while position &+ 16 <= channels {
    FloatLanes(gather: input, gather + position, channels: channels).store(target + position)
    position &+= 16
  }
  while position < channels {
    target[position] = input[Int(gather[position])]
    position &+= 1
  }
}

/// One level of one row. Not private: the compiler would give it a weak symbol.
@inline(never) func quantizeRun(
  _ pointer: UnsafePointer<snq_quantize_args>, _ index: Int, _ row: Int, _ input: UnsafePointer<Float>
) {
  let level = activationLevel(pointer, index)
  guard let firstCodes = level.codes, let rows = level.rows else { return }
  let source = input + Int(level.begin)
  let codes = firstCodes + row &* level.codeStride
  let channels = Int(level.channels)
  let maximumCode = (Int32(1) &<< Int32(truncatingIfNeeded: level.bits)) &- 1
  var params = snq_row_params()
  if level.kind == UInt32(SNQ_AFFINE) {
    params =
      level.isStatic != 0
      ? snq_row_params(scale: level.scale, constant: level.zero, codeSum: 0)
      : affineParams(source, channels, maximumCode)
    params.codeSum = encodeAffine(source, channels, params, maximumCode, codes)
  } else {
    let step = level.isStatic != 0 ? level.scale : bipolarStep(source, channels, maximumCode)
    params = snq_row_params(scale: step, constant: maximumCode, codeSum: 0)
    params.codeSum = encodeBipolar(source, channels, step, maximumCode, codes)
  }
  for position in channels..<max(channels, Int(level.paddedChannels)) { codes[position] = 0 }
  rows[row &* level.rowStride] = params
}

/// `scale` when it is a normal number, else 1.
@inline(__always) func guardedScale(_ scale: Float) -> Float {
  scale >= Float.leastNormalMagnitude && scale <= Float.greatestFiniteMagnitude ? scale : 1
}

@inline(__always) private func affineParams(
  _ source: UnsafePointer<Float>, _ channels: Int, _ maximumCode: Int32
) -> snq_row_params {
  var lowest = FloatLanes(repeating: 0)
  var highest = FloatLanes(repeating: 0)
  var channel = 0
  while channel &+ 16 <= channels {
    let x = FloatLanes(load: source + channel)
    lowest = minimum(x, lowest)
    highest = maximum(x, highest)
    channel &+= 16
  }
  if channel < channels {
    let x = FloatLanes(load: source + channel, count: channels &- channel)
    lowest = minimum(x, lowest)
    highest = maximum(x, highest)
  }
  let low = lowest.minimum()
  let scale = guardedScale((highest.maximum() - low) / Float(maximumCode))
  let real = -low * (1 / scale)
  let top = Float(maximumCode)
  let clamped = real > 0 ? (real < top ? real : top) : 0
  return snq_row_params(scale: scale, constant: Int32(clamped.rounded(.toNearestOrEven)), codeSum: 0)
}

@inline(__always) private func bipolarStep(
  _ source: UnsafePointer<Float>, _ channels: Int, _ maximumCode: Int32
) -> Float {
  if maximumCode == 1 {
    return guardedScale(reduce(source, channels) { $0 + $1.magnitude() } / Float(channels))
  }
  return guardedScale(greatestMagnitude(source, channels) / Float(maximumCode))
}

/// The largest |x|, 0 when there is none; NaN is passed over.
@inline(__always) func greatestMagnitude(_ source: UnsafePointer<Float>, _ channels: Int) -> Float {
  var greatest = FloatLanes(repeating: 0)
  var channel = 0
  while channel &+ 16 <= channels {
    greatest = maximum(FloatLanes(load: source + channel).magnitude(), greatest)
    channel &+= 16
  }
  if channel < channels {
    let x = FloatLanes(load: source + channel, count: channels &- channel)
    greatest = maximum(x.magnitude(), greatest)
  }
  return greatest.maximum()
}

/// Writes the codes and returns their sum.
@inline(__always) private func encodeAffine(
  _ source: UnsafePointer<Float>, _ channels: Int, _ params: snq_row_params, _ maximumCode: Int32,
  _ codes: UnsafeMutablePointer<UInt8>
) -> Int32 {
  let inverse = FloatLanes(repeating: 1 / params.scale)
  let low = FloatLanes(repeating: Float(0 &- params.constant))
  let high = FloatLanes(repeating: Float(maximumCode &- params.constant))
  let zero = IntegerLanes(repeating: params.constant)
  return encode(source, channels, codes) { x in
    minimum(maximum(x * inverse, low), high).nearestInteger() &+ zero
  }
}

/// Writes the codes and returns their sum.
@inline(__always) private func encodeBipolar(
  _ source: UnsafePointer<Float>, _ channels: Int, _ step: Float, _ maximumCode: Int32,
  _ codes: UnsafeMutablePointer<UInt8>
) -> Int32 {
  let inverse = FloatLanes(repeating: 0.5 / step)
  let middle = FloatLanes(repeating: Float(maximumCode &+ 1) * 0.5)
  let zero = FloatLanes(repeating: 0)
  let high = FloatLanes(repeating: Float(maximumCode))
  return encode(source, channels, codes) { x in
    minimum(maximum(fma(x, inverse, middle), zero), high).truncatedInteger()
  }
}

/// Writes the codes and returns their sum.
@inline(__always) func encode(
  _ source: UnsafePointer<Float>, _ channels: Int, _ codes: UnsafeMutablePointer<UInt8>,
  _ code: (FloatLanes) -> IntegerLanes
) -> Int32 {
  var sum = IntegerLanes(repeating: 0)
  var channel = 0
  while channel &+ 32 <= channels {
    let values = (code(FloatLanes(load: source + channel)), code(FloatLanes(load: source + channel + 16)))
    IntegerLanes.storeBytes(values.0, values.1, codes + channel)
    sum = sum &+ (values.0 &+ values.1)
    channel &+= 32
  }
  if channel &+ 16 <= channels {
    let values = code(FloatLanes(load: source + channel))
    values.storeBytes(codes + channel)
    sum = sum &+ values
    channel &+= 16
  }
  if channel < channels {
    let count = channels &- channel
    let values = code(FloatLanes(load: source + channel, count: count)).kept(LaneMask(first: count))
    values.storeBytes(codes + channel, count: count)
    sum = sum &+ values
  }
  return sum.sum()
}
