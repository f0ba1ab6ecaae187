import CKernelABI

/// log2 of the weight of a key that does not exist.
let paddingScore: Float = -1e30

/// The scratch of one thread, for V valid keys padded to 32 and d channels padded to 16.
struct IntegerAttentionScratch {
  /// [key block of 16][d / 4] tiles of 16 keys x 4 channels; padding keys are 0.
  let keyTiles: UnsafeMutablePointer<Int8>
  /// [channel block of 16][V / 4] tiles of 16 channels x 4 keys; padding is 0.
  let valueTiles: UnsafeMutablePointer<Int8>
  /// t of four query rows: [4][padded keys].
  let scores: UnsafeMutablePointer<Float>
  /// Per key: -128 * sum of the key's codes; key step; log2 of the value step; 1 / value step.
  let offsets: UnsafeMutablePointer<Int32>
  let keySteps: UnsafeMutablePointer<Float>
  let valueLogs: UnsafeMutablePointer<Float>
  let valueInverses: UnsafeMutablePointer<Float>
  let positions: UnsafeMutablePointer<UInt32>
  /// [4][padded keys].
  let weightCodes: UnsafeMutablePointer<UInt8>
  /// [4][padded channels].
  let queryCodes: UnsafeMutablePointer<UInt8>

  @inline(__always) init(_ start: UnsafeMutablePointer<UInt8>, _ sequence: Int, _ headDim: Int) {
    let padded = roundedUp(sequence, to: 32)
    let raw = UnsafeMutableRawPointer(start)
    keyTiles = raw.assumingMemoryBound(to: Int8.self)
    valueTiles = keyTiles + padded &* headDim
    let floats = UnsafeMutableRawPointer(valueTiles + padded &* roundedUp(headDim, to: 16))
    scores = floats.assumingMemoryBound(to: Float.self)
    keySteps = scores + 4 &* padded
    valueLogs = keySteps + padded
    valueInverses = valueLogs + padded
    offsets = UnsafeMutableRawPointer(valueInverses + padded).assumingMemoryBound(to: Int32.self)
    positions = UnsafeMutableRawPointer(offsets + padded).assumingMemoryBound(to: UInt32.self)
    weightCodes = UnsafeMutableRawPointer(positions + padded).assumingMemoryBound(to: UInt8.self)
    queryCodes = weightCodes + 4 &* padded
  }
  @inline(__always) static func byteCount(_ sequence: Int, _ headDim: Int) -> Int {
    let paddedDim = roundedUp(headDim, to: 16)
    return roundedUp(sequence, to: 32) &* (headDim &+ paddedDim &+ 16 &+ 20 &+ 4) &+ 4 &* paddedDim
  }
}

/// clamp(rne(x * inverse), -127, 127); NaN gives -127.
@inline(__always) func signedCodes(_ x: FloatLanes, _ inverse: FloatLanes) -> IntegerLanes {
  let limit = FloatLanes(repeating: 127)
  return minimum(maximum(x * inverse, FloatLanes(repeating: -127)), limit).nearestInteger()
}

/// 255 * 2^x for x <= 0, with x below -126 taken as -126 and NaN as well; relative error below 4e-6.
@inline(__always) func powerOfTwoTimes255(_ input: FloatLanes) -> FloatLanes {
  let x = maximum(input, FloatLanes(repeating: -126))
  let n = x.nearest()
  let f = x - n
  var p = fma(FloatLanes(repeating: 2.443_619_3), f, FloatLanes(repeating: 14.256_221))
  p = fma(p, f, FloatLanes(repeating: 61.261_46))
  p = fma(p, f, FloatLanes(repeating: 176.746_66))
  p = fma(p, f, FloatLanes(repeating: 255))
  return FloatLanes(bits: IntegerLanes(bits: p) &+ n.nearestInteger().shiftedLeft(23))
}

/// log2 of a positive normal number; absolute error below 1e-6 of its own magnitude or of 1.
@inline(__always) func binaryLogarithm(_ x: FloatLanes) -> FloatLanes {
  let root = IntegerLanes(repeating: 0x3f35_04f3)
  let exponent = (IntegerLanes(bits: x) &- root).arithmeticallyShiftedRight(23)
  let f = FloatLanes(bits: IntegerLanes(bits: x) &- exponent.shiftedLeft(23)) - FloatLanes(repeating: 1)
  var p = fma(FloatLanes(repeating: -0.145_743_1), f, FloatLanes(repeating: 0.236_890_02))
  p = fma(p, f, FloatLanes(repeating: -0.250_069_35))
  p = fma(p, f, FloatLanes(repeating: 0.286_707_52))
  p = fma(p, f, FloatLanes(repeating: -0.360_087_2))
  p = fma(p, f, FloatLanes(repeating: 0.480_939_45))
  p = fma(p, f, FloatLanes(repeating: -0.721_357_17))
  p = fma(p, f, FloatLanes(repeating: 1.442_694_8))
  return fma(p, f, FloatLanes(exponent))
}

