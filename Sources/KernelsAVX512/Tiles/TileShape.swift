import CKernelABI
import CSIMD

/// Rows by panels of a tile; one row by four panels has functions of its own, which take several tiles at a time.
///
/// One function a shape and kind of kernel does the work, because the optimiser stops inlining when a caller grows. They
/// leave sum(t * q) of a level in `sums`, as [row][panel].
enum TileShape {
  case by6x4, by4x4, by2x4, by6x2, by2x2, by1x2, by6x1, by2x1, by1x1

  @inline(__always)
  var rows: Int {
    switch self {
    case .by6x4, .by6x2, .by6x1: 6
    case .by4x4: 4
    case .by2x4, .by2x2, .by2x1: 2
    case .by1x2, .by1x1: 1
    }
  }

  @inline(__always)
  var panels: Int {
    switch self {
    case .by6x4, .by4x4, .by2x4: 4
    case .by6x2, .by2x2, .by1x2: 2
    case .by6x1, .by2x1, .by1x1: 1
    }
  }

  @inline(__always)
  func sumBytes(
    _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
  ) {
    switch self {
    case .by6x4: sumBytes6x4(level, row, panel, sums)
    case .by4x4: sumBytes4x4(level, row, panel, sums)
    case .by2x4: sumBytes2x4(level, row, panel, sums)
    case .by6x2: sumBytes6x2(level, row, panel, sums)
    case .by2x2: sumBytes2x2(level, row, panel, sums)
    case .by1x2: sumBytes1x2(level, row, panel, sums)
    case .by6x1: sumBytes6x1(level, row, panel, sums)
    case .by2x1: sumBytes2x1(level, row, panel, sums)
    case .by1x1: sumBytes1x1(level, row, panel, sums)
    }
  }

  @inline(__always)
  func sumNibbles(
    _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
  ) {
    switch self {
    case .by6x4: sumNibbles6x4(level, row, panel, sums)
    case .by4x4: sumNibbles4x4(level, row, panel, sums)
    case .by2x4: sumNibbles2x4(level, row, panel, sums)
    case .by6x2: sumNibbles6x2(level, row, panel, sums)
    case .by2x2: sumNibbles2x2(level, row, panel, sums)
    case .by1x2: sumNibbles1x2(level, row, panel, sums)
    case .by6x1: sumNibbles6x1(level, row, panel, sums)
    case .by2x1: sumNibbles2x1(level, row, panel, sums)
    case .by1x1: sumNibbles1x1(level, row, panel, sums)
    }
  }
}
