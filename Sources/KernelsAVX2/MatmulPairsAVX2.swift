import CKernelABI
import CSIMD

// Bytes whose products with codes of any value add up in 16 bits: of one group of 4 channels (`vpmaddubsw`, `vpmaddwd`
// by 1, `vpaddd`) or of two, which share the last two instructions. Which do, say `snq_matmul_args.wordSteps`, made of
// the weights themselves: nothing saturates. The worst 7-bit weights would let one group fit and the worst 8-bit ones
// none, but nearly all that networks have let two or one. What is left is done in words, in a second pass.

/// Some tiles of rows against one panel.
private struct PairedRun {
  let weights: UnsafePointer<UInt8>
  var codes: UnsafePointer<UInt8>
  let codeStride: Int
  var tiles: Int
  let pieces: CodePieces
  /// One byte for two groups; `stepMask` is 0 where the first one stands for all.
  let steps: UnsafePointer<UInt8>
  let stepMask: Int
  /// What is taken off each weight.
  let center: Int8
  /// Each tile asks for its share of the next panel, which comes from far.
  var ahead: UnsafePointer<UInt8>
  let share: Int

  /// Goes on to the next tile of so many rows; false behind the last one.
  @inline(__always)
  mutating func advance(_ rows: Int, _ sums: inout UnsafeMutablePointer<__m256i>) -> Bool {
    codes += rows &* codeStride
    ahead += share
    sums += 2 &* rows
    tiles &-= 1
    return tiles > 0
  }

  @inline(__always)
  func askAhead() {
    var place = 0
    while place < share {
      snq_prefetch_first(ahead + place)
      place &+= 64
    }
  }
}

extension OutputVectors {
  /// Adds to 32-bit sums the products of 4 unsigned codes with signed bytes.
  @inline(__always)
  fileprivate mutating func addGroup(_ codes: __m256i, _ weights: OutputVectors) {
    let ones = _mm256_set1_epi16(1)
    low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_maddubs_epi16(codes, weights.low), ones))
    high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_maddubs_epi16(codes, weights.high), ones))
  }

  /// The same of 8 codes.
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

/// All steps but the wide ones, of one tile.
@inline(__always)
private func addTile(_ rows: Int, isCentered: Bool, _ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  var tile = isCentered ? SumTile(rows, sums) : SumTile(rows)
  let center = _mm256_set1_epi8(run.center)
  func loaded(_ place: UnsafePointer<UInt8>) -> OutputVectors {
    isCentered ? OutputVectors.loaded(place).centered(center) : OutputVectors.loaded(place)
  }
  var (weights, line, step) = (run.weights, run.codes, 0)
  var segment = run.pieces.count
  // Loops that may have no turn at all would make the compiler keep sums in memory between segments.
  repeat {
    var (codes, rest) = (line, run.pieces.channels)
    repeat {
      let kind = run.steps[step & run.stepMask]
      let isWhole = rest > 4
      if kind == UInt8(SNQ_STEP_DOUBLE), isWhole {
        tile.addTwoGroups(loaded(weights), loaded(weights + 64), codes, run.codeStride)
      } else if kind != UInt8(SNQ_STEP_WIDE) {
        tile.add(loaded(weights), codes, run.codeStride) { $0.addGroup($1, $2) }
        if isWhole { tile.add(loaded(weights + 64), codes + 4, run.codeStride) { $0.addGroup($1, $2) } }
      }
      weights += isWhole ? 128 : 64
      codes += 8
      rest &-= 8
      step &+= 1
    } while rest > 0
    line += run.pieces.stride
    segment &-= 1
  } while segment > 0
  tile.store(sums)
}

/// * rows: of a tile, a literal.
/// * isCentered: a literal, for taking off nothing is an instruction too. Then the sums have begun, else these begin them.
@inline(__always)
private func add(_ rows: Int, isCentered: Bool, _ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  var (run, sums) = (run, sums)
  repeat {
    run.askAhead()
    addTile(rows, isCentered: isCentered, run, sums)
  } while run.advance(rows, &sums)
}

@inline(__always)
private func addWide(_ rows: Int, _ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  var (run, sums) = (run, sums)
  repeat { addWideTile(rows, run, sums) } while run.advance(rows, &sums)
}

