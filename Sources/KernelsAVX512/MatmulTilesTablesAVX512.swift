import CKernelABI
import CSIMD

/// Tables and the indices of two nibbles take the registers of two panels: 4 panels with many rows are two tiles.
/// They share the tables of as many channels as half of the L1 cache holds.
@inline(__always)
private func sumTables(
  _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int,
  _ sums: UnsafeMutablePointer<__m512i>, halves: Int
) {
  guard let source = TileSource(level, row, panel) else { return }
  let planes = PlaneSource(level, source.weights)
  let width = rows > 2 && panels > 2 ? 2 : panels
  let most = (4096 / (rows &* halves)) & ~31
  var channel = 0
  while channel < source.channels {
    let end = min(source.channels, channel &+ most)
    var done = 0
    while done < panels {
      sumPlanesByTables(rows, width, planes, source, channel, end, done, sums + done, panels, halves: halves)
      done &+= width
    }
    channel = end
  }
}

@inline(never)
func sumTables6x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(6, 4, level, row, panel, sums, halves: 1)
}

@inline(never)
func sumTables4x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(4, 4, level, row, panel, sums, halves: 1)
}

@inline(never)
func sumTables2x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(2, 4, level, row, panel, sums, halves: 1)
}

@inline(never)
func sumTables1x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>,
  _ groups: Int
) {
  for group in 0..<groups {
    sumTables(1, 4, level, row, panel &+ 4 &* group, sums + 4 &* group, halves: 1)
  }
}

@inline(never)
func sumTables6x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(6, 2, level, row, panel, sums, halves: 1)
}

@inline(never)
func sumTables2x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(2, 2, level, row, panel, sums, halves: 1)
}

@inline(never)
func sumTables1x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(1, 2, level, row, panel, sums, halves: 1)
}

@inline(never)
func sumTables6x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(6, 1, level, row, panel, sums, halves: 1)
}

@inline(never)
func sumTables2x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(2, 1, level, row, panel, sums, halves: 1)
}

@inline(never)
func sumTables1x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(1, 1, level, row, panel, sums, halves: 1)
}

@inline(never)
func sumHalfTables6x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(6, 4, level, row, panel, sums, halves: 2)
}

@inline(never)
func sumHalfTables4x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(4, 4, level, row, panel, sums, halves: 2)
}

@inline(never)
func sumHalfTables2x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(2, 4, level, row, panel, sums, halves: 2)
}

@inline(never)
func sumHalfTables1x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>,
  _ groups: Int
) {
  for group in 0..<groups {
    sumTables(1, 4, level, row, panel &+ 4 &* group, sums + 4 &* group, halves: 2)
  }
}

@inline(never)
func sumHalfTables6x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(6, 2, level, row, panel, sums, halves: 2)
}

@inline(never)
func sumHalfTables2x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(2, 2, level, row, panel, sums, halves: 2)
}

@inline(never)
func sumHalfTables1x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(1, 2, level, row, panel, sums, halves: 2)
}

@inline(never)
func sumHalfTables6x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(6, 1, level, row, panel, sums, halves: 2)
}

@inline(never)
func sumHalfTables2x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(2, 1, level, row, panel, sums, halves: 2)
}

@inline(never)
func sumHalfTables1x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTables(1, 1, level, row, panel, sums, halves: 2)
}

