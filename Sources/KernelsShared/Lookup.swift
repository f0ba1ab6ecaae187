import CKernelABI

@inline(never) func lookupRows(
  _ pointer: UnsafePointer<snq_lookup_args>, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  let args = pointer.pointee
  guard let ids = args.ids, let firstOutput = args.output else { return }
  var row = Int(rowBegin)
  while row < Int(rowEnd) {
    let output = firstOutput + row &* args.outputStride
    decodeRun(args.levels.0, Int(ids[row]), args.scatter, output)
    if args.levelCount > 1 { decodeRun(args.levels.1, Int(ids[row]), args.scatter, output) }
    row &+= 1
  }
}

@inline(__always) private func decodeRun(
  _ level: snq_table_level, _ id: Int, _ scatter: UnsafePointer<UInt32>?,
  _ output: UnsafeMutablePointer<Float>
) {
  guard let firstCodes = level.codes, let firstScale = level.scales, level.blockLength > 0 else { return }
  let channels = Int(level.channels)
  let blockLength = Int(level.blockLength)
  let blocks = (channels &+ blockLength &- 1) / blockLength
  let codes = firstCodes + id &* level.rowStride
  let scales = firstScale + id &* blocks
  let isBipolar = level.kind == UInt32(SNQ_BIPOLAR)
  let multiplier: Int32 = isBipolar ? 2 : 1
  let constant = isBipolar ? (Int32(1) &<< Int32(truncatingIfNeeded: level.bits)) &- 1 : level.zero
  let begin = Int(level.begin)
  var block = 0
  while block < blocks {
    let scale = floatFromHalf(scales[block])
    let end = min(channels, (block &+ 1) &* blockLength)
    var channel = block &* blockLength
    if scatter == nil && (level.bits == 8 || level.bits == 4) {
      channel = decodeWhole(
        codes, channel, end, level.bits == 8, IntegerLanes(repeating: multiplier),
        IntegerLanes(repeating: constant), FloatLanes(repeating: scale), output + begin)
    }
    while channel < end {
      let integer = multiplier &* streamCode(codes, channel, Int(level.bits)) &- constant
      let position = begin &+ channel
      output[scatter.map { Int($0[position]) } ?? position] = Float(integer) * scale
      channel &+= 1
    }
    block &+= 1
  }
}

/// Decodes sixteen channels at a time while they last; returns the first channel that is left.
@inline(__always) private func decodeWhole(
  _ codes: UnsafePointer<UInt8>, _ first: Int, _ end: Int, _ isByte: Bool, _ multiplier: IntegerLanes,
  _ constant: IntegerLanes, _ scale: FloatLanes, _ output: UnsafeMutablePointer<Float>
) -> Int {
  var channel = first
  while channel &+ 16 <= end {
    let code =
      isByte ? IntegerLanes(bytes: codes + channel) : IntegerLanes(nibbles: codes + channel &>> 1)
    (FloatLanes(code &* multiplier &- constant) * scale).store(output + channel)
    channel &+= 16
  }
  return channel
}

/// Code `index` of a little-endian bit stream; no byte beyond the code's own is read.
@inline(__always) private func streamCode(_ codes: UnsafePointer<UInt8>, _ index: Int, _ bits: Int) -> Int32 {
  let bit = index &* bits
  let shift = UInt32(truncatingIfNeeded: bit & 7)
  var window = UInt32(codes[bit &>> 3])
  if Int(shift) &+ bits > 8 { window |= UInt32(codes[bit &>> 3 &+ 1]) &<< 8 }
  return Int32(bitPattern: (window &>> shift) & ((1 &<< UInt32(truncatingIfNeeded: bits)) &- 1))
}

/// The binary32 number that a binary16 pattern stands for, exactly; NaN keeps its payload.
@inline(__always) func floatFromHalf(_ half: UInt16) -> Float {
  let sign = UInt32(half & 0x8000) &<< 16
  let exponent = UInt32(half &>> 10) & 31
  let fraction = UInt32(half & 0x3ff)
  if exponent == 31 { return Float(bitPattern: sign | 0x7f80_0000 | fraction &<< 13) }
  if exponent != 0 { return Float(bitPattern: sign | (exponent &+ 112) &<< 23 | fraction &<< 13) }
  return Float(bitPattern: sign | (Float(fraction) * 0x1p-24).bitPattern)
}
