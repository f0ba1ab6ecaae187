import CKernelABI
import CSIMD

// One row: 4 panels at a time, so that 16 sums hide the latency of an addition while weights stream in.

/// One row of codes against the panels of a part; `isNibbles` is a literal.
private struct OneRow {
  let isNibbles: Bool
  let level: UnsafePointer<snq_matmul_args>
  let row: Int
  let sums: UnsafeMutablePointer<Int32>

  /// Adds 16 channels, all four lanes of the codes.
  @inline(__always)
  private func addSixteen(_ tile: UnsafePointer<UInt8>, _ codes: uint8x16_t, _ sum: inout OutputVectors) {
    if isNibbles {
      let (early, late) = (TileVectors(tile), TileVectors(tile + 64))
      sum.add(early.lowNibbles(), codes, 0)
      sum.add(early.highNibbles(), codes, 1)
      sum.add(late.lowNibbles(), codes, 2)
      sum.add(late.highNibbles(), codes, 3)
    } else {
      sum.add(TileVectors(tile), codes, 0)
      sum.add(TileVectors(tile + 64), codes, 1)
      sum.add(TileVectors(tile + 128), codes, 2)
      sum.add(TileVectors(tile + 192), codes, 3)
    }
  }

  /// Adds 4 channels, those of lane 0; of nibbles the lower or the upper ones.
  @inline(__always)
  private func addFour(
    _ tile: UnsafePointer<UInt8>, _ codes: uint8x16_t, _ isUpper: Bool, _ sum: inout OutputVectors
  ) {
    let weights = TileVectors(tile)
    sum.add(!isNibbles ? weights : isUpper ? weights.highNibbles() : weights.lowNibbles(), codes, 0)
  }

  /// * panels: 4 or 1, a literal.
  @inline(__always)
  func multiply(_ panels: Int, _ panel: Int) {
    guard let weights = level.pointee.weights, let allCodes = level.pointee.codes,
      let storedSum = level.pointee.storedSum
    else { return }
    let stride = level.pointee.panelStride
    var tile = weights + panel &* stride
    var codes = allCodes + row &* level.pointee.codeStride
    let stored = storedSum + 16 &* panel
    var first = DotProduct.start(stored)
    var (second, third, fourth) = (first, first, first)
    if panels > 1 {
      second = DotProduct.start(stored + 16)
      third = DotProduct.start(stored + 32)
      fourth = DotProduct.start(stored + 48)
    }
    var rest = Int(level.pointee.paddedChannels)
    while rest >= 16 {
      let sixteen = DotProduct.codes(snq_load_u8(codes))
      addSixteen(tile, sixteen, &first)
      if panels > 1 {
        addSixteen(tile + stride, sixteen, &second)
        addSixteen(tile + 2 &* stride, sixteen, &third)
        addSixteen(tile + 3 &* stride, sixteen, &fourth)
      }
      tile += isNibbles ? 128 : 256
      codes += 16
      rest &-= 16
    }
    var isUpper = false
    while rest > 0 {
      let four = DotProduct.codes(snq_load_word_u8(codes))
      addFour(tile, four, isUpper, &first)
      if panels > 1 {
        addFour(tile + stride, four, isUpper, &second)
        addFour(tile + 2 &* stride, four, isUpper, &third)
        addFour(tile + 3 &* stride, four, isUpper, &fourth)
      }
      if !isNibbles || isUpper { tile += 64 }
      isUpper.toggle()
      codes += 4
      rest &-= 4
    }
    first.store(sums)
    if panels > 1 {
      second.store(sums + 16)
      third.store(sums + 32)
      fourth.store(sums + 48)
    }
    for p in 0..<panels { finishTile(sums + 16 &* p, 1, level, row, panel &+ p) }
  }

  @inline(__always)
  func multiply(_ part: MatmulPart) {
    var panel = part.panelBegin
    while part.panelEnd &- panel >= 4 {
      multiply(4, panel)
      panel &+= 4
    }
    while panel < part.panelEnd {
      multiply(1, panel)
      panel &+= 1
    }
  }
}

/// One row of bytes against the panels of a part; the channels of the row are one piece.
@inline(never)
func oneRowOfBytes(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart, _ scratch: UnsafeMutablePointer<UInt8>
) {
  let sums = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: Int32.self)
  OneRow(isNibbles: false, level: level, row: part.rowBegin, sums: sums).multiply(part)
}

/// The same of nibbles.
@inline(never)
func oneRowOfNibbles(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart, _ scratch: UnsafeMutablePointer<UInt8>
) {
  let sums = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: Int32.self)
  OneRow(isNibbles: true, level: level, row: part.rowBegin, sums: sums).multiply(part)
}

/// Any level and part.
@inline(__always)
func multiplyDots(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart, _ scratch: UnsafeMutablePointer<UInt8>
) {
  if part.rows == 1, level.pointee.segments < 2 {
    switch WeightForm(level) {
    case .bytes: return oneRowOfBytes(level, part, scratch)
    case .nibbles: return oneRowOfNibbles(level, part, scratch)
    case .planes: break
    }
  }
  multiplyBlocks(level, part, scratch)
}
