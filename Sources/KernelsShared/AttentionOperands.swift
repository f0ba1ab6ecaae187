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
  /// Per query row: 1 / step; factor of its scores.
  let queryInverses: UnsafeMutablePointer<Float>
  let queryFactors: UnsafeMutablePointer<Float>
  /// What a block of sixteen rows needs on the way: [16 rows][16], then the codes of four columns.
  let block: UnsafeMutablePointer<Float>
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
    queryInverses = valueInverses + padded
    queryFactors = queryInverses + padded
    block = queryFactors + padded
    offsets = UnsafeMutableRawPointer(block + 256).assumingMemoryBound(to: Int32.self)
    positions = UnsafeMutableRawPointer(offsets + padded).assumingMemoryBound(to: UInt32.self)
    weightCodes = UnsafeMutableRawPointer(positions + padded).assumingMemoryBound(to: UInt8.self)
    queryCodes = weightCodes + 4 &* padded
  }
  @inline(__always) static func byteCount(_ sequence: Int, _ headDim: Int) -> Int {
    let paddedDim = roundedUp(headDim, to: 16)
    return roundedUp(sequence, to: 32) &* (headDim &+ paddedDim &+ 16 &+ 28 &+ 4) &+ 1024 &+ 4 &* paddedDim
  }
}

/// clamp(rne(x * inverse), -127, 127); NaN gives -127.
@inline(__always) func signedCodes(_ x: FloatLanes, _ inverse: FloatLanes) -> IntegerLanes {
  let limit = FloatLanes(repeating: 127)
  return minimum(maximum(x * inverse, FloatLanes(repeating: -127)), limit).nearestInteger()
}

