import CKernelABI
import CSIMD

// Products of which several add up in 16 bits: 4-bit weights with any codes, all weights with codes of few bits.
// Per 32 products one `vpmaddubsw` and one `vpaddw`; every `groups` of them one `vpmaddwd` by 1. Of 7-bit weights with
// 8-bit codes only two fit, 2 * 255 * 64: `vpmaddubsw`, `vpmaddwd` and `vpaddd`, with 32-bit sums in registers.

/// 16-bit sums of up to 6 rows x 1 panel: 12 of the 16 registers; two hold weights, one codes, one products.
struct NarrowTile {
  let rows: Int
  var row0 = OutputVectors()
  var row1 = OutputVectors()
  var row2 = OutputVectors()
  var row3 = OutputVectors()
  var row4 = OutputVectors()
  var row5 = OutputVectors()

  @inline(__always)
  init(_ rows: Int) { self.rows = rows }

  /// Adds 4 channels; `codes` are those of row 0, `later` those of row 3.
  @inline(__always)
  mutating func add(
    _ weights: OutputVectors, _ codes: UnsafePointer<UInt8>, _ later: UnsafePointer<UInt8>, _ stride: Int
  ) {
    row0.addBytes(snq_broadcast4_256(codes), weights)
    if rows > 1 { row1.addBytes(snq_broadcast4_256(codes + stride), weights) }
    if rows > 2 {
      row2.addBytes(snq_broadcast4_256(codes + 2 &* stride), weights)
      row3.addBytes(snq_broadcast4_256(later), weights)
    }
    if rows > 4 {
      row4.addBytes(snq_broadcast4_256(later + stride), weights)
      row5.addBytes(snq_broadcast4_256(later + 2 &* stride), weights)
    }
  }

  /// Adds the 16-bit sums to the 32-bit ones, [row][half].
  @inline(__always)
  func widen(into sums: UnsafeMutablePointer<__m256i>) {
    guard let place = snq_opaque(sums) else { return }
    row0.widen(into: place)
    if rows > 1 { row1.widen(into: place + 64) }
    if rows > 2 {
      row2.widen(into: place + 128)
      row3.widen(into: place + 192)
    }
    if rows > 4 {
      row4.widen(into: place + 256)
      row5.widen(into: place + 320)
    }
  }
}

/// What a tile multiplies: its rows against signed bytes or nibbles of one panel.
struct NarrowRun {
  var weights: UnsafePointer<UInt8>
  var codes: UnsafePointer<UInt8>
  let codeStride: Int
  let channels: Int
  /// Groups of 4 channels that fit in 16 bits.
  let groups: Int
  /// What pairs of products take off each weight, so that they fit.
  var center: Int8 = 0
}

@inline(__always)
private func addBytes(_ rows: Int, _ run: NarrowRun, _ sums: UnsafeMutablePointer<__m256i>) {
  var (weights, codes, rest) = (run.weights, run.codes, run.channels &>> 2)
  while rest > 0 {
    var tile = NarrowTile(rows)
    var count = min(rest, run.groups)
    rest &-= count
    while count > 0 {
      tile.add(.loaded(weights), codes, codes + 3 &* run.codeStride, run.codeStride)
      weights += 64
      codes += 4
      count &-= 1
    }
    tile.widen(into: sums)
  }
}

/// The same where few products add up in 16 bits.
@inline(__always)
private func addPairs(_ rows: Int, _ run: NarrowRun, _ sums: UnsafeMutablePointer<__m256i>) {
  var tile = SumTile(rows, sums)
  let center = _mm256_set1_epi8(run.center)
  var (weights, codes, rest) = (run.weights, run.codes, run.channels)
  while rest > 0 {
    tile.add(OutputVectors.loaded(weights).centered(center), codes, run.codeStride) { $0.addPairs($1, $2) }
    weights += 64
    codes += 4
    rest &-= 4
  }
  tile.store(sums)
}

