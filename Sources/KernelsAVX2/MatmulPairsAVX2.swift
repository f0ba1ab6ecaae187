import CKernelABI
import CSIMD

// Bytes whose products with codes of any value add up in 16 bits: of one group of 4 channels (`vpmaddubsw`, `vpmaddwd`
// by 1, `vpaddd`) or of two, which share the last two instructions. Which do, say `snq_matmul_args.wordSteps`, made of
// the weights themselves: nothing saturates. The worst 7-bit weights would let one group fit and the worst 8-bit ones
// none, but nearly all that networks have let two or one. What is left is done in words.

/// Some tiles of rows against one panel.
private struct PairedRun {
  let weights: UnsafePointer<UInt8>
  var codes: UnsafePointer<UInt8>
  let codeStride: Int
  var tiles: Int
  /// Bytes of codes between two segments that have no weights.
  let gap: Int
  var steps: PanelSteps
  /// What is taken off each weight.
  let center: Int8
  /// Each tile asks for its share of the next panel, which comes from far.
  var ahead: UnsafePointer<UInt8>
  var share: Int
  /// A panel is so short that the first cache has room for two.
  let fitsFirst: Bool

  /// Goes on to the next tile of so many rows; false behind the last one.
  @inline(__always)
  mutating func advance(_ rows: Int, _ sums: inout UnsafeMutablePointer<__m256i>) -> Bool {
    codes += rows &* codeStride
    ahead += share
    sums += 2 &* rows
    tiles &-= 1
    return tiles > 0
  }

  /// The weights of the first group of an entry, and the codes of the first row.
  @inline(__always)
  func places(_ entry: UInt32) -> (UnsafePointer<UInt8>, UnsafePointer<UInt8>) {
    let (group, segment) = (Int(entry & 0xff_ffff), Int(entry &>> 24))
    return (weights + group &* 64, codes + (group &* 4 &+ segment &* gap))
  }

  @inline(__always)
  func askAhead() {
    var place = 0
    while place < share {
      if fitsFirst { snq_prefetch_first(ahead + place) } else { snq_prefetch(ahead + place) }
      place &+= 64
    }
  }
}

extension OutputVectors {
  /// Adds to 32-bit sums the products of 8 unsigned codes with signed bytes, as `addPairs` those of 4.
  @inline(__always)
  fileprivate mutating func addTwoGroups(
    _ codes: UnsafePointer<UInt8>, _ early: OutputVectors, _ late: OutputVectors
  ) {
    let ones = _mm256_set1_epi16(1)
    let (first, second) = (snq_broadcast4_256(codes), snq_broadcast4_256(codes + 4))
    let lower = _mm256_add_epi16(
      _mm256_maddubs_epi16(first, early.low), _mm256_maddubs_epi16(second, late.low))
    low = _mm256_add_epi32(low, _mm256_madd_epi16(lower, ones))
    let upper = _mm256_add_epi16(
      _mm256_maddubs_epi16(first, early.high), _mm256_maddubs_epi16(second, late.high))
    high = _mm256_add_epi32(high, _mm256_madd_epi16(upper, ones))
  }

  /// Of any weights.
  @inline(__always)
  fileprivate mutating func addWide(_ codes: __m256i, _ even: OutputVectors, _ odd: OutputVectors) {
    addWords(_mm256_and_si256(codes, _mm256_set1_epi16(0x00ff)), even)
    addWords(_mm256_srli_epi16(codes, 8), odd)
  }
}

extension SumTile {
  /// Adds the products of 8 channels; at most 4 rows.
  @inline(__always)
  fileprivate mutating func addTwoGroups(
    _ early: OutputVectors, _ late: OutputVectors, _ codes: UnsafePointer<UInt8>, _ stride: Int
  ) {
    row0.addTwoGroups(codes, early, late)
    if rows > 1 { row1.addTwoGroups(codes + stride, early, late) }
    if rows > 2 {
      row2.addTwoGroups(codes + 2 &* stride, early, late)
      row3.addTwoGroups(codes + 3 &* stride, early, late)
    }
  }

  /// Adds the products of 4 channels of any weights.
  @inline(__always)
  fileprivate mutating func addWide(
    _ weights: OutputVectors, _ codes: UnsafePointer<UInt8>, _ stride: Int
  ) {
    let (even, odd) = (weights.evenWords(), weights.oddWords())
    add(weights, codes, stride) { sums, codes, _ in sums.addWide(codes, even, odd) }
  }
}

