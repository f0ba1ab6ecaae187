import CKernelABI
import CSIMD

// Tables for many rows: the nibbles of a block of two times two panels are transposed and split once, into scratch
// memory. A lookup is then two loads, of which rows share one, `vpshufb` and `vpaddb`.

/// Tiles of a block.
private let blockTiles = 16
/// Indices of one tile of two panels: lower and upper nibbles of the 4 places, 32 bytes each.
private let indexBytes = 256
private let blockPairs = 2
/// Rows that share a block.
private let blockRows = 32
/// Vectors of sums of one panel.
private let panelSums = 2 * blockRows

/// Scratch memory: sums [panel][row][half], then indices [pair][tile].
private struct IndexScratch {
  let sums: UnsafeMutablePointer<__m256i>
  let indices: UnsafeMutablePointer<UInt8>

  @inline(__always)
  init(_ scratch: UnsafeMutablePointer<UInt8>) {
    sums = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: __m256i.self)
    indices = scratch + 2 &* blockPairs &* panelSums &* 32
  }
}

@inline(never)
private func splitPlane(
  _ tile: UnsafePointer<UInt8>, _ other: Int, _ tiles: Int, _ target: UnsafeMutablePointer<UInt8>
) {
  let mask = _mm256_set1_epi8(15)
  var (source, place) = (tile, target)
  for _ in 0..<tiles {
    var bytes = PlaneBytes(source, source + other)
    bytes.align()
    snq_store_256(place, _mm256_and_si256(bytes.byte0, mask))
    snq_store_256(place + 32, snq_high_nibbles_256(bytes.byte0))
    snq_store_256(place + 64, _mm256_and_si256(bytes.byte1, mask))
    snq_store_256(place + 96, snq_high_nibbles_256(bytes.byte1))
    snq_store_256(place + 128, _mm256_and_si256(bytes.byte2, mask))
    snq_store_256(place + 160, snq_high_nibbles_256(bytes.byte2))
    snq_store_256(place + 192, _mm256_and_si256(bytes.byte3, mask))
    snq_store_256(place + 224, snq_high_nibbles_256(bytes.byte3))
    source += 64
    place += indexBytes
  }
}

/// Four streams of tables (of 4 rows, or of both halves of 2 rows) against a block of two panels.
private struct IndexedRun {
  var indices: UnsafePointer<UInt8>
  var tables: UnsafePointer<UInt8>
  let tableStride: Int
  let tiles: Int
  /// The plane counts 2^shift.
  let shift: Int32
  /// [row][half] of the first panel.
  let sums: UnsafeMutablePointer<__m256i>
}

/// Bytes of sums of four streams.
private struct FourBytes {
  var stream0 = _mm256_setzero_si256()
  var stream1 = _mm256_setzero_si256()
  var stream2 = _mm256_setzero_si256()
  var stream3 = _mm256_setzero_si256()

  /// Looks up one place of bytes, `upper` half of the nibbles or the lower: 0 or 1.
  @inline(__always)
  mutating func look(_ halves: Int, _ run: IndexedRun, _ place: Int, _ upper: Int) {
    let index = snq_load_256(run.indices + (64 &* place &+ 32 &* upper))
    let table = run.tables + (16 &* place &+ 64 &* upper)
    let second = halves > 1 ? 128 : run.tableStride
    let third = halves > 1 ? run.tableStride : 2 &* run.tableStride
    look(&stream0, table, index)
    look(&stream1, table + second, index)
    look(&stream2, table + third, index)
    look(&stream3, table + (second &+ third), index)
  }

  @inline(__always)
  private func look(_ bytes: inout __m256i, _ table: UnsafePointer<UInt8>, _ index: __m256i) {
    bytes = _mm256_add_epi8(bytes, _mm256_shuffle_epi8(snq_broadcast16_256(table), index))
  }
}

private struct FourSums {
  var stream0 = ByteSums()
  var stream1 = ByteSums()
  var stream2 = ByteSums()
  var stream3 = ByteSums()

  @inline(__always)
  mutating func add(_ bytes: FourBytes) {
    stream0.add(bytes.stream0)
    stream1.add(bytes.stream1)
    stream2.add(bytes.stream2)
    stream3.add(bytes.stream3)
  }

  @inline(__always)
  func widen(_ halves: Int, _ run: IndexedRun) {
    let shift = _mm_cvtsi32_si128(run.shift)
    let upperShift = _mm_cvtsi32_si128(run.shift &+ (halves > 1 ? 4 : 0))
    let step = halves > 1 ? 0 : 2
    let (first, second) = (run.sums, run.sums + panelSums)
    stream0.widen(into: first, second, shift)
    stream1.widen(into: first + step, second + step, upperShift)
    let later = halves > 1 ? 2 : 4
    stream2.widen(into: first + later, second + later, shift)
    stream3.widen(into: first + (later &+ step), second + (later &+ step), upperShift)
  }
}

