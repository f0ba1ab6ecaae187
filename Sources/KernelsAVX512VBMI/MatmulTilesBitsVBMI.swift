import CKernelABI
import CSIMD

/// Tiles of 2 rows x 4 panels: the counting of bits is at its peak with few sums, and falls with many. With fewer panels
/// all rows share the weights.
@inline(__always)
private func sumBits(
  _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int,
  _ sums: UnsafeMutablePointer<__m512i>
) {
  let height = rows > 2 && panels == 4 ? 2 : rows
  var done = 0
  while done < rows {
    guard let source = TileSource(level, row &+ done, panel) else { return }
    sumBitSerial(height, panels, level, source, sums + done &* panels)
    done &+= height
  }
}

@inline(never)
func sumBits6x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBits(6, 4, level, row, panel, sums)
}

@inline(never)
func sumBits4x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBits(4, 4, level, row, panel, sums)
}

@inline(never)
func sumBits2x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBits(2, 4, level, row, panel, sums)
}

@inline(never)
func sumBits1x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>,
  _ groups: Int
) {
  for group in 0..<groups {
    sumBits(1, 4, level, row, panel &+ 4 &* group, sums + 4 &* group)
  }
}

@inline(never)
func sumBits6x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBits(6, 2, level, row, panel, sums)
}

@inline(never)
func sumBits2x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBits(2, 2, level, row, panel, sums)
}

@inline(never)
func sumBits1x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBits(1, 2, level, row, panel, sums)
}

@inline(never)
func sumBits6x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBits(6, 1, level, row, panel, sums)
}

@inline(never)
func sumBits2x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBits(2, 1, level, row, panel, sums)
}

@inline(never)
func sumBits1x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBits(1, 1, level, row, panel, sums)
}
