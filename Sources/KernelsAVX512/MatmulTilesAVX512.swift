import CKernelABI
import CSIMD

// One function a tile shape and form, because the optimiser stops inlining when a caller grows.

/// The first weights and activations of a tile.
private struct TileSource {
  let weights: UnsafePointer<UInt8>
  let codes: UnsafePointer<UInt8>
  let panelStride: Int
  let codeStride: Int
  let channels: Int

  @inline(__always)
  init?(_ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int) {
    guard let weights = level.pointee.weights, let codes = level.pointee.codes else { return nil }
    panelStride = Int(level.pointee.panelStride)
    codeStride = Int(level.pointee.codeStride)
    channels = Int(level.pointee.paddedChannels)
    self.weights = weights + panel &* panelStride
    self.codes = codes + row &* codeStride
  }
}

/// Codes against bytes, nibbles or planes; the layout is the same for a whole call.
@inline(__always)
func sumCodes(
  _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int,
  _ sums: UnsafeMutablePointer<__m512i>
) {
  guard let source = TileSource(level, row, panel) else { return }
  var tile = MatmulTile(rows, panels)
  switch Int(level.pointee.layout) {
  case SNQ_BYTES:
    tile.addBytes(source.weights, source.panelStride, source.codes, source.codeStride, source.channels)
  case SNQ_NIBBLES:
    tile.addNibbles(source.weights, source.panelStride, source.codes, source.codeStride, source.channels)
  default:
    let planes = PlaneSource(level, source.weights)
    tile.addPlanes(planes, source.codes, source.codeStride, source.channels)
  }
  tile.store(sums, panels)
}

@inline(__always)
func sumBits(
  _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int,
  _ sums: UnsafeMutablePointer<__m512i>
) {
  guard let source = TileSource(level, row, panel) else { return }
  var tile = MatmulTile(rows, panels)
  tile.addBitSerial(
    PlaneSource(level, source.weights), source.codes, source.codeStride, source.channels,
    Int(level.pointee.activationBits))
  tile.store(sums, panels)
}

/// Tables and the indices of two nibbles take the registers of two panels: 4 panels with many rows are two tiles.
@inline(__always)
func sumTables(
  _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int,
  _ sums: UnsafeMutablePointer<__m512i>, halves: Int
) {
  let width = rows > 2 && panels > 2 ? 2 : panels
  var done = 0
  while done < panels {
    guard let source = TileSource(level, row, panel &+ done) else { return }
    var tile = MatmulTile(rows, width)
    tile.addTables(
      PlaneSource(level, source.weights), source.codes, source.codeStride, source.channels, halves: halves)
    tile.store(sums + done, panels)
    done &+= width
  }
}

/// Leaves sum(t * q) of a level in `sums`, as [row][panel].
@inline(never)
func sumTile6x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  switch Int(level.pointee.form) {
  case SNQ_BIT_PLANES: sumBits6x4(level, row, panel, sums)
  case SNQ_TABLES: sumTables6x4(level, row, panel, sums)
  case SNQ_HALF_TABLES: sumHalfTables6x4(level, row, panel, sums)
  default: sumCodes(6, 4, level, row, panel, sums)
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
  default: sumCodes(4, 4, level, row, panel, sums)
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
  default: sumCodes(2, 4, level, row, panel, sums)
  }
}

/// Leaves sum(t * q) of a level in `sums`, as [row][panel].
@inline(never)
func sumTile1x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  switch Int(level.pointee.form) {
  case SNQ_BIT_PLANES: sumBits1x4(level, row, panel, sums)
  case SNQ_TABLES: sumTables1x4(level, row, panel, sums)
  case SNQ_HALF_TABLES: sumHalfTables1x4(level, row, panel, sums)
  default: sumCodes(1, 4, level, row, panel, sums)
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
  default: sumCodes(6, 2, level, row, panel, sums)
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
  default: sumCodes(2, 2, level, row, panel, sums)
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
  default: sumCodes(1, 2, level, row, panel, sums)
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
  default: sumCodes(6, 1, level, row, panel, sums)
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
  default: sumCodes(2, 1, level, row, panel, sums)
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
  default: sumCodes(1, 1, level, row, panel, sums)
  }
}

@inline(never)
private func sumBits6x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBits(6, 4, level, row, panel, sums)
}

@inline(never)
private func sumBits4x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBits(4, 4, level, row, panel, sums)
}

@inline(never)
private func sumBits2x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBits(2, 4, level, row, panel, sums)
}

@inline(never)
private func sumBits1x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBits(1, 4, level, row, panel, sums)
}

@inline(never)
private func sumBits6x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBits(6, 2, level, row, panel, sums)
}

@inline(never)
private func sumBits2x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBits(2, 2, level, row, panel, sums)
}

@inline(never)
private func sumBits1x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBits(1, 2, level, row, panel, sums)
}

@inline(never)
private func sumBits6x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBits(6, 1, level, row, panel, sums)
}

@inline(never)
private func sumBits2x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBits(2, 1, level, row, panel, sums)
}

@inline(never)
private func sumBits1x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBits(1, 1, level, row, panel, sums)
}

@inline(never)
private func sumTables6x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(6, 4, level, row, panel, sums, halves: 1)
}

@inline(never)
private func sumTables4x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(4, 4, level, row, panel, sums, halves: 1)
}

@inline(never)
private func sumTables2x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(2, 4, level, row, panel, sums, halves: 1)
}

@inline(never)
private func sumTables1x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(1, 4, level, row, panel, sums, halves: 1)
}

@inline(never)
private func sumTables6x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(6, 2, level, row, panel, sums, halves: 1)
}

@inline(never)
private func sumTables2x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(2, 2, level, row, panel, sums, halves: 1)
}

@inline(never)
private func sumTables1x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(1, 2, level, row, panel, sums, halves: 1)
}

@inline(never)
private func sumTables6x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(6, 1, level, row, panel, sums, halves: 1)
}

@inline(never)
private func sumTables2x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(2, 1, level, row, panel, sums, halves: 1)
}

@inline(never)
private func sumTables1x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(1, 1, level, row, panel, sums, halves: 1)
}

@inline(never)
private func sumHalfTables6x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(6, 4, level, row, panel, sums, halves: 2)
}

@inline(never)
private func sumHalfTables4x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(4, 4, level, row, panel, sums, halves: 2)
}

@inline(never)
private func sumHalfTables2x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(2, 4, level, row, panel, sums, halves: 2)
}

@inline(never)
private func sumHalfTables1x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(1, 4, level, row, panel, sums, halves: 2)
}

@inline(never)
private func sumHalfTables6x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(6, 2, level, row, panel, sums, halves: 2)
}

@inline(never)
private func sumHalfTables2x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(2, 2, level, row, panel, sums, halves: 2)
}

@inline(never)
private func sumHalfTables1x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(1, 2, level, row, panel, sums, halves: 2)
}

@inline(never)
private func sumHalfTables6x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(6, 1, level, row, panel, sums, halves: 2)
}

@inline(never)
private func sumHalfTables2x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(2, 1, level, row, panel, sums, halves: 2)
}

@inline(never)
private func sumHalfTables1x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(1, 1, level, row, panel, sums, halves: 2)
}
