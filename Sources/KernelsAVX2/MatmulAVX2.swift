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

/// Some neighbouring panels, all with steps worth taking or all without.
@inline(__always)
/// Few rows on weights that come from memory: steps read these out of order, which costs more than they save.
private func isStreamed(_ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart) -> Bool {
  part.rows < 4 && level.pointee.segments <= 1
    && Int(level.pointee.outputs) &* Int(level.pointee.paddedChannels) > 1 << 20
}

private func multiplyBytes(
  _ hasSteps: Bool, _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart,
  _ scratch: UnsafeMutablePointer<UInt8>
) {
  let isWhole = level.pointee.segments <= 1
  if hasSteps, part.rows > 1 || !isWhole, !isStreamed(level, part) {
    return multiplyPairs(level, part, scratch)
  }
  if part.rows < manyRows, isWhole { return multiplySplit(level, part, scratch) }
  multiplyBlocks(.words, level, part, scratch)
}

private func multiplyBytes(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart, _ scratch: UnsafeMutablePointer<UInt8>
) {
  let groups = groupsInWords(activationBits: Int(level.pointee.activationBits), weightLimit: 128)
  let isWhole = level.pointee.segments <= 1
  if isWhole, part.rows == 1, groups >= 8 {
    return multiplyOneRow(.bytes, level, part.rowBegin, part, scratch)
  }
  if isWhole, groups >= 4 { return multiplyNarrow(false, groups, level, part, scratch) }
  var panel = part.panelBegin
  while panel < part.panelEnd {
    let hasSteps = hasWordSteps(level, panel)
    var end = panel &+ 1
    while end < part.panelEnd, hasWordSteps(level, end) == hasSteps { end &+= 1 }
    multiplyBytes(hasSteps, level, part.panels(panel..<end), scratch)
    panel = end
  }
}

private func multiplyNibbles(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart, _ scratch: UnsafeMutablePointer<UInt8>
) {
  let bits = Int(level.pointee.activationBits)
  let isWhole = level.pointee.segments <= 1
  if isWhole, part.rows == 1 {
    return multiplyOneRow(bits < 8 ? .nibblesByFour : .nibbles, level, part.rowBegin, part, scratch)
  }
  if isWhole, part.rows < manyRows {
    return multiplyNarrow(true, groupsInWords(activationBits: bits, weightLimit: 15), level, part, scratch)
  }
  // Without sums of codes nothing can be taken off.
  let center: Int32 = level.pointee.weightConstant == 0 ? 0 : 8
  let groups = groupsInWords(activationBits: bits, weightLimit: center == 0 ? 15 : 8)
  multiplyBlocks(.nibbles(center: center, groups: groups), level, part, scratch)
}

private func multiplyPlanes(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart, _ scratch: UnsafeMutablePointer<UInt8>
) {
  let bits = Int(level.pointee.weightBits)
  if bits <= 3, part.rows < manyRows, level.pointee.segments <= 1 {
    return multiplyFields(level, part, scratch)
  }
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
