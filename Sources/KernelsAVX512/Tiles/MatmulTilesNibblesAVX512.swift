import CKernelABI
import CSIMD

@inline(__always)
private func sumNibbles(
  _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int,
  _ sums: UnsafeMutablePointer<__m512i>
) {
  guard let source = TileSource(level, row, panel) else { return }
  var tile = MatmulTile(rows, panels)
  tile.addNibbles(source)
  tile.store(sums, panels)
}

@inline(never)
func sumNibbles6x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumNibbles(6, 4, level, row, panel, sums)
}

@inline(never)
func sumNibbles4x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumNibbles(4, 4, level, row, panel, sums)
}

@inline(never)
func sumNibbles2x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumNibbles(2, 4, level, row, panel, sums)
}

@inline(never)
func sumNibbles1x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>,
  _ groups: Int
) {
  for group in 0..<groups {
    sumNibbles(1, 4, level, row, panel &+ 4 &* group, sums + 4 &* group)
  }
}

@inline(never)
func sumNibbles6x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumNibbles(6, 2, level, row, panel, sums)
}

@inline(never)
func sumNibbles2x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumNibbles(2, 2, level, row, panel, sums)
}

@inline(never)
func sumNibbles1x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumNibbles(1, 2, level, row, panel, sums)
}

@inline(never)
func sumNibbles6x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumNibbles(6, 1, level, row, panel, sums)
}

@inline(never)
func sumNibbles2x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumNibbles(2, 1, level, row, panel, sums)
}

@inline(never)
func sumNibbles1x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumNibbles(1, 1, level, row, panel, sums)
}
