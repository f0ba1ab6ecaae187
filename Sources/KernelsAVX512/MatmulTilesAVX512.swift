import CKernelABI
import CSIMD

// One function a tile shape, because the optimiser stops inlining when a caller grows; each serves all layouts.

/// Leaves sum(t * q) of a level in `sums`; `layout` is the same for a whole call.
@inline(__always)
private func sumTile(
  _ rows: Int, _ panels: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int,
  _ sums: UnsafeMutablePointer<__m512i>
) {
  var tile = MatmulTile(rows, panels)
  let codeStride = Int(level.pointee.codeStride)
  let panelStride = Int(level.pointee.panelStride)
  guard let allWeights = level.pointee.weights, let allCodes = level.pointee.codes else { return }
  let weights = allWeights + panel &* panelStride
  let codes = allCodes + row &* codeStride
  let channels = Int(level.pointee.paddedChannels)
  switch Int(level.pointee.layout) {
  case SNQ_BYTES: tile.addBytes(weights, panelStride, codes, codeStride, channels)
  case SNQ_NIBBLES: tile.addNibbles(weights, panelStride, codes, codeStride, channels)
  default:
    let planes = PlaneSource(level, weights)
    tile.addPlanes(planes, codes, codeStride, channels)
  }
  tile.store(sums)
}

@inline(never)
func sumTile6x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTile(6, 4, level, row, panel, sums)
}

@inline(never)
func sumTile4x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTile(4, 4, level, row, panel, sums)
}

@inline(never)
func sumTile2x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTile(2, 4, level, row, panel, sums)
}

@inline(never)
func sumTile1x4(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTile(1, 4, level, row, panel, sums)
}

@inline(never)
func sumTile6x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTile(6, 2, level, row, panel, sums)
}

@inline(never)
func sumTile2x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTile(2, 2, level, row, panel, sums)
}

@inline(never)
func sumTile1x2(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTile(1, 2, level, row, panel, sums)
}

@inline(never)
func sumTile6x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTile(6, 1, level, row, panel, sums)
}

@inline(never)
func sumTile2x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTile(2, 1, level, row, panel, sums)
}

@inline(never)
func sumTile1x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m512i>
) {
  sumTile(1, 1, level, row, panel, sums)
}
