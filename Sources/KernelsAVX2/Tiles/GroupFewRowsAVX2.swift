import CKernelABI
import CSIMD

// Few rows: to unpack a block of weights for them takes as long as to multiply it. So weights are split where they are
// multiplied, a panel at a time, and its numbers are read where they lie.

/// Asks for the weights 8 KiB behind a tile, which are of the same panel or of the next ones.
@inline(__always)
func askAhead(_ tile: UnsafePointer<UInt8>) { snq_prefetch_first(tile + 8192) }

/// Numbers of a panel and some rows as the file and the quantiser have them.
private struct StoredNumbers: GroupNumbers {
  let level: GroupLevel
  let panel: Int
  let constant: Int32
  /// Of the panel.
  let scaleBytes: UnsafeRawPointer
  let offsetBytes: UnsafeRawPointer?
  /// Of the first row.
  let sums: UnsafePointer<Int32>
  let sumStride: Int

  @inline(__always) var hasOffsets: Bool { offsetBytes != nil }

  @inline(__always)
  func scales(_ group: Int) -> GroupFloats {
    level.numbers(scaleBytes + level.scaleBytes &* group, level.args.pointee.outputScale, panel)
  }

  @inline(__always)
  func offsets(_ group: Int) -> GroupFloats {
    let place = (offsetBytes ?? scaleBytes) + level.scaleBytes &* group
    return level.numbers(place, level.args.pointee.outputOffset, panel)
  }

  @inline(__always)
  func start(_ row: Int, _ group: Int) -> Int32 { constant &* sums[row &* sumStride &+ group] }

  @inline(__always)
  func sum(_ row: Int, _ group: Int) -> Float { Float(sums[row &* sumStride &+ group]) }
}

/// All groups of a panel and of the rows of one tile.
private struct FewRowsTile {
  let level: GroupLevel
  let row: Int
  let rows: Int
  let panel: Int
  let constant: Int32
  let memory: UnsafeMutablePointer<UInt8>

  /// Its y, z and sums follow each other in scratch memory.
  @inline(__always)
  func run() -> GroupRun<StoredNumbers>? {
    let args = level.args
    guard let weights = args.pointee.weights, let codes = args.pointee.codes,
      let sums = args.pointee.groupSums, let scales = args.pointee.groupScales,
      let rowScales = args.pointee.rowScales
    else { return nil }
    let stride = Int(args.pointee.codeStride)
    let bytes = UnsafeRawPointer(codes).assumingMemoryBound(to: UInt8.self) + row &* stride
    let totals = UnsafeMutableRawPointer(memory).assumingMemoryBound(to: Float.self)
    let numbers = panel &* level.groups &* level.scaleBytes
    return GroupRun(
      weights: weights + panel &* Int(args.pointee.panelStride),
      groupBytes: level.groupLength &* level.channelBytes, codes: GroupCodes(bytes: bytes, stride: stride),
      groups: level.groups, groupLength: level.groupLength,
      lastChannels: Int(args.pointee.paddedChannels) &- (level.groups &- 1) &* level.groupLength,
      totals: totals, parts: totals + 64,
      numbers: StoredNumbers(
        level: level, panel: panel, constant: constant, scaleBytes: scales + numbers,
        offsetBytes: args.pointee.groupOffsets.map { $0 + numbers },
        sums: sums + row &* args.pointee.groupSumStride,
        sumStride: args.pointee.groupSumStride),
      rowScales: rowScales + row &* args.pointee.rowScaleStride, rowScaleStride: args.pointee.rowScaleStride,
      groupsOfScale: level.groupsOfScale, restOfScale: level.groupsOfScale, endsLevel: true,
      sums: UnsafeMutableRawPointer(totals + 128).assumingMemoryBound(to: __m256i.self))
  }
}

/// Any panels of a few rows.
@inline(__always)
func multiplyFewRows<Dots: GroupDots>(
  _: Dots.Type, _ level: GroupLevel, _ part: MatmulPart, _ constant: Int32,
  _ memory: UnsafeMutablePointer<UInt8>
) {
  for panel in part.panelBegin..<part.panelEnd {
    var row = part.rowBegin
    while row < part.rowEnd {
      let rest = part.rowEnd &- row
      let rows = rest == 5 ? 3 : min(4, rest)
      let tile = FewRowsTile(
        level: level, row: row, rows: rows, panel: panel, constant: constant, memory: memory)
      guard let run = tile.run() else { return }
      for r in 0..<rows { startRow(level.args, row &+ r, panel, run.totals + 16 &* r, run.parts + 16 &* r) }
      multiplyTile(Dots.self, rows: rows, isDirect: level.groupsOfScale == 1, run)
      for r in 0..<rows { storeRow(level.args, row &+ r, panel, run.totals + 16 &* r) }
      row &+= rows
    }
  }
}