/// Key tiles, steps and offsets.
@inline(__always) func encodeKeys(
  _ args: snq_attention_args, _ unit: AttentionUnit, _ scratch: IntegerAttentionScratch, _ count: Int
) {
  let headDim = Int(args.headDim)
  for key in 0..<roundedUp(count, to: 32) {
    let lane = UnsafeMutableRawPointer(scratch.keyTiles + (key &>> 4 &* headDim &* 16 &+ key & 15 &* 4))
      .assumingMemoryBound(to: Int32.self)
    if key >= count {
      for tile in 0..<headDim &>> 2 { lane[16 &* tile] = 0 }
      scratch.keySteps[key] = 0
      scratch.offsets[key] = 0
      continue
    }
    let source = unit.key + Int(scratch.positions[key]) &* args.keyStride
    let step = guardedScale(greatestMagnitude(source, headDim) / 127)
    let inverse = FloatLanes(repeating: 1 / step)
    var sum = IntegerLanes(repeating: 0)
    var channel = 0
    while channel < headDim {
      let width = min(16, headDim &- channel)
      let codes = signedCodes(FloatLanes(load: source + channel, count: width), inverse)
      sum = sum &+ codes.kept(LaneMask(first: width))
      codes.storeBytes(scratch.queryCodes)
      let words = UnsafeRawPointer(scratch.queryCodes).assumingMemoryBound(to: Int32.self)
      for word in 0..<width &>> 2 { lane[16 &* (channel &>> 2 &+ word)] = words[word] }
      channel &+= 16
    }
    scratch.keySteps[key] = step
    scratch.offsets[key] = -128 &* sum.sum()
  }
}

/// Value tiles, and log2 and inverse of every key's value step.
///
/// A step is max|v| / 127 of the key's row, but at least 2^-24 of the greatest step, so that a row of zeros
/// cannot rob the others of their weight.
@inline(__always) func encodeValues(
  _ args: snq_attention_args, _ unit: AttentionUnit, _ scratch: IntegerAttentionScratch, _ count: Int
) {
  let headDim = Int(args.headDim)
  let padded = roundedUp(count, to: 32)
  var greatest: Float = 0
  for key in 0..<count {
    let source = unit.value + Int(scratch.positions[key]) &* args.valueStride
    let step = greatestMagnitude(source, headDim) / 127
    scratch.valueLogs[key] = step
    greatest = step > greatest ? step : greatest
  }
  setValueSteps(scratch, count, padded, guardedScale(greatest))
  var channel = 0
  while channel < headDim {
    let width = min(16, headDim &- channel)
    var tile = scratch.valueTiles + channel &* padded
    var key = 0
    while key < padded {
      let first = valueCodes(args, unit, scratch, count, key, channel, width)
      let second = valueCodes(args, unit, scratch, count, key &+ 1, channel, width)
      let third = valueCodes(args, unit, scratch, count, key &+ 2, channel, width)
      let fourth = valueCodes(args, unit, scratch, count, key &+ 3, channel, width)
      let bytes = first | second.shiftedLeft(8) | third.shiftedLeft(16) | fourth.shiftedLeft(24)
      bytes.store(UnsafeMutableRawPointer(tile).assumingMemoryBound(to: Int32.self))
      tile += 64
      key &+= 4
    }
    channel &+= 16
  }
}

@inline(__always) private func setValueSteps(
  _ scratch: IntegerAttentionScratch, _ count: Int, _ padded: Int, _ greatest: Float
) {
  let one = FloatLanes(repeating: 1)
  let scaledFloor = greatest * 0x1p-24
  let least = scaledFloor > Float.leastNormalMagnitude ? scaledFloor : Float.leastNormalMagnitude
  var key = 0
  while key < padded {
    let isKey = LaneMask(first: max(0, min(16, count &- key)))
    let raw = select(isKey, FloatLanes(load: scratch.valueLogs + key), one)
    let step = minimum(maximum(raw, FloatLanes(repeating: least)), FloatLanes(repeating: greatest))
    select(isKey, binaryLogarithm(step), FloatLanes(repeating: paddingScore))
      .store(scratch.valueLogs + key)
    select(isKey, one / step, FloatLanes(repeating: 0)).store(scratch.valueInverses + key)
    key &+= 16
  }
}

/// The codes of one key's values as bytes in 32-bit lanes; 0 for padding keys and channels.
@inline(__always) private func valueCodes(
  _ args: snq_attention_args, _ unit: AttentionUnit, _ scratch: IntegerAttentionScratch, _ count: Int,
  _ key: Int, _ channel: Int, _ width: Int
) -> IntegerLanes {
  if key >= count { return IntegerLanes(repeating: 0) }
  let source = unit.value + (Int(scratch.positions[key]) &* args.valueStride &+ channel)
  let inverse = FloatLanes(repeating: scratch.valueInverses[key])
  let codes = signedCodes(FloatLanes(load: source, count: width), inverse)
  return codes.kept(LaneMask(first: width)) & IntegerLanes(repeating: 255)
}
