import CKernelABI
import CSIMD

// The 4 bits of a nibble of a plane select one of the 16 sums of 4 codes. `tbl` looks up 16 numbers in one table, so bytes
// of the same place, which share a table, must stand together: `ld4` loads them so. The 8 registers of numbers of a tile
// serve all rows.

/// The nibbles of a tile by their places: those of 16 outputs in each.
private struct TileNibbles {
  private let low0: uint8x16_t
  private let low1: uint8x16_t
  private let low2: uint8x16_t
  private let low3: uint8x16_t
  private let high0: uint8x16_t
  private let high1: uint8x16_t
  private let high2: uint8x16_t
  private let high3: uint8x16_t

  @inline(__always)
  init(_ tile: UnsafePointer<UInt8>) {
    let (bytes, mask) = (snq_load_places(tile), vdupq_n_u8(15))
    low0 = vandq_u8(bytes.place0, mask)
    low1 = vandq_u8(bytes.place1, mask)
    low2 = vandq_u8(bytes.place2, mask)
    low3 = vandq_u8(bytes.place3, mask)
    high0 = snq_right4_u8(bytes.place0)
    high1 = snq_right4_u8(bytes.place1)
    high2 = snq_right4_u8(bytes.place2)
    high3 = snq_right4_u8(bytes.place3)
  }

  /// Looks all up in the 8 tables of a row; `depth` (2, 4 or 8, a literal) results add up in a byte.
  @inline(__always)
  func look(_ tables: UnsafePointer<UInt8>, _ depth: Int, _ sums: inout WordSums) {
    var bytes = vaddq_u8(snq_look_up(tables, low0), snq_look_up(tables + 16, low1))
    if depth == 2 { sums.take(&bytes) }
    bytes = vaddq_u8(bytes, vaddq_u8(snq_look_up(tables + 32, low2), snq_look_up(tables + 48, low3)))
    if depth < 8 { sums.take(&bytes) }
    bytes = vaddq_u8(bytes, vaddq_u8(snq_look_up(tables + 64, high0), snq_look_up(tables + 80, high1)))
    if depth == 2 { sums.take(&bytes) }
    bytes = vaddq_u8(bytes, vaddq_u8(snq_look_up(tables + 96, high2), snq_look_up(tables + 112, high3)))
    sums.take(&bytes)
  }
}

/// Sums of 16 outputs in 16 bits.
private struct WordSums {
  private var low = vdupq_n_u16(0)
  private var high = vdupq_n_u16(0)

  /// Adds bytes, which become 0.
  @inline(__always)
  mutating func take(_ bytes: inout uint8x16_t) {
    low = vaddw_u8(low, vget_low_u8(bytes))
    high = vaddw_high_u8(high, bytes)
    bytes = vdupq_n_u8(0)
  }

  @inline(__always)
  func after(_ pointer: UnsafePointer<UInt8>) -> UnsafePointer<UInt8> {
    snq_after_u16(pointer, low, high, low, high)
  }

  /// Adds them, times 2^shift, to 16 sums.
  @inline(__always)
  func widen(into memory: UnsafeMutablePointer<Int32>, _ shift: Int) {
    let sums = OutputVectors(memory)
    let factor = vdup_n_u16(UInt16(truncatingIfNeeded: 1 &<< shift))
    OutputVectors(
      snq_add_words_low(sums.a, low, factor), snq_add_words_high(sums.b, low, factor),
      snq_add_words_low(sums.c, high, factor), snq_add_words_high(sums.d, high, factor)
    ).store(memory)
  }
}

/// One plane of a panel against tables of some rows; 16 bits hold the sums of up to 64 tiles.
private struct TableRun {
  var tile: UnsafePointer<UInt8>
  /// Of the first row.
  var tables: UnsafePointer<UInt8>
  let tableStride: Int
  let tiles: Int
  /// The plane counts 2^shift.
  let shift: Int
  /// [row][16].
  let sums: UnsafeMutablePointer<Int32>
}

/// A stream is one table a nibble: that of a row, or of half of its codes. 1, 2, 4 or 8 of them, a literal as all but the
/// run.
@inline(__always)
private func add(_ streams: Int, _ halves: Int, _ depth: Int, _ source: TableRun) {
  var run = source
  var (sums0, sums1, sums2, sums3) = (WordSums(), WordSums(), WordSums(), WordSums())
  var (sums4, sums5, sums6, sums7) = (WordSums(), WordSums(), WordSums(), WordSums())
  @inline(__always)
  func widen(_ sums: WordSums, _ stream: Int) {
    let row = halves > 1 ? stream &>> 1 : stream
    sums.widen(into: run.sums + 16 &* row, run.shift &+ (halves > 1 ? stream & 1 &* 4 : 0))
  }
  for _ in 0..<run.tiles {
    let nibbles = TileNibbles(run.tile)
    var tables = run.tables
    // One stream after the other, or the results of all wait for registers.
    @inline(__always)
    func look(_ stream: Int, _ sums: inout WordSums) {
      nibbles.look(tables, depth, &sums)
      let step = halves == 1 ? run.tableStride : stream & 1 == 0 ? 128 : run.tableStride &- 128
      tables = sums.after(tables + step)
    }
    look(0, &sums0)
    if streams > 1 { look(1, &sums1) }
    if streams > 2 {
      look(2, &sums2)
      look(3, &sums3)
    }
    if streams > 4 {
      look(4, &sums4)
      look(5, &sums5)
      look(6, &sums6)
      look(7, &sums7)
    }
    run.tile += 64
    run.tables += 128 &* halves
  }
  widen(sums0, 0)
  if streams > 1 { widen(sums1, 1) }
  if streams > 2 {
    widen(sums2, 2)
    widen(sums3, 3)
  }
  if streams > 4 {
    widen(sums4, 4)
    widen(sums5, 5)
    widen(sums6, 6)
    widen(sums7, 7)
  }
}

