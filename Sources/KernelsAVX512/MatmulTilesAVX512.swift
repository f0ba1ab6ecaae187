import CKernelABI
import CSIMD

extension TileShape {
  /// By the kernel for the layout of the level.
  @inline(never)
  func sum(
    _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
  ) {
    if level.pointee.layout == UInt32(SNQ_BYTES) {
      sumBytes(level, row, panel, sums)
    } else {
      sumNibbles(level, row, panel, sums)
    }
  }
}

/// One row by `groups` times 4 panels.
@inline(never)
func sumRow(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>,
  _ groups: Int
) {
  if level.pointee.layout == UInt32(SNQ_BYTES) {
    sumBytes1x4(level, row, panel, sums, groups)
  } else {
    sumNibbles1x4(level, row, panel, sums, groups)
  }
}