/// `depth` (2, 4 or 8, a literal): how many sums of tables fit in a byte.
@inline(__always)
private func add(_ halves: Int, _ depth: Int, _ source: IndexedRun) {
  var run = source
  var sums = FourSums()
  for _ in 0..<run.tiles {
    var bytes = FourBytes()
    bytes.look(halves, run, 0, 0)
    bytes.look(halves, run, 0, 1)
    if depth == 2 { widen(&bytes, &sums) }
    bytes.look(halves, run, 1, 0)
    bytes.look(halves, run, 1, 1)
    if depth <= 4 { widen(&bytes, &sums) }
    bytes.look(halves, run, 2, 0)
    bytes.look(halves, run, 2, 1)
    if depth == 2 { widen(&bytes, &sums) }
    bytes.look(halves, run, 3, 0)
    bytes.look(halves, run, 3, 1)
    sums.add(bytes)
    run.indices += indexBytes
    run.tables += 128 &* halves
  }
  sums.widen(halves, run)
}

@inline(__always)
private func widen(_ bytes: inout FourBytes, _ sums: inout FourSums) {
  sums.add(bytes)
  bytes = FourBytes()
}

@inline(never)
private func indexed2(_ run: IndexedRun) { add(1, 2, run) }
@inline(never)
private func indexed4(_ run: IndexedRun) { add(1, 4, run) }
@inline(never)
private func indexed8(_ run: IndexedRun) { add(1, 8, run) }
@inline(never)
private func indexedHalves(_ run: IndexedRun) { add(2, 4, run) }

@inline(__always)
private func add(_ halves: Int, activationBits: Int, _ run: IndexedRun) {
  if halves > 1 { return indexedHalves(run) }
  switch activationBits {
  case ...3: indexed8(run)
  case 4: indexed4(run)
  default: indexed2(run)
  }
}

/// A block of channels of one plane, `panels` (1...4) panels and some rows.
@inline(__always)
private func addBlock(
  _ halves: Int, _ level: UnsafePointer<snq_matmul_args>, _ plane: UnsafePointer<UInt8>, _ panels: Int,
  _ tables: UnsafePointer<UInt8>, _ rows: Int, _ tiles: Int, _ shift: Int32, _ scratch: IndexScratch
) {
  let panelStride = Int(level.pointee.panelStride)
  let tableStride = Int(level.pointee.codeStride)
  let pairs = (panels &+ 1) &>> 1
  for pair in 0..<pairs {
    let isWhole = 2 &* pair &+ 1 < panels
    splitPlane(
      plane + 2 &* pair &* panelStride, isWhole ? panelStride : 0, tiles,
      scratch.indices + pair &* blockTiles &* indexBytes)
  }
  var row = 0
  while row < rows {
    for pair in 0..<pairs {
      add(
        halves, activationBits: Int(level.pointee.activationBits),
        IndexedRun(
          indices: scratch.indices + pair &* blockTiles &* indexBytes, tables: tables + row &* tableStride,
          tableStride: tableStride, tiles: tiles, shift: shift,
          sums: scratch.sums + (2 &* pair &* panelSums &+ 2 &* row)))
    }
    row &+= 4 / halves
  }
}

@inline(__always)
private func multiplyBlock(
  _ halves: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ rows: Int, _ panel: Int,
  _ panels: Int, _ scratch: IndexScratch
) {
  guard let weights = level.pointee.weights, let allTables = level.pointee.codes else { return }
  let pieces = CodePieces(level)
  let tiles = pieces.channels &>> 5
  let bits = Int(level.pointee.weightBits)
  for p in 0..<2 &* blockPairs {
    for r in 0..<rows { OutputVectors().store(scratch.sums + (p &* panelSums &+ 2 &* r)) }
  }
  for piece in 0..<pieces.count {
    let pieceTables = allTables + (row &* Int(level.pointee.codeStride) &+ piece &* pieces.stride)
    var tile = 0
    while tile < tiles {
      let count = min(blockTiles, tiles &- tile)
      for index in 0..<bits {
        let place = panel &* Int(level.pointee.panelStride) &+ index &* Int(level.pointee.planeStride)
        addBlock(
          halves, level, weights + (place &+ 64 &* (piece &* tiles &+ tile)), panels,
          pieceTables + tile &* halves &* 128, rows, count,
          Int32(truncatingIfNeeded: bits &- 1 &- index), scratch)
      }
      tile &+= count
    }
  }
  for p in 0..<panels { finishTile(scratch.sums + p &* panelSums, rows, level, row, panel &+ p) }
}

/// As `multiplyTables`, made for many rows: a multiple of 4 of them, or of 2 with halves.
@inline(__always)
func multiplyTableBlocks(
  _ halves: Int, _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart,
  _ memory: UnsafeMutablePointer<UInt8>
) {
  let scratch = IndexScratch(memory)
  var panel = part.panelBegin
  while panel < part.panelEnd {
    let panels = min(2 &* blockPairs, part.panelEnd &- panel)
    var row = part.rowBegin
    while row < part.rowEnd {
      let rows = min(blockRows, part.rowEnd &- row)
      multiplyBlock(halves, level, row, rows, panel, panels, scratch)
      row &+= rows
    }
    panel &+= panels
  }
}