/// All groups but the wide ones, of one tile.
@inline(__always)
private func addTile(
  _ rows: Int, isCentered: Bool, begins: Bool, _ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>
) {
  var tile = begins ? SumTile(rows) : SumTile(rows, sums)
  let center = _mm256_set1_epi8(run.center)
  func loaded(_ place: UnsafePointer<UInt8>) -> OutputVectors {
    isCentered ? OutputVectors.loaded(place).centered(center) : OutputVectors.loaded(place)
  }
  var entry = run.steps.entries
  if run.steps.doubles > 0 {
    let end = entry + run.steps.doubles
    repeat {
      let (weights, codes) = run.places(entry.pointee)
      tile.addTwoGroups(loaded(weights), loaded(weights + 64), codes, run.codeStride)
      entry += 1
    } while entry < end
  }
  if run.steps.singles > 0 {
    let end = entry + run.steps.singles
    repeat {
      let (weights, codes) = run.places(entry.pointee)
      tile.add(loaded(weights), codes, run.codeStride) { $0.addPairs($1, $2) }
      entry += 1
    } while entry < end
  }
  tile.store(sums)
}

/// * rows: of a tile.
/// * isCentered: weights lose `center`.
/// * begins: sums begin here, else they go on. All are literals.
@inline(__always)
private func add(
  _ rows: Int, isCentered: Bool, begins: Bool = false, _ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>
) {
  var (run, sums) = (run, sums)
  repeat {
    run.askAhead()
    addTile(rows, isCentered: isCentered, begins: begins, run, sums)
  } while run.advance(rows, &sums)
}

@inline(__always)
private func addWide(_ rows: Int, _ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  var (run, sums) = (run, sums)
  repeat { addWideTile(rows, run, sums) } while run.advance(rows, &sums)
}

/// The wide groups of one tile.
@inline(__always)
private func addWideTile(_ rows: Int, _ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  var tile = SumTile(rows, sums)
  var entry = run.steps.entries + (run.steps.doubles &+ run.steps.singles)
  let end = entry + run.steps.wides
  repeat {
    let (weights, codes) = run.places(entry.pointee)
    tile.addWide(.loaded(weights), codes, run.codeStride)
    entry += 1
  } while entry < end
  tile.store(sums)
}

// One function a tile shape, because the optimiser stops inlining when a caller grows.

@inline(never)
private func centered4(_ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  add(4, isCentered: true, run, sums)
}
@inline(never)
private func signed4(_ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  add(4, isCentered: false, run, sums)
}
@inline(never)
private func beginning4(_ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  add(4, isCentered: false, begins: true, run, sums)
}
@inline(never)
private func centered2(_ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  add(2, isCentered: true, run, sums)
}
@inline(never)
private func signed2(_ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  add(2, isCentered: false, run, sums)
}
@inline(never)
private func centered1(_ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  add(1, isCentered: true, run, sums)
}
@inline(never)
private func signed1(_ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  add(1, isCentered: false, run, sums)
}
@inline(never)
private func wide4(_ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) { addWide(4, run, sums) }
@inline(never)
private func wide2(_ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) { addWide(2, run, sums) }
@inline(never)
private func wide1(_ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) { addWide(1, run, sums) }

/// Adds to `sums` ([row][half]) the products of tiles of 1, 2 or 4 rows.
@inline(__always)
private func addTiles(rows: Int, begins: Bool, _ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  switch (rows, run.center == 0) {
  case (4, true): begins ? beginning4(run, sums) : signed4(run, sums)
  case (4, false): centered4(run, sums)
  case (2, true): signed2(run, sums)
  case (2, false): centered2(run, sums)
  case (_, true): signed1(run, sums)
  case (_, false): centered1(run, sums)
  }
  guard run.steps.wides > 0 else { return }
  switch rows {
  case 4: wide4(run, sums)
  case 2: wide2(run, sums)
  default: wide1(run, sums)
  }
}

/// Double steps whose weights stay in the first cache while the rows of a block pass: 24 KiB.
private let cachedDoubles = 192

/// `snq_word_steps` of a panel, or a part of them.
private struct PanelSteps {
  private(set) var doubles: Int
  private(set) var singles: Int
  private(set) var wides: Int
  private(set) var entries: UnsafePointer<UInt32>

