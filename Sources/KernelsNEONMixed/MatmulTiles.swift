import CKernelABI
import CSIMD

/// The tiles of blocks: from `matrixRows` rows on `usmmla`, for which weights are zipped; fewer rows by `sudot`.
struct MatmulTiles {
  @inline(__always) static var blockRows: Int { 48 }
  @inline(__always) static var codeBytes: Int { 1 }
  /// Zipping weights for fewer rows takes as long as it saves.
  @inline(__always) private var matrixRows: Int { 5 }

  @inline(__always) init(_ level: UnsafePointer<snq_matmul_args>) {}

  @inline(__always)
  func start(_ storedSum: UnsafePointer<Int32>) -> OutputVectors { DotProduct.start(storedSum) }

  @inline(__always)
  func prepare(_ codes: BlockCodes, _ scratch: BlockScratch) {
    if codes.rows >= matrixRows {
      prepareMatrixCodes(codes, 6, scratch.codes)
    } else {
      prepareDotCodes(codes, scratch.codes)
    }
  }

  @inline(__always)
  func add(
    _ weights: UnsafePointer<UInt8>, _ channels: Int, _ scratch: BlockScratch, _ rows: Int,
    _ sums: UnsafeMutablePointer<Int32>
  ) {
    if rows >= matrixRows {
      arrangeMatrixWeights(weights, channels, scratch.arranged)
      addMatrixTiles(scratch.arranged, channels, scratch.codes, rows, sums)
    } else {
      addDotTiles(weights, channels, scratch.codes, rows, sums)
    }
  }
}