/// 255 * 2^x for x <= 0, with x below -126 taken as -126 and NaN as well; relative error below 8e-5, which
/// the rounding to a code hides.
@inline(__always) func powerOfTwoTimes255(_ input: FloatLanes) -> FloatLanes {
  let x = maximum(input, FloatLanes(repeating: -126))
  let n = x.nearest()
  let f = x - n
  var p = fma(FloatLanes(repeating: 14.068_775), f, FloatLanes(repeating: 61.865_837))
  p = fma(p, f, FloatLanes(repeating: 176.781_56))
  p = fma(p, f, FloatLanes(repeating: 254.981_66))
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

/// A channel block of a row: 16 elements or, at the end of a head, the `width` that are left and zeros.
@inline(__always) func loadBlock(_ source: UnsafePointer<Float>, _ width: Int) -> FloatLanes {
  width == 16 ? FloatLanes(load: source) : FloatLanes(load: source, count: width)
}

/// max|x| / 127 of sixteen rows of a head, of which `count` exist (0 for the others); `rows` gives their
/// positions in order, or nil for first, first + 1, ...
@inline(__always) private func rawSteps(
  _ source: UnsafePointer<Float>, _ stride: Int, _ positions: UnsafePointer<UInt32>?, _ first: Int,
  _ count: Int, _ headDim: Int, _ block: UnsafeMutablePointer<Float>
) -> FloatLanes {
  for lane in 0..<16 {
    var greatest = FloatLanes(repeating: 0)
    if lane < count {
      let position = positions.map { Int($0[first &+ lane]) } ?? first &+ lane
      let row = source + position &* stride
      var channel = 0
      while channel < headDim {
        greatest = maximum(loadBlock(row + channel, min(16, headDim &- channel)).magnitude(), greatest)
        channel &+= 16
      }
    }
    greatest.store(block + 16 &* lane)
  }
  return FloatLanes(maximaOfRows: block) / FloatLanes(repeating: 127)
}

/// Every lane that is not a normal number becomes 1.
@inline(__always) private func guardedSteps(_ steps: FloatLanes) -> FloatLanes {
  let one = FloatLanes(repeating: 1)
  let finite = select(FloatLanes(repeating: .greatestFiniteMagnitude) .< steps, one, steps)
  return select(finite .< FloatLanes(repeating: .leastNormalMagnitude), one, finite)
}

/// For every query row: 1 / step, and the factor of its scores, step * scale * log2(e).
@inline(__always) func prepareQueries(
  _ args: snq_attention_args, _ unit: AttentionUnit, _ scratch: IntegerAttentionScratch
) {
  let sequence = Int(args.sequence)
  var row = 0
  while row < sequence {
    let steps = guardedSteps(
      rawSteps(
        unit.query, args.queryStride, nil, row, min(16, sequence &- row), Int(args.headDim), scratch.block))
    (FloatLanes(repeating: 1) / steps).store(scratch.queryInverses + row)
    (steps * FloatLanes(repeating: args.scale) * FloatLanes(repeating: 1.442_695_0))
      .store(scratch.queryFactors + row)
    row &+= 16
  }
}

/// The signed codes of a query row, plus 128.
@inline(__always) func encodeQuery(
  _ args: snq_attention_args, _ unit: AttentionUnit, _ scratch: IntegerAttentionScratch, _ row: Int,
  _ slot: Int
) {
  let source = unit.query + row &* args.queryStride
  let headDim = Int(args.headDim)
  let inverse = FloatLanes(repeating: scratch.queryInverses[row])
  let codes = scratch.queryCodes + slot &* roundedUp(headDim, to: 16)
  var channel = 0
  while channel < headDim {
    let x = loadBlock(source + channel, min(16, headDim &- channel))
    (signedCodes(x, inverse) &+ IntegerLanes(repeating: 128)).storeBytes(codes + channel)
    channel &+= 16
  }
}

/// Key tiles, steps and offsets.
@inline(__always) func encodeKeys(
  _ args: snq_attention_args, _ unit: AttentionUnit, _ scratch: IntegerAttentionScratch, _ count: Int
) {
  let headDim = Int(args.headDim)
  let padded = roundedUp(count, to: 32)
  var block = 0
  while block < padded {
    let keys = max(0, min(16, count &- block))
    let steps = guardedSteps(
      rawSteps(unit.key(0), args.keyStride, scratch.positions, block, keys, headDim, scratch.block))
    steps.store(scratch.keySteps + block)
    encodeKeyBlock(args, unit, scratch, block, keys, FloatLanes(repeating: 1) / steps)
    // -128 times the sum of a key's codes, because the query's codes are 128 too large.
    var sum = IntegerLanes(repeating: 0)
    let tiles = UnsafePointer(scratch.keyTiles + block &* headDim)
    for tile in 0..<headDim &>> 2 {
      sum = dotOfMoved(sum, Int32(bitPattern: 0x8080_8080), tiles + 64 &* tile)
    }
    (IntegerLanes(repeating: 0) &- sum).store(scratch.offsets + block)
    block &+= 16
  }
}

/// The tiles of sixteen keys, of which `count` exist.
@inline(__always) private func encodeKeyBlock(
  _ args: snq_attention_args, _ unit: AttentionUnit, _ scratch: IntegerAttentionScratch, _ block: Int,
  _ count: Int, _ inverses: FloatLanes
) {
  let headDim = Int(args.headDim)
  inverses.store(scratch.block)
  let codes = UnsafeMutableRawPointer(scratch.block + 16).assumingMemoryBound(to: UInt8.self)
  let words = UnsafeRawPointer(codes).assumingMemoryBound(to: Int32.self)
  let tiles = UnsafeMutableRawPointer(scratch.keyTiles + block &* headDim).assumingMemoryBound(to: Int32.self)
  var channel = 0
  while channel < headDim {
    let width = min(16, headDim &- channel)
    // Two places in turn: the loads of one need not wait behind the stores of the next.
    let place = channel &<< 4 & 256
    for lane in 0..<16 {
      var rowCodes = IntegerLanes(repeating: 0)
      if lane < count {
        let row = unit.key(Int(scratch.positions[block &+ lane]) &* args.keyStride &+ channel)
        rowCodes = signedCodes(loadBlock(row, width), FloatLanes(repeating: scratch.block[lane]))
      }
      rowCodes.storeBytes(codes + (place &+ lane & 3 &* 64 &+ lane &>> 2 &* 16))
    }
    storeColumns(words + place &>> 2, tiles + 4 &* channel, count: width &>> 2)
    channel &+= 16
  }
}

/// Value tiles, and log2 and inverse of every key's value step.
///
/// A step is at least 2^-24 of the greatest step, so that a row of zeros cannot rob the others of their
/// weight.
@inline(__always) func encodeValues(
  _ args: snq_attention_args, _ unit: AttentionUnit, _ scratch: IntegerAttentionScratch, _ count: Int
) {
  let headDim = Int(args.headDim)
  let padded = roundedUp(count, to: 32)
  var greatest = FloatLanes(repeating: 0)
  var block = 0
  while block < padded {
    let keys = max(0, min(16, count &- block))
    let steps = rawSteps(
      unit.value(0), args.valueStride, scratch.positions, block, keys, headDim, scratch.block)
    steps.store(scratch.valueLogs + block)
    greatest = maximum(steps, greatest)
    block &+= 16
  }
  setValueSteps(scratch, count, padded, guardedScale(greatest.maximum()))
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
  let source = unit.value(Int(scratch.positions[key]) &* args.valueStride &+ channel)
  let inverse = FloatLanes(repeating: scratch.valueInverses[key])
  let codes = signedCodes(loadBlock(source, width), inverse) & IntegerLanes(repeating: 255)
  return width == 16 ? codes : codes.kept(LaneMask(first: width))
}
