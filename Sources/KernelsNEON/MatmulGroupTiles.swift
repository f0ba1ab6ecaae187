import CKernelABI
import CSIMD

/// The tiles of blocks with scales per group: those of MatmulTiles.swift. No code is -128, so that two products always fit
/// in 16 bits; 8 products with the codes of nibbles or their doubles do.
struct GroupTiles {
  @inline(__always) static var blockRows: Int { MatmulTiles.blockRows }

  private let isNarrow: Bool

  @inline(__always)
  init(_ level: GroupLevel, rows: Int) { isNarrow = level.isNibbles && level.args.pointee.codebook == nil }

  /// Rows of the next tile when this many remain.
  @inline(__always) func tileRows(_ rest: Int) -> Int { rest >= 4 && !isNarrow ? 4 : min(2, rest) }

  @inline(__always)
  func prepare(_ codes: BlockCodes, _ target: UnsafeMutablePointer<UInt8>) {
    prepareByteCodes(ByteCodes(codes: codes, isFlipped: false, corrections: nil), target)
  }

  /// Where the codes of a tile begin, from its first row.
  @inline(__always)
  func place(_ row: Int) -> Int { row &>> 2 &* 4 &* MatmulTiles.codeBytes &* blockChannels &+ row & 3 &* 32 }

  @inline(__always)
  func arrange(
    _ weights: UnsafePointer<UInt8>, _ channels: Int, _ target: UnsafeMutablePointer<UInt8>
  ) -> UnsafePointer<UInt8> {
    arrangeByteWeights(weights, channels, 0, target)
    return UnsafePointer(target)
  }

  @inline(__always)
  func multiply(_ run: GroupRun, _ rows: Int, isDirect: Bool) {
    switch (isNarrow, rows, isDirect) {
    case (true, 1, false): narrow1(run)
    case (true, _, false): narrow2(run)
    case (true, 1, true): narrow1Direct(run)
    case (true, _, true): narrow2Direct(run)
    case (false, 1, false): wide1(run)
    case (false, 2, false): wide2(run)
    case (false, _, false): wide4(run)
    case (false, 1, true): wide1Direct(run)
    case (false, 2, true): wide2Direct(run)
    case (false, _, true): wide4Direct(run)
    }
  }
}

@inline(__always)
private func multiply(_ rows: Int, isNarrow: Bool, isDirect: Bool, _ run: GroupRun) {
  let codeStep = 4 &* MatmulTiles.codeBytes &* run.groupLength
  run.multiply(rows, isDirect: isDirect, codeStep: codeStep) { weights, codes, channels, group in
    var tile = TileSums(rows)
    tile.row0 = OutputVectors(repeating: run.starts[group])
    if rows > 1 { tile.row1 = OutputVectors(repeating: run.starts[blockGroups &+ group]) }
    if rows > 2 {
      tile.row2 = OutputVectors(repeating: run.starts[2 &* blockGroups &+ group])
      tile.row3 = OutputVectors(repeating: run.starts[3 &* blockGroups &+ group])
    }
    if isNarrow {
      tile.addNarrow(weights, codes, channels)
    } else {
      tile.addWide(.plain, weights, codes, channels)
    }
    return tile
  }
}

// One function a tile shape, because the optimiser stops inlining when a caller grows.

@inline(never) private func narrow1(_ run: GroupRun) { multiply(1, isNarrow: true, isDirect: false, run) }
@inline(never) private func narrow2(_ run: GroupRun) { multiply(2, isNarrow: true, isDirect: false, run) }
@inline(never) private func narrow1Direct(_ run: GroupRun) {
  multiply(1, isNarrow: true, isDirect: true, run)
}
@inline(never) private func narrow2Direct(_ run: GroupRun) {
  multiply(2, isNarrow: true, isDirect: true, run)
}
@inline(never) private func wide1(_ run: GroupRun) { multiply(1, isNarrow: false, isDirect: false, run) }
@inline(never) private func wide2(_ run: GroupRun) { multiply(2, isNarrow: false, isDirect: false, run) }
@inline(never) private func wide4(_ run: GroupRun) { multiply(4, isNarrow: false, isDirect: false, run) }
@inline(never) private func wide1Direct(_ run: GroupRun) { multiply(1, isNarrow: false, isDirect: true, run) }
@inline(never) private func wide2Direct(_ run: GroupRun) { multiply(2, isNarrow: false, isDirect: true, run) }
@inline(never) private func wide4Direct(_ run: GroupRun) { multiply(4, isNarrow: false, isDirect: true, run) }