// One function a tile shape, because the optimiser stops inlining when a caller grows: rows, and how many sums of tables
// fit in a byte.

@inline(never) private func one2(_ run: TableRun) { add(1, 1, 2, run) }
@inline(never) private func one4(_ run: TableRun) { add(1, 1, 4, run) }
@inline(never) private func one8(_ run: TableRun) { add(1, 1, 8, run) }
@inline(never) private func two2(_ run: TableRun) { add(2, 1, 2, run) }
@inline(never) private func two4(_ run: TableRun) { add(2, 1, 4, run) }
@inline(never) private func two8(_ run: TableRun) { add(2, 1, 8, run) }
@inline(never) private func four2(_ run: TableRun) { add(4, 1, 2, run) }
@inline(never) private func four4(_ run: TableRun) { add(4, 1, 4, run) }
@inline(never) private func four8(_ run: TableRun) { add(4, 1, 8, run) }
@inline(never) private func eight2(_ run: TableRun) { add(8, 1, 2, run) }
@inline(never) private func eight4(_ run: TableRun) { add(8, 1, 4, run) }
@inline(never) private func eight8(_ run: TableRun) { add(8, 1, 8, run) }
@inline(never) private func halvesOfOne(_ run: TableRun) { add(2, 2, 4, run) }
@inline(never) private func halvesOfTwo(_ run: TableRun) { add(4, 2, 4, run) }
@inline(never) private func halvesOfFour(_ run: TableRun) { add(8, 2, 4, run) }

@inline(__always)
private func add(_ rows: Int, _ halves: Int, activationBits: Int, _ run: TableRun) {
  if halves > 1 { return rows > 2 ? halvesOfFour(run) : rows > 1 ? halvesOfTwo(run) : halvesOfOne(run) }
  switch (rows, activationBits) {
  case (1, ...3): one8(run)
  case (1, 4): one4(run)
  case (1, _): one2(run)
  case (2, ...3): two8(run)
  case (2, 4): two4(run)
  case (2, _): two2(run)
  case (4, ...3): four8(run)
  case (4, 4): four4(run)
  case (4, _): four2(run)
  case (_, ...3): eight8(run)
  case (_, 4): eight4(run)
  default: eight2(run)
  }
}

/// Panels that share a block of tables in the first cache.
private let groupPanels = 32

/// Some rows against a group of panels.
@inline(__always)
private func multiply(
  _ halves: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ rows: Int, _ group: Int,
  _ panels: Int,
  _ sums: UnsafeMutablePointer<Int32>
) {
  guard let weights = level.pointee.weights, let allTables = level.pointee.codes else { return }
  let bits = Int(level.pointee.weightBits)
  let tiles = Int(level.pointee.paddedChannels) &>> 5
  // 16 KiB of tables; 16 bits hold the sums of 64 tiles.
  let blockTiles = min(64, 128 / (rows &* halves))
  for index in 0..<panels &* rows { OutputVectors().store(sums + 16 &* index) }
  var begin = 0
  while begin < tiles {
    let count = min(blockTiles, tiles &- begin)
    for panel in 0..<panels {
      for index in 0..<bits {
        let plane = (group &+ panel) &* level.pointee.panelStride &+ index &* level.pointee.planeStride
        let run = TableRun(
          tile: weights + (plane &+ 64 &* begin),
          tables: allTables + (row &* level.pointee.codeStride &+ begin &* halves &* 128),
          tableStride: level.pointee.codeStride, tiles: count, shift: bits &- 1 &- index,
          sums: sums + 16 &* rows &* panel)
        add(rows, halves, activationBits: Int(level.pointee.activationBits), run)
      }
    }
    begin &+= count
  }
  for panel in 0..<panels { finishTile(sums + 16 &* rows &* panel, rows, level, row, group &+ panel) }
}

/// Tables of whole codes (`halves` 1) or of their lower and upper 4 bits (2), any part of the rows and panels.
@inline(__always)
private func multiplyTables(
  _ halves: Int, _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart,
  _ scratch: UnsafeMutablePointer<UInt8>
) {
  let sums = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: Int32.self)
  var row = part.rowBegin
  while row < part.rowEnd {
    let rest = part.rowEnd &- row
    let rows = min(8 / halves, rest >= 8 ? 8 : rest >= 4 ? 4 : rest >= 2 ? 2 : 1)
    var panel = part.panelBegin
    while panel < part.panelEnd {
      let panels = min(groupPanels, part.panelEnd &- panel)
      multiply(halves, level, row, rows, panel, panels, sums)
      panel &+= panels
    }
    row &+= rows
  }
}

@c @implementation
func snq_matmul_tables_8x1__neon(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let level = args, let scratch = level.pointee.scratch else { return }
  multiplyTables(1, level, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
}

@c @implementation
func snq_matmul_half_tables_4x1__neon(
  _ args: UnsafePointer<snq_matmul_args>!, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ panelBegin: UInt32, _ panelEnd: UInt32
) {
  guard let level = args, let scratch = level.pointee.scratch else { return }
  multiplyTables(2, level, MatmulPart(rowBegin, rowEnd, panelBegin, panelEnd), scratch)
}
