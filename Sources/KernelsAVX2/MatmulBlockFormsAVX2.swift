import CKernelABI
import CSIMD

/// How a block is unpacked and multiplied.
enum BlockForm {
  /// Signed bytes to words.
  case words
  /// Nibbles to bytes less 8, or as they are.
  case nibbles(center: Int32, groups: Int)
  /// Planes to bytes less half their range.
  case planes(bits: Int, groups: Int)

  /// Codes are brought together, so that short pieces of them can be taken at once.
  @inline(__always)
  var takesPieces: Bool {
    if case .words = self { true } else { false }
  }

  /// What is taken off each weight, so that more products fit in 16 bits.
  @inline(__always)
  var center: Int32 {
    switch self {
    case .words: 0
    case .nibbles(let center, _): center
    case .planes(let bits, _): 1 &<< Int32(truncatingIfNeeded: bits &- 1)
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
  case .words: widenWeights(panel + channel &* 16, channels, target)
  case .nibbles(let center, _):
    unpackNibbles(panel + channel &* 8, channels, Int8(truncatingIfNeeded: center), target)
  case .planes: unpackPlanes(PlaneSource(level, panel), channel, channels, target)
  }
}

/// Adds the products of a block with one tile of rows.
@inline(__always)
func addBlockTile(_ form: BlockForm, _ block: WeightBlock, _ operands: BlockOperands) {
  switch form {
  case .words: addWordTile(block, operands)
  case .nibbles(_, let groups): addNarrowTile(block, operands, operands.codes, operands.codeStride, groups)
  case .planes(_, let groups):
    transposeCodes(
      operands.codes, operands.codeStride, rows: operands.rows, block.channels, operands.words, blockChannels)
    addNarrowTile(block, operands, operands.words, blockChannels, groups)
  }
}

@inline(__always)
private func addNarrowTile(
  _ block: WeightBlock, _ operands: BlockOperands, _ codes: UnsafePointer<UInt8>, _ codeStride: Int,
  _ groups: Int
) {
  for panel in 0..<block.panels {
    let run = NarrowRun(
      weights: block.weights + panel &* blockPanelBytes, codes: codes, codeStride: codeStride,
      channels: block.channels, groups: groups)
    let sums = operands.sums + panel &* blockPanelSums
    if groups < 4 {
      addPairedBytes(run, rows: operands.rows, sums)
    } else {
      addNarrowBytes(run, rows: operands.rows, sums)
    }
  }
}
