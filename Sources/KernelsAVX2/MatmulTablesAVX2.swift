import CKernelABI
import CSIMD

// The 4 bits of a nibble of a plane select one of the 16 sums of 4 codes. `vpshufb` looks up 16 bytes in one table a
// lane, so bytes of the same place, which share a table, must stand together: the 4 registers that are two panels of
// a tile are transposed, dwords of bytes, once for all rows and both halves of codes. Blends do it, which run beside
// the shuffles: register r first puts the bytes of place b where dword b ^ r is.

/// The bytes of two panels of one tile: byte b of 32 outputs in vector b, dword p being that of register p ^ b.
/// Registers: outputs 0-3 | 4-7, 8-11 | 12-15 of the first panel, the same of the second (lane 0 | lane 1).
struct PlaneBytes {
  var byte0: __m256i
  var byte1: __m256i
  var byte2: __m256i
  var byte3: __m256i

  @inline(__always)
  init(_ tile: UnsafePointer<UInt8>, _ other: UnsafePointer<UInt8>) {
    let a = snq_spread_256(snq_load_256(tile), 0)
    let b = snq_spread_256(snq_load_256(tile + 32), 1)
    let c = snq_spread_256(snq_load_256(other), 2)
    let d = snq_spread_256(snq_load_256(other + 32), 3)
    let (ab, ba) = (snq_mix_odd_256(a, b), snq_mix_odd_256(b, a))
    let (cd, dc) = (snq_mix_odd_256(c, d), snq_mix_odd_256(d, c))
    byte0 = snq_mix_upper_256(ab, cd)
    byte1 = snq_mix_upper_256(ba, dc)
    byte2 = snq_mix_upper_256(cd, ab)
    byte3 = snq_mix_upper_256(dc, ba)
  }

  /// All vectors in the order of registers.
  @inline(__always)
  mutating func align() {
    byte1 = snq_swap1_256(byte1)
    byte2 = snq_swap2_256(byte2)
    byte3 = snq_swap3_256(byte3)
  }
}

/// Where one vector of bytes looks up.
private struct NibbleIndices {
  let low: __m256i
  let high: __m256i

  @inline(__always)
  init(_ bytes: __m256i) {
    low = _mm256_and_si256(bytes, _mm256_set1_epi8(15))
    high = snq_high_nibbles_256(bytes)
  }

  /// The sums of 8 codes; `tables` is that of the lower nibbles, 64 bytes before that of the upper.
  @inline(__always)
  func looked(_ tables: UnsafePointer<UInt8>) -> __m256i {
    _mm256_add_epi8(
      _mm256_shuffle_epi8(snq_broadcast16_256(tables), low),
      _mm256_shuffle_epi8(snq_broadcast16_256(tables + 64), high))
  }
}

/// Sums of bytes over tiles for 32 outputs, in 16 bits: of whole words (modulo 2^16) and of their upper bytes, from
/// which those of the lower bytes follow.
struct ByteSums {
  var words = _mm256_setzero_si256()
  var upper = _mm256_setzero_si256()

  @inline(__always)
  mutating func add(_ bytes: __m256i) {
    words = _mm256_add_epi16(words, bytes)
    upper = _mm256_add_epi16(upper, _mm256_srli_epi16(bytes, 8))
  }

  /// Adds to the 32-bit sums of two panels, times 2^shift.
  @inline(__always)
  func widen(
    into first: UnsafeMutablePointer<__m256i>, _ second: UnsafeMutablePointer<__m256i>, _ shift: __m128i
  ) {
    let lower = _mm256_sub_epi16(words, _mm256_slli_epi16(upper, 8))
    add(_mm256_unpacklo_epi16(lower, upper), first, shift)
    add(_mm256_unpackhi_epi16(lower, upper), second, shift)
  }

  @inline(__always)
  private func add(_ words: __m256i, _ target: UnsafeMutablePointer<__m256i>, _ shift: __m128i) {
    let zero = _mm256_setzero_si256()
    var sums = OutputVectors.loaded(target)
    sums.low = _mm256_add_epi32(sums.low, _mm256_sll_epi32(_mm256_unpacklo_epi16(words, zero), shift))
    sums.high = _mm256_add_epi32(sums.high, _mm256_sll_epi32(_mm256_unpackhi_epi16(words, zero), shift))
    sums.store(target)
  }
}

