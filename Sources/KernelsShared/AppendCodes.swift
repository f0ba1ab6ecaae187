import CKernelABI

@inline(never) func appendCodeRows(
  _ pointer: UnsafePointer<snq_append_codes_args>, _ rowBegin: UInt32, _ rowEnd: UInt32
) {
  let rows = Int(rowBegin)..<Int(max(rowBegin, rowEnd))
  switch (pointer.pointee.isKey != 0, pointer.pointee.bits) {
  case (true, 8): append(KeyPlaces<ByteKeys>.self, pointer, rows)
  case (true, 6): append(KeyPlaces<SixBitKeys>.self, pointer, rows)
  case (true, 4): append(KeyPlaces<NibbleKeys>.self, pointer, rows)
  case (false, 8): append(ByteValues.self, pointer, rows)
  case (false, 4): append(NibbleValues.self, pointer, rows)
  default: break
  }
}

/// Where the codes of a head lie.
private protocol CodePlaces {
  static var bits: Int { get }
  /// Bytes of a position.
  static func byteCount(_ headDim: Int) -> Int
  /// Puts the codes of a position into those of its head.
  static func store(
    _ source: UnsafePointer<Float>, _ inverse: FloatLanes, _ headDim: Int, _ position: Int,
    _ plane: UnsafeMutablePointer<UInt8>)
}

@inline(__always) private func append<Places: CodePlaces>(
  _: Places.Type, _ pointer: UnsafePointer<snq_append_codes_args>, _ rows: Range<Int>
) {
  let args = pointer.pointee
  guard let input = args.input, let codes = args.codes, let steps = args.steps, let turned = args.scratch,
    args.sequence > 0
  else {
    return
  }
  let (headDim, capacity) = (Int(args.headDim), Int(args.capacity))
  for row in rows {
    let entry = row / Int(args.sequence)
    let position = Int(args.past) &+ row % Int(args.sequence)
    for head in 0..<Int(args.heads) {
      let plane = entry &* Int(args.heads) &+ head
      copyRotated(input + (row &* args.inputStride &+ head &* headDim), headDim, turned)
      let source = UnsafePointer(turned)
      let step = codeStep(source, headDim, Places.bits)
      steps[plane &* capacity &+ position] = step
      let target = codes + plane &* capacity &* Places.byteCount(headDim)
      Places.store(source, FloatLanes(repeating: 1 / step), headDim, position, target)
    }
  }
}

/// Of fewer than 8 bits the number that is largest has the code that has no opposite.
@inline(__always) private func codeStep(_ source: UnsafePointer<Float>, _ headDim: Int, _ bits: Int) -> Float
{
  let magnitude = greatestMagnitude(source, headDim)
  if bits == 8 { return guardedScale(magnitude / 127) }
  let step = guardedScale(magnitude / Float(1 &<< (bits &- 1)))
  return greatestNumber(source, headDim) == magnitude ? 0 - step : step
}

/// 0 where all are below; NaN is passed over.
@inline(__always) private func greatestNumber(_ source: UnsafePointer<Float>, _ headDim: Int) -> Float {
  var greatest = FloatLanes(repeating: 0)
  var channel = 0
  while channel < headDim {
    greatest = maximum(loadBlock(source + channel, min(16, headDim &- channel)), greatest)
    channel &+= 16
  }
  return greatest.maximum()
}

/// Signed codes of 8 bits; of fewer bits they are moved by half their number.
@inline(__always) private func bytes(_ x: FloatLanes, _ inverse: FloatLanes, _ bits: Int) -> IntegerLanes {
  if bits == 8 { return signedCodes(x, inverse) }
  let half = Float(1 &<< (bits &- 1))
  let code = minimum(maximum(x * inverse, FloatLanes(repeating: 0 - half)), FloatLanes(repeating: half - 1))
  return code.nearestInteger() &+ IntegerLanes(repeating: Int32(half))
}

/// Where the codes of a position begin in the tiles of a head.
@inline(__always) func keyOffset(_ position: Int, _ tileBytes: Int) -> Int {
  position / 16 &* tileBytes &+ position % 16 &* 2
}

private enum KeyPlaces<Form: KeyForm>: CodePlaces {
  @inline(__always) static var bits: Int { Form.bits }
  @inline(__always) static func byteCount(_ headDim: Int) -> Int { headDim &* bits / 8 }

  @inline(__always) static func store(
    _ source: UnsafePointer<Float>, _ inverse: FloatLanes, _ headDim: Int, _ position: Int,
    _ plane: UnsafeMutablePointer<UInt8>
  ) {
    var block: (UInt64, UInt64) = (0, 0)
    withUnsafeMutableBytes(of: &block) { block in
      guard let codes = block.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
      var place = plane + keyOffset(position, Form.tileBytes(headDim))
      var channel = 0
      while channel < headDim {
        let width = min(16, headDim &- channel)
        bytes(loadBlock(source + channel, width), inverse, bits).storeBytes(codes)
        Form.store(codes, width, place)
        place += Form.tileBytes(16)
        channel &+= 16
      }
    }
  }
}

private enum ByteValues: CodePlaces {
  @inline(__always) static var bits: Int { 8 }
  @inline(__always) static func byteCount(_ headDim: Int) -> Int { headDim }

  @inline(__always) static func store(
    _ source: UnsafePointer<Float>, _ inverse: FloatLanes, _ headDim: Int, _ position: Int,
    _ plane: UnsafeMutablePointer<UInt8>
  ) {
    let row = plane + position &* headDim
    var channel = 0
    while channel < headDim {
      let width = min(16, headDim &- channel)
      let codes = bytes(loadBlock(source + channel, width), inverse, bits)
      if width == 16 {
        codes.storeBytes(row + channel)
      } else {
        codes.storeBytes(row + channel, count: width)
      }
      channel &+= 16
    }
  }
}

/// Sixteen channels in the low nibbles, the next sixteen in the high ones.
private enum NibbleValues: CodePlaces {
  @inline(__always) static var bits: Int { 4 }
  @inline(__always) static func byteCount(_ headDim: Int) -> Int { nibbleRowBytes(headDim) }

  @inline(__always) static func store(
    _ source: UnsafePointer<Float>, _ inverse: FloatLanes, _ headDim: Int, _ position: Int,
    _ plane: UnsafeMutablePointer<UInt8>
  ) {
    var target = plane + position &* byteCount(headDim)
    var channel = 0
    while channel < headDim {
      let left = headDim &- channel
      let low = bytes(loadBlock(source + channel, min(16, left)), inverse, bits)
      let high = bytes(loadBlock(source + (channel &+ 16), max(0, min(16, left &- 16))), inverse, bits)
      (low | high.shiftedLeft(4)).storeBytes(target)
      target += 16
      channel &+= 32
    }
  }
}
