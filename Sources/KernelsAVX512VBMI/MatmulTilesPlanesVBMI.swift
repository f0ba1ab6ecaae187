import CKernelABI
import CSIMD

@inline(__always)
private func sumPlanes(
  _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int,
  _ sums: UnsafeMutablePointer<__m512i>
) {
  guard let source = TileSource(level, row, panel) else { return }
  var tile = MatmulTile(rows, panels)
  tile.addPlanes(PlaneSource(level, source.weights), source.codes, source.codeStride, source.channels)
  tile.store(sums, panels)
}

@inline(never)
func sumPlanes6x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumPlanes(6, 4, level, row, panel, sums)
}

@inline(never)
func sumPlanes4x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumPlanes(4, 4, level, row, panel, sums)
}

@inline(never)
func sumPlanes2x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumPlanes(2, 4, level, row, panel, sums)
}

@inline(never)
func sumPlanes1x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>,
  _ groups: Int
) {
  for group in 0..<groups {
    sumPlanes(1, 4, level, row, panel &+ 4 &* group, sums + 4 &* group)
  }
}

@inline(never)
func sumPlanes6x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumPlanes(6, 2, level, row, panel, sums)
}

@inline(never)
func sumPlanes2x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumPlanes(2, 2, level, row, panel, sums)
}

@inline(never)
func sumPlanes1x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumPlanes(1, 2, level, row, panel, sums)
}

@inline(never)
func sumPlanes6x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumPlanes(6, 1, level, row, panel, sums)
}

@inline(never)
func sumPlanes2x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumPlanes(2, 1, level, row, panel, sums)
}

@inline(never)
func sumPlanes1x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumPlanes(1, 1, level, row, panel, sums)
}