/// Tiles of which 16-bit sums hold the results: 64 * 8 * 124 fits.
private let tilesInWords = 64

/// One plane of two panels against tables of some rows, at most `tilesInWords` tiles.
private struct TableRun {
  var tile: UnsafePointer<UInt8>
  /// Bytes from the first panel to the second.
  let other: Int
  var tables: UnsafePointer<UInt8>
  let tableStride: Int
  let tiles: Int
  /// The plane counts 2^shift.
  let shift: Int32
  /// [panel][row][half] of `rows` rows.
  let sums: UnsafeMutablePointer<__m256i>
}

/// Looks up all nibbles of a tile. `depth` (2, 4 or 8): how many of them add up in a byte.
@inline(__always)
private func look(
  _ bytes: PlaneBytes, _ tables: UnsafePointer<UInt8>, _ depth: Int, _ sums: inout ByteSums
) {
  let first = NibbleIndices(bytes.byte0).looked(tables)
  let second = NibbleIndices(bytes.byte1).looked(tables + 16)
  let third = NibbleIndices(bytes.byte2).looked(tables + 32)
  let fourth = NibbleIndices(bytes.byte3).looked(tables + 48)
  if depth == 2 {
    sums.add(first)
    sums.add(second)
    sums.add(third)
    sums.add(fourth)
  } else {
    let (early, late) = (_mm256_add_epi8(first, second), _mm256_add_epi8(third, fourth))
    if depth == 4 {
      sums.add(early)
      sums.add(late)
    } else {
      sums.add(_mm256_add_epi8(early, late))
    }
  }
}

/// A stream is one table a nibble: that of a row, or of half of its codes.
@inline(__always)
private func add(_ rows: Int, _ halves: Int, _ depth: Int, _ source: TableRun) {
  let streams = rows &* halves
  var run = source
  var (sums0, sums1, sums2, sums3) = (ByteSums(), ByteSums(), ByteSums(), ByteSums())
  for _ in 0..<run.tiles {
    var bytes = PlaneBytes(run.tile, run.tile + run.other)
    bytes.align()
    // The same tile of the next two panels, which may still be in L3 or in memory.
    snq_prefetch(run.tile + 2 &* run.other)
    snq_prefetch(run.tile + 3 &* run.other)
    look(bytes, run.tables, depth, &sums0)
    if streams > 1 { look(bytes, run.tables + (halves > 1 ? 128 : run.tableStride), depth, &sums1) }
    if streams > 2 {
      let third = run.tables + (halves > 1 ? run.tableStride : 2 &* run.tableStride)
      look(bytes, third, depth, &sums2)
      look(bytes, third + (halves > 1 ? 128 : run.tableStride), depth, &sums3)
    }
    run.tile += 64
    run.tables += 128 &* halves
  }
  widen(sums0, 0, rows, halves, run)
  if streams > 1 { widen(sums1, 1, rows, halves, run) }
  if streams > 2 {
    widen(sums2, 2, rows, halves, run)
    widen(sums3, 3, rows, halves, run)
  }
}

@inline(__always)
private func widen(_ sums: ByteSums, _ stream: Int, _ rows: Int, _ halves: Int, _ run: TableRun) {
  let shift = run.shift &+ (halves > 1 ? Int32(stream & 1) &* 4 : 0)
  let first = run.sums + 2 &* (halves > 1 ? stream &>> 1 : stream)
  sums.widen(into: first, first + 2 &* rows, _mm_cvtsi32_si128(shift))
}

// One function a tile shape, because the optimiser stops inlining when a caller grows: rows, and how many sums of
// tables fit in a byte.

@inline(never)
private func one2(_ run: TableRun) { add(1, 1, 2, run) }
@inline(never)
private func one4(_ run: TableRun) { add(1, 1, 4, run) }
@inline(never)
private func one8(_ run: TableRun) { add(1, 1, 8, run) }
@inline(never)
private func two2(_ run: TableRun) { add(2, 1, 2, run) }
@inline(never)
private func two4(_ run: TableRun) { add(2, 1, 4, run) }
@inline(never)
private func two8(_ run: TableRun) { add(2, 1, 8, run) }
@inline(never)
private func four2(_ run: TableRun) { add(4, 1, 2, run) }
@inline(never)
private func four4(_ run: TableRun) { add(4, 1, 4, run) }
@inline(never)
private func four8(_ run: TableRun) { add(4, 1, 8, run) }
@inline(never)
private func halvesOfOne(_ run: TableRun) { add(1, 2, 4, run) }
@inline(never)
private func halvesOfTwo(_ run: TableRun) { add(2, 2, 4, run) }