/// The wide steps of one tile.
@inline(__always)
private func addWideTile(_ rows: Int, _ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  var tile = SumTile(rows, sums)
  var (weights, line, step) = (run.weights, run.codes, 0)
  var segment = run.pieces.count
  repeat {
    var (codes, rest) = (line, run.pieces.channels)
    repeat {
      let isWhole = rest > 4
      if run.steps[step & run.stepMask] == UInt8(SNQ_STEP_WIDE) {
        tile.addWide(.loaded(weights), codes, run.codeStride)
        if isWhole { tile.addWide(.loaded(weights + 64), codes + 4, run.codeStride) }
      }
      weights += isWhole ? 128 : 64
      codes += 8
      rest &-= 8
      step &+= 1
    } while rest > 0
    line += run.pieces.stride
    segment &-= 1
  } while segment > 0
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

/// Adds to `sums` ([row][half]) the products of 1, 2 or 4 rows.
@inline(__always)
private func add(
  rows: Int, hasWide: Bool, _ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>
) {
  switch rows {
  case 4: run.center == 0 ? signed4(run, sums) : centered4(run, sums)
  case 2: run.center == 0 ? signed2(run, sums) : centered2(run, sums)
  default: run.center == 0 ? signed1(run, sums) : centered1(run, sums)
  }
  guard hasWide else { return }
  switch rows {
  case 4: wide4(run, sums)
  case 2: wide2(run, sums)
  default: wide1(run, sums)
  }
}

/// What is known of the steps of panels.
struct WordSteps {
  private let all: UnsafePointer<UInt8>?
  private let stride: Int
  /// Where nothing is known: what the worst weights allow.
  private let worst: UInt8

  @inline(__always)
  init(_ level: UnsafePointer<snq_matmul_args>) {
    all = level.pointee.wordSteps
    stride = level.pointee.wordStepStride
    let bits = Int(level.pointee.weightBits)
    let limit = bits == 8 ? 128 : byteCenter(level) == 0 ? (1 &<< bits) &- 1 : 1 &<< (bits &- 1)
    worst = UInt8(
      truncatingIfNeeded: min(
        2, groupsInWords(activationBits: Int(level.pointee.activationBits), weightLimit: limit)))
  }

  /// SNQ_STEPS_NONE, _SOME or _NARROW.
  @inline(__always)
  func kind(_ panel: Int) -> Int {
    if let all { return Int(all[panel &* stride]) }
    return worst == UInt8(SNQ_STEP_WIDE) ? SNQ_STEPS_NONE : SNQ_STEPS_NARROW
  }

  /// The steps of a panel and what their indices are masked with; `memory` is for one byte.
  @inline(__always)
  fileprivate func steps(
    _ panel: Int, _ memory: UnsafeMutablePointer<UInt8>
  ) -> (start: UnsafePointer<UInt8>, mask: Int) {
    if let all { return (all + (panel &* stride &+ 1), -1) }
    memory.pointee = worst
    return (UnsafePointer(memory), 0)
  }
}

/// Rows whose outputs are finished together.
private let finishedRows = 48

/// A block of rows against one panel.
@inline(__always)
private func multiplyBlock(
  _ level: UnsafePointer<snq_matmul_args>, _ first: PairedRun, hasWide: Bool, _ row: Int, _ block: Int,
  _ panel: Int, _ sums: UnsafeMutablePointer<__m256i>
) {
  if first.center != 0 { startSums(level, row, block, Int32(first.center), sums) }
  var (run, done) = (first, 0)
  while done < block {
    let rows = min(4, tileRows(block &- done))
    run.tiles = rows == 4 ? (block &- done) / 4 : 1
    add(rows: rows, hasWide: hasWide, run, sums + 2 &* done)
    done &+= rows &* run.tiles
    run.codes += rows &* run.tiles &* run.codeStride
    run.ahead += run.tiles &* run.share
  }
  finishTile(sums, block, level, row, panel)
}

/// Bytes of panels with steps worth taking, any part of the rows and panels.
func multiplyPairs(
  _ steps: WordSteps, _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart,
  _ scratch: UnsafeMutablePointer<UInt8>
) {
  guard let allWeights = level.pointee.weights, let allCodes = level.pointee.codes else { return }
  let codeStride = Int(level.pointee.codeStride)
  let sums = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: __m256i.self)
  let panelStride = Int(level.pointee.panelStride)
  let share = (panelStride / max(1, part.rows / 4) &+ 63) & ~63
  var panel = part.panelBegin
  while panel < part.panelEnd {
    let weights = allWeights + panel &* panelStride
    let (start, mask) = steps.steps(panel, scratch + finishedRows &* 64)
    let hasWide = steps.kind(panel) == SNQ_STEPS_SOME
    let isLast = panel &+ 1 == part.panelEnd
    var run = PairedRun(
      weights: weights, codes: allCodes + part.rowBegin &* codeStride, codeStride: codeStride, tiles: 0,
      pieces: CodePieces(level), steps: start, stepMask: mask,
      center: Int8(truncatingIfNeeded: byteCenter(level)), ahead: weights + panelStride,
      share: isLast ? 0 : share)
    var row = part.rowBegin
    while row < part.rowEnd {
      let block = min(finishedRows, part.rowEnd &- row)
      multiplyBlock(level, run, hasWide: hasWide, row, block, panel, sums)
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