  /// nil where there is nothing worth taking.
  @inline(__always)
  init?(_ level: UnsafePointer<snq_matmul_args>, _ panel: Int) {
    guard let all = level.pointee.wordSteps else { return nil }
    let counts = (all + panel &* level.pointee.wordStepStride).assumingMemoryBound(to: UInt32.self)
    (doubles, singles, wides) = (Int(counts[0]), Int(counts[1]), Int(counts[2]))
    entries = counts + 3
    if doubles &+ singles &+ wides == 0 { return nil }
  }

  /// As many as fit in the first cache, of which the others go on; nil where these are all.
  @inline(__always)
  mutating func takeFirst() -> PanelSteps? {
    guard doubles > cachedDoubles &+ cachedDoubles / 2 else { return nil }
    var first = self
    (first.doubles, first.singles, first.wides) = (cachedDoubles, 0, 0)
    doubles &-= cachedDoubles
    entries += cachedDoubles
    return first
  }
}

/// Whether the steps of a panel are worth taking.
@inline(__always)
func hasWordSteps(_ level: UnsafePointer<snq_matmul_args>, _ panel: Int) -> Bool {
  PanelSteps(level, panel) != nil
}

/// Rows whose outputs are finished together.
private let finishedRows = 64

/// A block of rows against one panel.
@inline(__always)
private func multiplyBlock(
  _ level: UnsafePointer<snq_matmul_args>, _ first: PairedRun, _ row: Int, _ block: Int, _ panel: Int,
  _ sums: UnsafeMutablePointer<__m256i>
) {
  var (run, begins) = (first, first.center == 0)
  // What is not begun by its first tile, begins here.
  let whole = begins ? block &- block % 4 : 0
  startSums(level, row &+ whole, block &- whole, Int32(first.center), sums + 2 &* whole)
  while let part = run.steps.takeFirst() {
    var early = run
    early.steps = part
    addBlock(early, block, begins, sums)
    begins = false
    run.share = 0
  }
  addBlock(run, block, begins, sums)
  finishTile(sums, block, level, row, panel)
}

/// The steps of a run for a block of rows.
@inline(__always)
private func addBlock(
  _ first: PairedRun, _ block: Int, _ begins: Bool, _ sums: UnsafeMutablePointer<__m256i>
) {
  var (run, done) = (first, 0)
  while done < block {
    let rows = min(4, tileRows(block &- done))
    run.tiles = rows == 4 ? (block &- done) / 4 : 1
    addTiles(rows: rows, begins: begins, run, sums + 2 &* done)
    done &+= rows &* run.tiles
    run.codes += rows &* run.tiles &* run.codeStride
    run.ahead += run.tiles &* run.share
  }
}

/// Bytes of panels with steps worth taking, any part of the rows and panels.
func multiplyPairs(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart,
  _ scratch: UnsafeMutablePointer<UInt8>
) {
  guard let allWeights = level.pointee.weights, let allCodes = level.pointee.codes else { return }
  let codeStride = Int(level.pointee.codeStride)
  let sums = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: __m256i.self)
  let panelStride = Int(level.pointee.panelStride)
  let pieces = CodePieces(level)
  let share = (panelStride / max(1, part.rows / 4) &+ 63) & ~63
  var panel = part.panelBegin
  while panel < part.panelEnd {
    guard let steps = PanelSteps(level, panel) else { return }
    let weights = allWeights + panel &* panelStride
    let isLast = panel &+ 1 == part.panelEnd
    var run = PairedRun(
      weights: weights, codes: allCodes + part.rowBegin &* codeStride, codeStride: codeStride, tiles: 0,
      gap: pieces.stride &- pieces.channels, steps: steps,
      center: Int8(truncatingIfNeeded: byteCenter(level)), ahead: weights + panelStride,
      share: isLast ? 0 : share, fitsFirst: panelStride <= 12 << 10)
    var row = part.rowBegin
    while row < part.rowEnd {
      let block = min(finishedRows, part.rowEnd &- row)
      multiplyBlock(level, run, row, block, panel, sums)
      row &+= block
      run.codes += block &* codeStride
      run.ahead += block / 4 &* run.share
    }
    panel &+= 1
  }
}

/// What is taken off weights in bytes, so that more products fit in 16 bits: the sums of codes give it back.
@inline(__always)
func byteCenter(_ level: UnsafePointer<snq_matmul_args>) -> Int32 {
  let bits = level.pointee.weightBits
  return bits == 8 || level.pointee.weightConstant == 0
    ? 0 : Int32(1) &<< Int32(truncatingIfNeeded: bits &- 1)
}
