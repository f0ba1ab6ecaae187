import CKernelABI
import CSIMD

/// From this many rows on, unpacking weights into scratch memory pays.
private let manyRows = 12

/// Tiles that read weights from the panel: the narrow forms.
@inline(__always)
private func multiplyNarrow(
  _ isNibbles: Bool, _ groups: Int, _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart,
  _ scratch: UnsafeMutablePointer<UInt8>
) {
  guard let allWeights = level.pointee.weights, let allCodes = level.pointee.codes else { return }
  let codeStride = Int(level.pointee.codeStride)
  let sums = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: __m256i.self)
  var panel = part.panelBegin
  while panel < part.panelEnd {
    let weights = allWeights + panel &* Int(level.pointee.panelStride)
    var row = part.rowBegin
    while row < part.rowEnd {
      let rows = min(isNibbles ? 4 : 6, tileRows(part.rowEnd &- row))
      let run = NarrowRun(
        weights: weights, codes: allCodes + row &* codeStride, codeStride: codeStride,
        channels: Int(level.pointee.paddedChannels), groups: groups)
      for r in 0..<rows { OutputVectors().store(sums + r &* 2) }
      if isNibbles {
        addNarrowNibbles(run, rows: rows, sums)
      } else {
        addNarrowBytes(run, rows: rows, sums)
      }
      finishTile(sums, rows, level, row, panel)
      row &+= rows
    }
    panel &+= 1
  }
}

/// Bytes of 5 to 7 bits with 8-bit codes, read from the panel: less half of their range two products fit in 16 bits.
private func multiplyPairs(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart, _ scratch: UnsafeMutablePointer<UInt8>
) {
  guard let allWeights = level.pointee.weights, let allCodes = level.pointee.codes else { return }
  let codeStride = Int(level.pointee.codeStride)
  let center = Int32(1) &<< Int32(truncatingIfNeeded: level.pointee.weightBits &- 1)
  let sums = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: __m256i.self)
  let panelStride = Int(level.pointee.panelStride)
  // Each tile of rows asks for its share of the next panel, which comes from far.
  let share = (panelStride / max(1, part.rows / 6) &+ 63) & ~63
  var panel = part.panelBegin
  while panel < part.panelEnd {
    let weights = allWeights + panel &* panelStride
    var row = part.rowBegin
    var ahead = panel &+ 1 < part.panelEnd ? panelStride : 2 &* panelStride
    while row < part.rowEnd {
      let rows = tileRows(part.rowEnd &- row)
      let shareEnd = min(2 &* panelStride, ahead &+ share)
      while ahead < shareEnd {
        snq_prefetch_first(weights + ahead)
        ahead &+= 64
      }
      let run = NarrowRun(
        weights: weights, codes: allCodes + row &* codeStride, codeStride: codeStride,
        channels: Int(level.pointee.paddedChannels), groups: 1, center: Int8(truncatingIfNeeded: center))
      startSums(level, row, rows, center, sums)
      addPairedBytes(run, rows: rows, sums)
      finishTile(sums, rows, level, row, panel)
      row &+= rows
    }
    panel &+= 1
  }
}

private func multiplyBytes(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart, _ scratch: UnsafeMutablePointer<UInt8>
) {
  let (bits, activationBits) = (Int(level.pointee.weightBits), Int(level.pointee.activationBits))
  let groups = groupsInWords(activationBits: activationBits, weightLimit: 128)
  if part.rows == 1 && groups >= 8 { return multiplyOneRow(.bytes, level, part.rowBegin, part, scratch) }
  if groups >= 2 { return multiplyNarrow(false, groups, level, part, scratch) }
  if bits < 8 && part.rows > 1 { return multiplyPairs(level, part, scratch) }
  if part.rows < manyRows { return multiplySplit(level, part, scratch) }
  multiplyBlocks(.words, level, part, scratch)
}

private func multiplyNibbles(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart, _ scratch: UnsafeMutablePointer<UInt8>
) {
  let bits = Int(level.pointee.activationBits)
  if part.rows == 1 {
    return multiplyOneRow(bits < 8 ? .nibblesByFour : .nibbles, level, part.rowBegin, part, scratch)
  }
  if part.rows < manyRows {
    return multiplyNarrow(true, groupsInWords(activationBits: bits, weightLimit: 15), level, part, scratch)
  }
  multiplyBlocks(.nibbles(groups: groupsInWords(activationBits: bits, weightLimit: 8)), level, part, scratch)
}

private func multiplyPlanes(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart, _ scratch: UnsafeMutablePointer<UInt8>
) {
  let bits = Int(level.pointee.weightBits)
  if bits <= 3 && part.rows < manyRows { return multiplyFields(level, part, scratch) }
  let groups = groupsInWords(
    activationBits: Int(level.pointee.activationBits), weightLimit: 1 &<< (bits &- 1))
  multiplyBlocks(.planes(bits: bits, groups: groups), level, part, scratch)
}

@c @implementation
func snq_matmul_bytes_6x1__avx2(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let level = args, let scratch = level.pointee.scratch else { return }
  multiplyBytes(level, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
}

@c @implementation
func snq_matmul_nibbles_6x1__avx2(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let level = args, let scratch = level.pointee.scratch else { return }
  multiplyNibbles(level, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
}

@c @implementation
func snq_matmul_planes_6x1__avx2(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let level = args, let scratch = level.pointee.scratch else { return }
  multiplyPlanes(level, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
}

@c @implementation
func snq_matmul_bit_serial_1x1__avx2(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let level = args, let scratch = level.pointee.scratch else { return }
  multiplyBits(level, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
}

@c @implementation
func snq_matmul_tables_4x2__avx2(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let level = args, let scratch = level.pointee.scratch else { return }
  multiplyTables(1, level, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
}

@c @implementation
func snq_matmul_half_tables_2x2__avx2(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let level = args, let scratch = level.pointee.scratch else { return }
  multiplyTables(2, level, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
}
