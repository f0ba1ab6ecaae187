import CKernelABI
import CSIMD

@inline(__always)
private func sumBytes(
  _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int,
  _ sums: UnsafeMutablePointer<__m512i>
) {
  guard let source = TileSource(level, row, panel) else { return }
  var tile = MatmulTile(rows, panels)
  tile.addBytes(source)
  tile.store(sums, panels)
}

@inline(never)
func sumBytes6x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBytes(6, 4, level, row, panel, sums)
}

@inline(never)
func sumBytes4x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBytes(4, 4, level, row, panel, sums)
}

@inline(never)
func sumBytes2x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBytes(2, 4, level, row, panel, sums)
}

@inline(never)
func sumBytes1x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>,
  _ groups: Int
) {
  for group in 0..<groups {
    sumBytes(1, 4, level, row, panel &+ 4 &* group, sums + 4 &* group)
  }
}

@inline(never)
func sumBytes6x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBytes(6, 2, level, row, panel, sums)
}

@inline(never)
func sumBytes2x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBytes(2, 2, level, row, panel, sums)
}

@inline(never)
func sumBytes1x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBytes(1, 2, level, row, panel, sums)
}

@inline(never)
func sumBytes6x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBytes(6, 1, level, row, panel, sums)
}

@inline(never)
func sumBytes2x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBytes(2, 1, level, row, panel, sums)
}

@inline(never)
func sumBytes1x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumBytes(1, 1, level, row, panel, sums)
}
