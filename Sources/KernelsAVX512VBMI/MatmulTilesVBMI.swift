import CKernelABI
import CSIMD

// One function a tile shape and kind of kernel, because the optimiser stops inlining when a caller grows.

/// Leaves sum(t * q) of a level in `sums`, as [row][panel].
@inline(never)
func sumTile6x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  switch Int(level.pointee.form) {
  case SNQ_BIT_PLANES: sumBits6x4(level, row, panel, sums)
  case SNQ_TABLES: sumTables6x4(level, row, panel, sums)
  case SNQ_HALF_TABLES: sumHalfTables6x4(level, row, panel, sums)
  default:
    // Planes come here expanded.
    if level.pointee.layout == UInt32(SNQ_BYTES) {
      sumBytes6x4(level, row, panel, sums)
    } else {
      sumNibbles6x4(level, row, panel, sums)
    }
  }
}

/// Leaves sum(t * q) of a level in `sums`, as [row][panel].
@inline(never)
func sumTile4x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  switch Int(level.pointee.form) {
  case SNQ_BIT_PLANES: sumBits4x4(level, row, panel, sums)
  case SNQ_TABLES: sumTables4x4(level, row, panel, sums)
  case SNQ_HALF_TABLES: sumHalfTables4x4(level, row, panel, sums)
  default:
    // Planes come here expanded.
    if level.pointee.layout == UInt32(SNQ_BYTES) {
      sumBytes4x4(level, row, panel, sums)
    } else {
      sumNibbles4x4(level, row, panel, sums)
    }
  }
}

/// Leaves sum(t * q) of a level in `sums`, as [row][panel].
@inline(never)
func sumTile2x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  switch Int(level.pointee.form) {
  case SNQ_BIT_PLANES: sumBits2x4(level, row, panel, sums)
  case SNQ_TABLES: sumTables2x4(level, row, panel, sums)
  case SNQ_HALF_TABLES: sumHalfTables2x4(level, row, panel, sums)
  default:
    // Planes come here expanded.
    if level.pointee.layout == UInt32(SNQ_BYTES) {
      sumBytes2x4(level, row, panel, sums)
    } else {
      sumNibbles2x4(level, row, panel, sums)
    }
  }
}

/// Leaves sum(t * q) of a level in `sums`, as [row][panel]; `groups` times 4 panels.
@inline(never)
func sumTile1x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>,
  _ groups: Int
) {
  switch Int(level.pointee.form) {
  case SNQ_BIT_PLANES: sumBits1x4(level, row, panel, sums, groups)
  case SNQ_TABLES: sumTables1x4(level, row, panel, sums, groups)
  case SNQ_HALF_TABLES: sumHalfTables1x4(level, row, panel, sums, groups)
  default:
    // Planes come here expanded.
    if level.pointee.layout == UInt32(SNQ_BYTES) {
      sumBytes1x4(level, row, panel, sums, groups)
    } else {
      sumNibbles1x4(level, row, panel, sums, groups)
    }
  }
}

/// Leaves sum(t * q) of a level in `sums`, as [row][panel].
@inline(never)
func sumTile6x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  switch Int(level.pointee.form) {
  case SNQ_BIT_PLANES: sumBits6x2(level, row, panel, sums)
  case SNQ_TABLES: sumTables6x2(level, row, panel, sums)
  case SNQ_HALF_TABLES: sumHalfTables6x2(level, row, panel, sums)
  default:
    // Planes come here expanded.
    if level.pointee.layout == UInt32(SNQ_BYTES) {
      sumBytes6x2(level, row, panel, sums)
    } else {
      sumNibbles6x2(level, row, panel, sums)
    }
  }
}

/// Leaves sum(t * q) of a level in `sums`, as [row][panel].
@inline(never)
func sumTile2x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  switch Int(level.pointee.form) {
  case SNQ_BIT_PLANES: sumBits2x2(level, row, panel, sums)
  case SNQ_TABLES: sumTables2x2(level, row, panel, sums)
  case SNQ_HALF_TABLES: sumHalfTables2x2(level, row, panel, sums)
  default:
    // Planes come here expanded.
    if level.pointee.layout == UInt32(SNQ_BYTES) {
      sumBytes2x2(level, row, panel, sums)
    } else {
      sumNibbles2x2(level, row, panel, sums)
    }
  }
}

/// Leaves sum(t * q) of a level in `sums`, as [row][panel].
@inline(never)
func sumTile1x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  switch Int(level.pointee.form) {
  case SNQ_BIT_PLANES: sumBits1x2(level, row, panel, sums)
  case SNQ_TABLES: sumTables1x2(level, row, panel, sums)
  case SNQ_HALF_TABLES: sumHalfTables1x2(level, row, panel, sums)
  default:
    // Planes come here expanded.
    if level.pointee.layout == UInt32(SNQ_BYTES) {
      sumBytes1x2(level, row, panel, sums)
    } else {
      sumNibbles1x2(level, row, panel, sums)
    }
  }
}

/// Leaves sum(t * q) of a level in `sums`, as [row][panel].
@inline(never)
func sumTile6x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  switch Int(level.pointee.form) {
  case SNQ_BIT_PLANES: sumBits6x1(level, row, panel, sums)
  case SNQ_TABLES: sumTables6x1(level, row, panel, sums)
  case SNQ_HALF_TABLES: sumHalfTables6x1(level, row, panel, sums)
  default:
    // Planes come here expanded.
    if level.pointee.layout == UInt32(SNQ_BYTES) {
      sumBytes6x1(level, row, panel, sums)
    } else {
      sumNibbles6x1(level, row, panel, sums)
    }
  }
}

/// Leaves sum(t * q) of a level in `sums`, as [row][panel].
@inline(never)
func sumTile2x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  switch Int(level.pointee.form) {
  case SNQ_BIT_PLANES: sumBits2x1(level, row, panel, sums)
  case SNQ_TABLES: sumTables2x1(level, row, panel, sums)
  case SNQ_HALF_TABLES: sumHalfTables2x1(level, row, panel, sums)
  default:
    // Planes come here expanded.
    if level.pointee.layout == UInt32(SNQ_BYTES) {
      sumBytes2x1(level, row, panel, sums)
    } else {
      sumNibbles2x1(level, row, panel, sums)
    }
  }
}

/// Leaves sum(t * q) of a level in `sums`, as [row][panel].
@inline(never)
func sumTile1x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  switch Int(level.pointee.form) {
  case SNQ_BIT_PLANES: sumBits1x1(level, row, panel, sums)
  case SNQ_TABLES: sumTables1x1(level, row, panel, sums)
  case SNQ_HALF_TABLES: sumHalfTables1x1(level, row, panel, sums)
  default:
    // Planes come here expanded.
    if level.pointee.layout == UInt32(SNQ_BYTES) {
      sumBytes1x1(level, row, panel, sums)
    } else {
      sumNibbles1x1(level, row, panel, sums)
    }
  }
}