@inline(__always)
private func addNibbles(_ rows: Int, _ run: NarrowRun, _ sums: UnsafeMutablePointer<__m256i>) {
  var (weights, codes, rest) = (run.weights, run.codes, run.channels &>> 3)
  let (stride, later) = (run.codeStride, 3 &* run.codeStride)
  let pairs = max(1, run.groups &>> 1)
  while rest > 0 {
    var tile = NarrowTile(rows)
    var count = min(rest, pairs)
    rest &-= count
    while count > 0 {
      let nibbles = OutputVectors.loaded(weights)
      tile.add(nibbles.lowNibbles(), codes, codes + later, stride)
      tile.add(nibbles.highNibbles(), codes + 4, codes + (later &+ 4), stride)
      weights += 64
      codes += 8
      count &-= 1
    }
    tile.widen(into: sums)
  }
}

// One function a tile shape, because the optimiser stops inlining when a caller grows.

@inline(never)
private func bytes6(_ run: NarrowRun, _ sums: UnsafeMutablePointer<__m256i>) { addBytes(6, run, sums) }
@inline(never)
private func bytes4(_ run: NarrowRun, _ sums: UnsafeMutablePointer<__m256i>) { addBytes(4, run, sums) }
@inline(never)
private func bytes2(_ run: NarrowRun, _ sums: UnsafeMutablePointer<__m256i>) { addBytes(2, run, sums) }
@inline(never)
private func bytes1(_ run: NarrowRun, _ sums: UnsafeMutablePointer<__m256i>) { addBytes(1, run, sums) }
@inline(never)
private func pairs6(_ run: NarrowRun, _ sums: UnsafeMutablePointer<__m256i>) { addPairs(6, run, sums) }
@inline(never)
private func pairs4(_ run: NarrowRun, _ sums: UnsafeMutablePointer<__m256i>) { addPairs(4, run, sums) }
@inline(never)
private func pairs2(_ run: NarrowRun, _ sums: UnsafeMutablePointer<__m256i>) { addPairs(2, run, sums) }
@inline(never)
private func pairs1(_ run: NarrowRun, _ sums: UnsafeMutablePointer<__m256i>) { addPairs(1, run, sums) }
@inline(never)
private func nibbles4(_ run: NarrowRun, _ sums: UnsafeMutablePointer<__m256i>) { addNibbles(4, run, sums) }
@inline(never)
private func nibbles2(_ run: NarrowRun, _ sums: UnsafeMutablePointer<__m256i>) { addNibbles(2, run, sums) }
@inline(never)
private func nibbles1(_ run: NarrowRun, _ sums: UnsafeMutablePointer<__m256i>) { addNibbles(1, run, sums) }

/// Adds to `sums` ([row][half]) the products of 1, 2, 4 or 6 rows with signed bytes, 64 of them a group of 4
/// channels.
@inline(__always)
func addNarrowBytes(_ run: NarrowRun, rows: Int, _ sums: UnsafeMutablePointer<__m256i>) {
  switch rows {
  case 6: bytes6(run, sums)
  case 4: bytes4(run, sums)
  case 2: bytes2(run, sums)
  default: bytes1(run, sums)
  }
}

/// The same for any `run.groups`, best of less than 4.
@inline(__always)
func addPairedBytes(_ run: NarrowRun, rows: Int, _ sums: UnsafeMutablePointer<__m256i>) {
  switch rows {
  case 6: pairs6(run, sums)
  case 4: pairs4(run, sums)
  case 2: pairs2(run, sums)
  default: pairs1(run, sums)
  }
}

/// The same with nibbles, 64 bytes for 8 channels, and 1, 2 or 4 rows: unpacking leaves no registers for 6.
@inline(__always)
func addNarrowNibbles(_ run: NarrowRun, rows: Int, _ sums: UnsafeMutablePointer<__m256i>) {
  switch rows {
  case 4: nibbles4(run, sums)
  case 2: nibbles2(run, sums)
  default: nibbles1(run, sums)
  }
}
