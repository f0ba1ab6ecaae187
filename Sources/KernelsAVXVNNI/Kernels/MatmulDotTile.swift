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

/// Sums of up to 6 rows x 1 panel: 12 of the 16 registers; two hold weights, one codes.
struct DotTile {
  let rows: Int
  var row0: OutputVectors
  var row1 = OutputVectors()
  var row2 = OutputVectors()
  var row3 = OutputVectors()
  var row4 = OutputVectors()
  var row5 = OutputVectors()

  @inline(__always)
  init(_ rows: Int, _ sums: UnsafePointer<__m256i>) {
    self.rows = rows
    row0 = .loaded(sums)
    if rows > 1 { row1 = .loaded(sums + 2) }
    if rows > 2 {
      row2 = .loaded(sums + 4)
      row3 = .loaded(sums + 6)
    }
    if rows > 4 {
      row4 = .loaded(sums + 8)
      row5 = .loaded(sums + 10)
    }
  }

  /// Adds 4 channels; `codes` are those of row 0.
  @inline(__always)
  mutating func add(_ weights: OutputVectors, _ codes: UnsafePointer<UInt8>, _ stride: Int) {
    let later = codes + 3 &* stride
    row0.addDots(snq_broadcast4_256(codes), weights)
    if rows > 1 { row1.addDots(snq_broadcast4_256(codes + stride), weights) }
    if rows > 2 {
      row2.addDots(snq_broadcast4_256(codes + 2 &* stride), weights)
      row3.addDots(snq_broadcast4_256(later), weights)
    }
    if rows > 4 {
      row4.addDots(snq_broadcast4_256(later + stride), weights)
      row5.addDots(snq_broadcast4_256(later + 2 &* stride), weights)
    }
  }

  @inline(__always)
  func store(_ sums: UnsafeMutablePointer<__m256i>) {
    row0.store(sums)
    if rows > 1 { row1.store(sums + 2) }
    if rows > 2 {
      row2.store(sums + 4)
      row3.store(sums + 6)
    }
    if rows > 4 {
      row4.store(sums + 8)
      row5.store(sums + 10)
    }
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
  var tile = DotTile(rows, sums)
  var (weights, codes, rest) = (run.weights, run.codes, run.channels)
  while rest > 0 {
    tile.add(.loaded(weights), codes, run.codeStride)
    weights += 64
    codes += 4
    rest &-= 4
  }
  tile.store(sums)
}

@inline(__always)
private func addNibbles(_ rows: Int, _ run: DotRun, _ sums: UnsafeMutablePointer<__m256i>) {
  var tile = DotTile(rows, sums)
  var (weights, codes, rest) = (run.weights, run.codes, run.channels)
  while rest > 0 {
    tile.add(OutputVectors.loaded(weights).lowNibbles(), codes, run.codeStride)
    // Loaded again, so that the upper nibbles hold no register meanwhile.
    guard let again = snq_opaque(UnsafeMutableRawPointer(mutating: weights)) else { return }
    tile.add(
      OutputVectors.loaded(UnsafePointer(again.assumingMemoryBound(to: UInt8.self))).highNibbles(), codes + 4,
      run.codeStride)
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
