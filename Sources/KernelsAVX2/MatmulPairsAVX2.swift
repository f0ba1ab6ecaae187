import CKernelABI
import CSIMD

// Bytes whose products with codes of any value add up in 16 bits: of one group of 4 channels (`vpmaddubsw`, `vpmaddwd`
// by 1, `vpaddd`) or of two, which share the last two instructions. How many do, say `snq_matmul_args.wordGroups`, made
// of the weights themselves: nothing saturates, and 7-bit weights, of which the worst would let one group fit, nearly
// always let two.

/// Some rows against one panel.
private struct PairedRun {
  let weights: UnsafePointer<UInt8>
  let codes: UnsafePointer<UInt8>
  let codeStride: Int
  /// Channels of one segment.
  let channels: Int
  let segments: Int
  let segmentStride: Int
  /// What is taken off each weight.
  let center: Int8
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
}

/// * groups: 1 or 2, a literal; with 2 at most 4 rows.
/// * isCentered: a literal, for taking off nothing is an instruction too.
@inline(__always)
private func add(
  _ rows: Int, groups: Int, isCentered: Bool, _ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>
) {
  var tile = SumTile(rows, sums)
  let center = _mm256_set1_epi8(run.center)
  func loaded(_ place: UnsafePointer<UInt8>) -> OutputVectors {
    isCentered ? OutputVectors.loaded(place).centered(center) : OutputVectors.loaded(place)
  }
  var weights = run.weights
  var segment = 0
  repeat {
    var codes = run.codes + segment &* run.segmentStride
    var rest = run.channels
    while groups > 1, rest >= 8 {
      tile.addTwoGroups(loaded(weights), loaded(weights + 64), codes, run.codeStride)
      weights += 128
      codes += 8
      rest &-= 8
    }
    while rest > 0 {
      tile.add(loaded(weights), codes, run.codeStride) { $0.addGroup($1, $2) }
      weights += 64
      codes += 4
      rest &-= 4
    }
    segment &+= 1
  } while segment < run.segments
  tile.store(sums)
}

// One function a tile shape, because the optimiser stops inlining when a caller grows.

@inline(never)
private func centered6(_ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  add(6, groups: 1, isCentered: true, run, sums)
}
@inline(never)
private func signed6(_ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  add(6, groups: 1, isCentered: false, run, sums)
}
@inline(never)
private func single4(_ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  add(4, groups: 1, isCentered: true, run, sums)
}
@inline(never)
private func single2(_ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  add(2, groups: 1, isCentered: true, run, sums)
}
@inline(never)
private func single1(_ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  add(1, groups: 1, isCentered: true, run, sums)
}
@inline(never)
private func centeredTwice4(_ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  add(4, groups: 2, isCentered: true, run, sums)
}
@inline(never)
private func signedTwice4(_ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  add(4, groups: 2, isCentered: false, run, sums)
}
@inline(never)
private func twice2(_ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  add(2, groups: 2, isCentered: true, run, sums)
}
@inline(never)
private func twice1(_ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  add(1, groups: 2, isCentered: true, run, sums)
}

/// Adds to `sums` ([row][half]) the products of 1, 2, 4 or, with one group, 6 rows.
@inline(__always)
private func add(_ rows: Int, groups: Int, _ run: PairedRun, _ sums: UnsafeMutablePointer<__m256i>) {
  switch (rows, groups) {
  case (6, _): run.center == 0 ? signed6(run, sums) : centered6(run, sums)
  case (4, 2): run.center == 0 ? signedTwice4(run, sums) : centeredTwice4(run, sums)
  case (4, _): single4(run, sums)
  case (2, 2): twice2(run, sums)
  case (2, _): single2(run, sums)
  case (_, 2): twice1(run, sums)
  default: single1(run, sums)
  }
}

/// Rows whose outputs are finished together.
private let finishedRows = 48

/// Bytes of panels of which `groups` (1 or 2) of 4 channels add up in 16 bits, any part of the rows and panels.
func multiplyPairs(
  groups: Int, _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart,
  _ scratch: UnsafeMutablePointer<UInt8>
) {
  guard let allWeights = level.pointee.weights, let allCodes = level.pointee.codes else { return }
  let codeStride = Int(level.pointee.codeStride)
  let center = byteCenter(level)
  let sums = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: __m256i.self)
  let panelStride = Int(level.pointee.panelStride)
  let pieces = CodePieces(level)
  let most = groups > 1 ? 4 : 6
  // Each tile of rows asks for its share of the next panel, which comes from far.
  let share = (panelStride / max(1, part.rows / most) &+ 63) & ~63
  var panel = part.panelBegin
  while panel < part.panelEnd {
    let weights = allWeights + panel &* panelStride
    var row = part.rowBegin
    var ahead = panel &+ 1 < part.panelEnd ? panelStride : 2 &* panelStride
    while row < part.rowEnd {
      let block = min(finishedRows, part.rowEnd &- row)
      startSums(level, row, block, center, sums)
      var done = 0
      while done < block {
        let rows = min(most, tileRows(block &- done))
        let shareEnd = min(2 &* panelStride, ahead &+ share)
        while ahead < shareEnd {
          snq_prefetch_first(weights + ahead)
          ahead &+= 64
        }
        let run = PairedRun(
          weights: weights, codes: allCodes + (row &+ done) &* codeStride, codeStride: codeStride,
          channels: pieces.channels, segments: pieces.count, segmentStride: pieces.stride,
          center: Int8(truncatingIfNeeded: center))
        add(rows, groups: groups, run, sums + 2 &* done)
        done &+= rows
      }
      finishTile(sums, block, level, row, panel)
      row &+= block
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
