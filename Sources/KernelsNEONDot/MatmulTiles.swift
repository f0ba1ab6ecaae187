import CKernelABI
import CSIMD

/// The tiles of blocks: `sdot` reads weights where and as they lie.
struct MatmulTiles {
  @inline(__always) static var blockRows: Int { 48 }
  @inline(__always) static var codeBytes: Int { 1 }

  @inline(__always) init(_ level: UnsafePointer<snq_matmul_args>) {}

  @inline(__always)
  func start(_ storedSum: UnsafePointer<Int32>) -> OutputVectors { DotProduct.start(storedSum) }

  @inline(__always)
  func prepare(_ codes: BlockCodes, _ scratch: BlockScratch) { prepareDotCodes(codes, scratch.codes) }

  @inline(__always)
  func add(
    _ weights: UnsafePointer<UInt8>, _ channels: Int, _ scratch: BlockScratch, _ rows: Int,
    _ sums: UnsafeMutablePointer<Int32>
  ) {
    addDotTiles(weights, channels, scratch.codes, rows, sums)
  }
}
