import CKernelABI
import CSIMD

// Tiles of ARMv8.0: `smull` and `smlal` multiply signed bytes and add in 16 bits, `sadalp` adds pairs of these to 32 bits.
//
// Codes of 8 bits lose 128. Where 8 products fit in 16 bits (narrow), they are added first. Else two products are: of two
// of -128 * -128 the sum would not fit, so every second one is -(~t) * q, which is t * q + q, and the sum of those q is
// taken off at the end.

/// What is multiplied, and how.
struct MatmulTiles {
  /// 8 products fit in 16 bits.
  let isNarrow: Bool
  /// Codes of 8 bits: 128 is taken off.
  let isFlipped: Bool

  @inline(__always) static var blockRows: Int { 24 }
  /// A pair of codes fills 8 bytes.
  @inline(__always) static var codeBytes: Int { 4 }

  @inline(__always)
  init(_ level: UnsafePointer<snq_matmul_args>) {
    let codeBits = Int(level.pointee.activationBits)
    let weightBits = Int(level.pointee.weightBits)
    isFlipped = codeBits > 7
    let largestCode = isFlipped ? 128 : (1 &<< codeBits) &- 1
    let largestWeight = weightBits > 7 ? 128 : (1 &<< weightBits) &- 1
    isNarrow = 8 &* largestCode &* largestWeight < 32768
  }

  @inline(__always)
  func start(_ storedSum: UnsafePointer<Int32>) -> OutputVectors {
    let lost = vdupq_n_s32(isFlipped ? 128 : 0)
    return OutputVectors(storedSum).map { vmulq_s32($0, lost) }
  }

  @inline(__always)
  func prepare(_ codes: BlockCodes, _ scratch: BlockScratch) {
    let source = ByteCodes(
      codes: codes, isFlipped: isFlipped, corrections: isNarrow ? nil : scratch.corrections)
    prepareByteCodes(source, scratch.codes)
  }

  @inline(__always)
  func add(
    _ weights: UnsafePointer<UInt8>, _ channels: Int, _ scratch: BlockScratch, _ rows: Int,
    _ sums: UnsafeMutablePointer<Int32>
  ) {
    let run = ByteRun(
      weights: UnsafePointer(scratch.arranged), codes: UnsafePointer(scratch.codes), channels: channels,
      corrections: scratch.corrections, sums: sums)
    if isNarrow {
      arrangeByteWeights(weights, channels, 0, scratch.arranged)
      addNarrowTiles(run, rows)
    } else {
      arrangeByteWeights(weights, channels, 255, scratch.arranged)
      addWideTiles(run, rows)
    }
  }
}