@inline(__always)
private func addRun(_ rows: Int, _ halves: Int, _ activationBits: Int, _ run: TableRun) {
  if halves > 1 { return rows > 1 ? halvesOfTwo(run) : halvesOfOne(run) }
  switch (rows, activationBits) {
  case (1, ...3): one8(run)
  case (1, 4): one4(run)
  case (1, _): one2(run)
  case (2, ...3): two8(run)
  case (2, 4): two4(run)
  case (2, _): two2(run)
  case (_, ...3): four8(run)
  case (_, 4): four4(run)
  default: four2(run)
  }
}

/// From this many rows on, scratch memory for indices pays.
private let manyTableRows = 8

/// Panels that share a block of tables in the first cache.
private let groupPanels = 32

/// Some rows against a group of panels.
@inline(__always)
private func multiply(
  _ rows: Int, _ halves: Int, _ level: UnsafePointer<snq_matmul_args>, _ row: Int, _ group: Int,
  _ panels: Int, _ sums: UnsafeMutablePointer<__m256i>
) {
  guard let allWeights = level.pointee.weights, let allTables = level.pointee.codes else { return }
  let stride = Int(level.pointee.codeStride)
  let pieces = CodePieces(level)
  let tiles = pieces.channels &>> 5
  let blockTiles = tilesInWords / (rows &* halves)
  let panelSums = 2 &* rows
  for index in 0..<(panels &+ 1) &* rows { OutputVectors().store(sums + 2 &* index) }
  for piece in 0..<pieces.count {
    var begin = 0
    while begin < tiles {
      let count = min(blockTiles, tiles &- begin)
      let tables = allTables + (row &* stride &+ piece &* pieces.stride &+ begin &* halves &* 128)
      let tile = (piece &* tiles &+ begin) &* 64
      var panel = 0
      while panel < panels {
        let weights = allWeights + ((group &+ panel) &* Int(level.pointee.panelStride) &+ tile)
        addPlanes(rows, halves, level, weights, panels &- panel, tables, count, sums + panel &* panelSums)
        panel &+= 2
      }
      begin &+= count
    }
  }
  for panel in 0..<panels { finishTile(sums + panel &* panelSums, rows, level, row, group &+ panel) }
}

/// All planes of two panels, or of the last one twice.
@inline(__always)
private func addPlanes(
  _ rows: Int, _ halves: Int, _ level: UnsafePointer<snq_matmul_args>, _ weights: UnsafePointer<UInt8>,
  _ panels: Int, _ tables: UnsafePointer<UInt8>, _ tiles: Int, _ sums: UnsafeMutablePointer<__m256i>
) {
  let bits = Int(level.pointee.weightBits)
  for index in 0..<bits {
    let run = TableRun(
      tile: weights + index &* Int(level.pointee.planeStride),
      other: panels > 1 ? Int(level.pointee.panelStride) : 0, tables: tables,
      tableStride: Int(level.pointee.codeStride), tiles: tiles,
      shift: Int32(truncatingIfNeeded: bits &- 1 &- index), sums: sums)
    addRun(rows, halves, Int(level.pointee.activationBits), run)
  }
}

/// Tables of whole codes (`halves` 1) or of their lower and upper 4 bits (2), any part of the rows and panels.
@inline(__always)
func multiplyTables(
  _ halves: Int, _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart,
  _ scratch: UnsafeMutablePointer<UInt8>
) {
  let sums = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: __m256i.self)
  var row = part.rowBegin
  if part.rows >= manyTableRows {
    row = part.rowEnd &- part.rows % (4 / halves)
    multiplyTableBlocks(halves, level, part.rows(upTo: row), scratch)
  }
  while row < part.rowEnd {
    let rest = part.rowEnd &- row
    let rows = min(4 / halves, rest >= 4 ? 4 : rest >= 2 ? 2 : 1)
    var panel = part.panelBegin
    while panel < part.panelEnd {
      let panels = min(groupPanels, part.panelEnd &- panel)
      multiply(rows, halves, level, row, panel, panels, sums)
      panel &+= panels
    }
    row &+= rows
  }
}
