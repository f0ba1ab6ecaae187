import CKernelABI
import CSIMD

// One function a tile shape, because the optimiser stops inlining when a caller grows; each serves all
// layouts.

@inline(__always)
private func multiply(
  _ rows: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int,
  _ sums: UnsafeMutablePointer<__m256i>
) {
  var tile = MatmulTile(rows)
  let codeStride = Int(level.pointee.codeStride)
  guard let allWeights = level.pointee.weights, let allCodes = level.pointee.codes else { return }
  let weights = allWeights + panel &* Int(level.pointee.panelStride)
  let codes = allCodes + row &* codeStride
  let channels = Int(level.pointee.paddedChannels)
  switch Int(level.pointee.layout) {
  case SNQ_BYTES: tile.addBytes(weights, codes, codeStride, channels)
  case SNQ_NIBBLES: tile.addNibbles(weights, codes, codeStride, channels)
  default:
    let planes = PlaneSource(level, weights)
    tile.addPlanes(planes, codes, codeStride, channels)
  }
  tile.store(sums)
  finishTile(sums, rows, level, row, panel)
}

@inline(never)
private func tile4x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m256i>
) {
  multiply(4, level, row, panel, sums)
}

@inline(never)
private func tile2x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m256i>
) {
  multiply(2, level, row, panel, sums)
}

@inline(never)
private func tile1x1(
  _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ panel: Int, _ sums: UnsafeMutablePointer<__m256i>
) {
  multiply(1, level, row, panel, sums)
}

/// Where a tile leaves its sums for the epilogue.
private typealias TileSums = InlineArray<8, __m256i>

/// One panel at a time, which stays in the first cache while all rows pass.
@inline(__always)
private func multiply(
  _ level: UnsafePointer<snq_matmul_args>, _ rowBegin: Int, _ rowEnd: Int, _ panelBegin: Int,
  _ panelEnd: Int, _ sums: UnsafeMutablePointer<__m256i>
) {
  var panel = panelBegin
  while panel < panelEnd {
    var row = rowBegin
    while rowEnd &- row >= 4 {
      tile4x1(level, row, panel, sums)
      row &+= 4
    }
    if rowEnd &- row >= 2 {
      tile2x1(level, row, panel, sums)
      row &+= 2
    }
    if rowEnd > row { tile1x1(level, row, panel, sums) }
    panel &+= 1
  }
}

@c @implementation
func snq_matmul_bytes_4x1__avx2(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  var sums = TileSums(repeating: _mm256_setzero_si256())
  withUnsafeMutableBytes(of: &sums) {
    guard let sums = $0.baseAddress?.assumingMemoryBound(to: __m256i.self) else { return }
    multiply(args, Int(rowBegin), Int(rowEnd), Int(panelBegin), Int(panelEnd), sums)
  }
}

@c @implementation
func snq_matmul_nibbles_4x1__avx2(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  var sums = TileSums(repeating: _mm256_setzero_si256())
  withUnsafeMutableBytes(of: &sums) {
    guard let sums = $0.baseAddress?.assumingMemoryBound(to: __m256i.self) else { return }
    multiply(args, Int(rowBegin), Int(rowEnd), Int(panelBegin), Int(panelEnd), sums)
  }
}

@c @implementation
func snq_matmul_planes_4x1__avx2(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  var sums = TileSums(repeating: _mm256_setzero_si256())
  withUnsafeMutableBytes(of: &sums) {
    guard let sums = $0.baseAddress?.assumingMemoryBound(to: __m256i.self) else { return }
    multiply(args, Int(rowBegin), Int(rowEnd), Int(panelBegin), Int(panelEnd), sums)
  }
}
