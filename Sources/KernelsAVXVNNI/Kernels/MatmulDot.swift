import CKernelABI
import CSIMD

/// How a block is unpacked.
enum BlockForm {
  /// Nibbles to bytes less 8.
  case nibbles
  /// Planes to bytes less half their range.
  case planes(bits: Int)

  /// Codes are read where they are.
  @inline(__always) var takesPieces: Bool { false }

  /// What unpacking takes off each weight: needless here, but the unpackers serve AVX2 too.
  @inline(__always)
  var center: Int32 {
    switch self {
    case .nibbles: 8
    case .planes(let bits): 1 &<< Int32(truncatingIfNeeded: bits &- 1)
    }
  }
}

/// Writes the weights of a block of one panel to scratch memory.
@inline(__always)
func unpack(
  _ form: BlockForm, _ level: UnsafePointer<snq_matmul_args>, _ panel: UnsafePointer<UInt8>,
  _ channel: Int, _ channels: Int, _ target: UnsafeMutablePointer<UInt8>
) {
  switch form {
  case .nibbles: unpackNibbles(panel + channel &* 8, channels, 8, target)
  case .planes: unpackPlanes(PlaneSource(level, panel), channel, channels, target)
  }
}

/// Adds the products of a block with one tile of rows.
@inline(__always)
func addBlockTile(_ form: BlockForm, _ block: WeightBlock, _ operands: BlockOperands) {
  var (codes, codeStride) = (operands.codes, operands.codeStride)
  if case .planes = form {
    transposeCodes(codes, codeStride, rows: operands.rows, block.channels, operands.words, blockChannels)
    (codes, codeStride) = (UnsafePointer(operands.words), blockChannels)
  }
  for panel in 0..<block.panels {
    let run = DotRun(
      weights: block.weights + panel &* blockPanelBytes, codes: codes, codeStride: codeStride,
      channels: block.channels)
    addDotBytes(run, rows: operands.rows, operands.sums + panel &* blockPanelSums)
  }
}

/// From this many rows on, unpacking nibbles into scratch memory pays.
private let manyRows = 32

/// The same of planes.
private let manyPlaneRows = 8

/// Tiles that read weights from the panel.
@inline(__always)
private func multiplyTiles(
  _ isNibbles: Bool, _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart,
  _ sums: UnsafeMutablePointer<__m256i>
) {
  guard let allWeights = level.pointee.weights, let allCodes = level.pointee.codes else { return }
  let codeStride = Int(level.pointee.codeStride)
  var panel = part.panelBegin
  while panel < part.panelEnd {
    let weights = allWeights + panel &* Int(level.pointee.panelStride)
    var row = part.rowBegin
    while row < part.rowEnd {
      let rows = tileRows(part.rowEnd &- row)
      let run = DotRun(
        weights: weights, codes: allCodes + row &* codeStride, codeStride: codeStride,
        channels: Int(level.pointee.paddedChannels))
      for r in 0..<rows { OutputVectors().store(sums + r &* 2) }
      if isNibbles {
        addDotNibbles(run, rows: rows, sums)
      } else {
        addDotBytes(run, rows: rows, sums)
      }
      finishTile(sums, rows, level, row, panel)
      row &+= rows
    }
    panel &+= 1
  }
}

/// 8-bit weights, any part of the rows and panels.
func multiplyDotBytes(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart, _ scratch: UnsafeMutablePointer<UInt8>
) {
  let sums = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: __m256i.self)
  if part.rows == 1 { return oneDotRowOfBytes(level, part.rowBegin, part, sums) }
  multiplyTiles(false, level, part, sums)
}

/// 4-bit weights.
func multiplyDotNibbles(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart, _ scratch: UnsafeMutablePointer<UInt8>
) {
  let sums = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: __m256i.self)
  if part.rows == 1 { return oneDotRowOfNibbles(level, part.rowBegin, part, sums) }
  if part.rows < manyRows { return multiplyTiles(true, level, part, sums) }
  multiplyBlocks(.nibbles, level, part, scratch)
}

/// Planes of 1 to 7 bits.
func multiplyDotPlanes(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart, _ scratch: UnsafeMutablePointer<UInt8>
) {
  let bits = Int(level.pointee.weightBits)
  // Few rows are bound by rebuilding the weights, so the multiplication may be that of AVX2.
  if bits <= 3 && part.rows < manyPlaneRows { return multiplyFields(level, part, scratch) }
  multiplyBlocks(.planes(bits: bits), level, part, scratch)
}
