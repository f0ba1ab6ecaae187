import CKernelABI
import CSIMD

extension TileShape {
  /// By the kernel for the form of the level's codes, or for the layout of its weights; planes come here expanded.
  @inline(never)
  func sum(
    _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
  ) {
    switch Int(level.pointee.form) {
    case SNQ_BIT_PLANES: sumBits(level, row, panel, sums)
    case SNQ_TABLES: sumTables(WholeTables.self, level, row, panel, sums)
    case SNQ_HALF_TABLES: sumTables(HalfTables.self, level, row, panel, sums)
    default:
      if level.pointee.layout == UInt32(SNQ_BYTES) {
        sumBytes(level, row, panel, sums)
      } else {
        sumNibbles(level, row, panel, sums)
      }
    }
  }

  @inline(__always)
  func sumBits(
    _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
  ) {
    switch self {
    case .by6x4: sumBits6x4(level, row, panel, sums)
    case .by4x4: sumBits4x4(level, row, panel, sums)
    case .by2x4: sumBits2x4(level, row, panel, sums)
    case .by6x2: sumBits6x2(level, row, panel, sums)
    case .by2x2: sumBits2x2(level, row, panel, sums)
    case .by1x2: sumBits1x2(level, row, panel, sums)
    case .by6x1: sumBits6x1(level, row, panel, sums)
    case .by2x1: sumBits2x1(level, row, panel, sums)
    case .by1x1: sumBits1x1(level, row, panel, sums)
    }
  }

  @inline(__always)
  func sumTables<Form: TableForm>(
    _ form: Form.Type, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int,
    _ sums: UnsafeMutablePointer<__m512i>
  ) {
    switch self {
    case .by6x4: sumTables6x4(form, level, row, panel, sums)
    case .by4x4: sumTables4x4(form, level, row, panel, sums)
    case .by2x4: sumTables2x4(form, level, row, panel, sums)
    case .by6x2: sumTables6x2(form, level, row, panel, sums)
    case .by2x2: sumTables2x2(form, level, row, panel, sums)
    case .by1x2: sumTables1x2(form, level, row, panel, sums)
    case .by6x1: sumTables6x1(form, level, row, panel, sums)
    case .by2x1: sumTables2x1(form, level, row, panel, sums)
    case .by1x1: sumTables1x1(form, level, row, panel, sums)
    }
  }
}

/// One row by `groups` times 4 panels.
@inline(never)
func sumRow(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>,
  _ groups: Int
) {
  switch Int(level.pointee.form) {
  case SNQ_BIT_PLANES: sumBits1x4(level, row, panel, sums, groups)
  case SNQ_TABLES: sumTables1x4(WholeTables.self, level, row, panel, sums, groups)
  case SNQ_HALF_TABLES: sumTables1x4(HalfTables.self, level, row, panel, sums, groups)
  default:
    if level.pointee.layout == UInt32(SNQ_BYTES) {
      sumBytes1x4(level, row, panel, sums, groups)
    } else {
      sumNibbles1x4(level, row, panel, sums, groups)
    }
  }
}
