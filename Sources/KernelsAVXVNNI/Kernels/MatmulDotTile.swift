import CKernelABI
import CSIMD

// `vpdpbusd` multiplies unsigned codes with signed weights and adds in 32 bits without saturating: every width of
// weights becomes signed bytes and takes the same tile.

extension OutputVectors {
  @inline(__always)
  mutating func addDots(_ codes: __m256i, _ weights: OutputVectors) {
    low = snq_dot_256(low, codes, weights.low)
    high = snq_dot_256(high, codes, weights.high)
  }
}

/// What a tile multiplies: its rows against signed bytes (64 for 4 channels) or nibbles (64 bytes for 8) of one
/// panel.
struct DotRun {
  let weights: UnsafePointer<UInt8>
  let codes: UnsafePointer<UInt8>
  let codeStride: Int
  let channels: Int
}

@inline(__always)
private func addBytes(_ rows: Int, _ run: DotRun, _ sums: UnsafeMutablePointer<__m256i>) {
  var tile = SumTile(rows, sums)
  var (weights, codes, rest) = (run.weights, run.codes, run.channels)
  while rest > 0 {
    tile.add(.loaded(weights), codes, run.codeStride) { $0.addDots($1, $2) }
    weights += 64
    codes += 4
    rest &-= 4
  }
  tile.store(sums)
}

@inline(__always)
private func addNibbles(_ rows: Int, _ run: DotRun, _ sums: UnsafeMutablePointer<__m256i>) {
  var tile = SumTile(rows, sums)
  var (weights, codes, rest) = (run.weights, run.codes, run.channels)
  while rest > 0 {
    tile.add(OutputVectors.loaded(weights).lowNibbles(), codes, run.codeStride) { $0.addDots($1, $2) }
    // Loaded again, so that the upper nibbles hold no register meanwhile.
    guard let again = snq_opaque(UnsafeMutableRawPointer(mutating: weights)) else { return }
    tile.add(
      OutputVectors.loaded(UnsafePointer(again.assumingMemoryBound(to: UInt8.self))).highNibbles(), codes + 4,
      run.codeStride
    ) { $0.addDots($1, $2) }
    weights += 64
    codes += 8
    rest &-= 8
  }
  tile.store(sums)
}

// One function a tile shape, because the optimiser stops inlining when a caller grows.

@inline(never)
private func bytes6(_ run: DotRun, _ sums: UnsafeMutablePointer<__m256i>) { addBytes(6, run, sums) }
@inline(never)
private func bytes4(_ run: DotRun, _ sums: UnsafeMutablePointer<__m256i>) { addBytes(4, run, sums) }
@inline(never)
private func bytes2(_ run: DotRun, _ sums: UnsafeMutablePointer<__m256i>) { addBytes(2, run, sums) }
@inline(never)
private func bytes1(_ run: DotRun, _ sums: UnsafeMutablePointer<__m256i>) { addBytes(1, run, sums) }
@inline(never)
private func nibbles6(_ run: DotRun, _ sums: UnsafeMutablePointer<__m256i>) { addNibbles(6, run, sums) }
@inline(never)
private func nibbles4(_ run: DotRun, _ sums: UnsafeMutablePointer<__m256i>) { addNibbles(4, run, sums) }
@inline(never)
private func nibbles2(_ run: DotRun, _ sums: UnsafeMutablePointer<__m256i>) { addNibbles(2, run, sums) }
@inline(never)
private func nibbles1(_ run: DotRun, _ sums: UnsafeMutablePointer<__m256i>) { addNibbles(1, run, sums) }

/// Adds to `sums` ([row][half]) the products of 1, 2, 4 or 6 rows with signed bytes.
@inline(__always)
func addDotBytes(_ run: DotRun, rows: Int, _ sums: UnsafeMutablePointer<__m256i>) {
  switch rows {
  case 6: bytes6(run, sums)
  case 4: bytes4(run, sums)
  case 2: bytes2(run, sums)
  default: bytes1(run, sums)
  }
}

/// The same with nibbles.
@inline(__always)
func addDotNibbles(_ run: DotRun, rows: Int, _ sums: UnsafeMutablePointer<__m256i>) {
  switch rows {
  case 6: nibbles6(run, sums)
  case 4: nibbles4(run, sums)
  case 2: nibbles2(run, sums)
  default: nibbles1(run, sums)
  }
}
