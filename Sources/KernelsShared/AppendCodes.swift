import CKernelABI

@inline(never) func appendCodeRows(
  _ pointer: UnsafePointer<snq_append_codes_args>, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  let args = pointer.pointee
  guard let input = args.input, let codes = args.codes, let steps = args.steps, let turned = args.scratch,
    args.sequence > 0
  else {
    return
  }
  let (headDim, capacity) = (Int(args.headDim), Int(args.capacity))
  var row = Int(rowBegin)
  while row < Int(rowEnd) {
    let entry = row / Int(args.sequence)
    let position = Int(args.past) &+ row % Int(args.sequence)
    for head in 0..<Int(args.heads) {
      let plane = entry &* Int(args.heads) &+ head
      copyRotated(input + (row &* args.inputStride &+ head &* headDim), headDim, turned)
      let source = UnsafePointer(turned)
      let step = guardedScale(greatestMagnitude(source, headDim) / 127)
      steps[plane &* capacity &+ position] = step
      let target = codes + plane &* capacity &* headDim
      let inverse = FloatLanes(repeating: 1 / step)
      if args.isKey != 0 {
        storeKey(source, inverse, headDim, target + keyOffset(position, headDim))
      } else {
        storeValue(source, inverse, headDim, target + position &* headDim)
      }
    }
    row &+= 1
  }
}

/// Where the codes of a position begin in the tiles of a head: pairs of channels, 32 bytes apart.
@inline(__always) func keyOffset(_ position: Int, _ headDim: Int) -> Int {
  position / 16 &* 16 &* headDim &+ position % 16 &* 2
}

@inline(__always) private func storeKey(
  _ source: UnsafePointer<Float>, _ inverse: FloatLanes, _ headDim: Int, _ target: UnsafeMutablePointer<Int8>
) {
  var block: (UInt64, UInt64) = (0, 0)
  withUnsafeMutableBytes(of: &block) { bytes in
    guard let row = bytes.baseAddress else { return }
    var channel = 0
    while channel < headDim {
      let width = min(16, headDim &- channel)
      signedCodes(loadBlock(source + channel, width), inverse).storeBytes(
        row.assumingMemoryBound(to: UInt8.self))
      let pairs = UnsafeMutableRawPointer(target + 16 &* channel)
      for pair in 0..<width / 2 { (pairs + 32 &* pair).copyMemory(from: row + 2 &* pair, byteCount: 2) }
      channel &+= 16
    }
  }
}

@inline(__always) private func storeValue(
  _ source: UnsafePointer<Float>, _ inverse: FloatLanes, _ headDim: Int, _ target: UnsafeMutablePointer<Int8>
) {
  let bytes = UnsafeMutableRawPointer(target).assumingMemoryBound(to: UInt8.self)
  var channel = 0
  while channel < headDim {
    let width = min(16, headDim &- channel)
    let codes = signedCodes(loadBlock(source + channel, width), inverse)
    if width == 16 {
      codes.storeBytes(bytes + channel)
    } else {
      codes.storeBytes(bytes + channel, count: width)
    }
    channel &+= 16
  }
}
