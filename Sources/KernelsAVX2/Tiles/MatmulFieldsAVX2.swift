import CKernelABI
import CSIMD

// Planes of 1 to 3 bits for few rows: their weights are rebuilt in registers and used at once. A tile of 32 channels
// adds up in 16 bits: 8 * 2 * 255 * 7.

/// 16-bit sums of up to 4 rows with half a tile.
private struct FieldSums {
  var row0 = _mm256_setzero_si256()
  var row1 = _mm256_setzero_si256()
  var row2 = _mm256_setzero_si256()
  var row3 = _mm256_setzero_si256()

  @inline(__always)
  mutating func add(_ rows: Int, _ weights: __m256i, _ codes: UnsafePointer<UInt8>, _ stride: Int) {
    add(&row0, weights, codes)
    if rows > 1 { add(&row1, weights, codes + stride) }
    if rows > 2 {
      add(&row2, weights, codes + 2 &* stride)
      add(&row3, weights, codes + 3 &* stride)
    }
  }

  @inline(__always)
  private func add(_ sums: inout __m256i, _ weights: __m256i, _ codes: UnsafePointer<UInt8>) {
    sums = _mm256_add_epi16(sums, _mm256_maddubs_epi16(snq_broadcast4_256(codes), weights))
  }

  /// Adds to the 32-bit sums of one half, [row][half].
  @inline(__always)
  func widen(_ rows: Int, into sums: UnsafeMutablePointer<__m256i>) {
    widen(row0, sums)
    if rows > 1 { widen(row1, sums + 2) }
    if rows > 2 {
      widen(row2, sums + 4)
      widen(row3, sums + 6)
    }
  }

  @inline(__always)
  private func widen(_ words: __m256i, _ target: UnsafeMutablePointer<__m256i>) {
    let sum = _mm256_madd_epi16(words, _mm256_set1_epi16(1))
    snq_store_256(target, _mm256_add_epi32(snq_load_256(target), sum))
  }
}

/// One panel against some rows.
private struct FieldRun {
  var plane: UnsafePointer<UInt8>
  let planeStride: Int
  /// To the next panel.
  let panelStride: Int
  /// Transposed.
  var codes: UnsafePointer<UInt8>
  let codeStride: Int
  let channels: Int
  let sums: UnsafeMutablePointer<__m256i>
}

@inline(__always)
private func addHalf(_ bits: Int, _ rows: Int, _ run: FieldRun, _ half: Int) {
  let fields = PlaneFields(bits, run.plane + half &* 32, run.planeStride)
  var sums = FieldSums()
  sums.add(rows, fields.weights(0), run.codes, run.codeStride)
  sums.add(rows, fields.weights(1), run.codes + 4, run.codeStride)
  sums.add(rows, fields.weights(2), run.codes + 8, run.codeStride)
  sums.add(rows, fields.weights(3), run.codes + 12, run.codeStride)
  sums.add(rows, fields.weights(4), run.codes + 16, run.codeStride)
  sums.add(rows, fields.weights(5), run.codes + 20, run.codeStride)
  sums.add(rows, fields.weights(6), run.codes + 24, run.codeStride)
  sums.add(rows, fields.weights(7), run.codes + 28, run.codeStride)
  sums.widen(rows, into: run.sums + half)
}

@inline(__always)
private func add(_ bits: Int, _ rows: Int, _ source: FieldRun) {
  var run = source
  var rest = run.channels
  while rest > 0 {
    // The same tile of the next panel, which may still be in L3 or in memory.
    for bit in 0..<bits { snq_prefetch(run.plane + (run.panelStride &+ bit &* run.planeStride)) }
    addHalf(bits, rows, run, 0)
    addHalf(bits, rows, run, 1)
    run.plane += 64
    run.codes += 32
    rest &-= 32
  }
}

// One function a tile shape, because the optimiser stops inlining when a caller grows: bits, rows.

@inline(never)
private func fields1x1(_ run: FieldRun) { add(1, 1, run) }
@inline(never)
private func fields1x2(_ run: FieldRun) { add(1, 2, run) }
@inline(never)
private func fields1x4(_ run: FieldRun) { add(1, 4, run) }
@inline(never)
private func fields2x1(_ run: FieldRun) { add(2, 1, run) }
@inline(never)
private func fields2x2(_ run: FieldRun) { add(2, 2, run) }
@inline(never)
private func fields2x4(_ run: FieldRun) { add(2, 4, run) }
@inline(never)
private func fields3x1(_ run: FieldRun) { add(3, 1, run) }
@inline(never)
private func fields3x2(_ run: FieldRun) { add(3, 2, run) }
@inline(never)
private func fields3x4(_ run: FieldRun) { add(3, 4, run) }

@inline(__always)
private func add(bits: Int, rows: Int, _ run: FieldRun) {
  switch (bits, rows) {
  case (1, 1): fields1x1(run)
  case (1, 2): fields1x2(run)
  case (1, _): fields1x4(run)
  case (2, 1): fields2x1(run)
  case (2, 2): fields2x2(run)
  case (2, _): fields2x4(run)
  case (_, 1): fields3x1(run)
  case (_, 2): fields3x2(run)
  default: fields3x4(run)
  }
}

/// Channels whose transposed codes are in scratch memory at a time.
private let fieldChannels = 4096

/// One panel against some rows, whose transposed codes are kept in `transposed` if they all fit and `isFirst` made
/// them.
@inline(__always)
private func multiply(
  _ level: UnsafePointer<snq_matmul_args>, _ codes: UnsafePointer<UInt8>, _ rows: Int, _ panel: Int,
  _ isFirst: Bool, _ sums: UnsafeMutablePointer<__m256i>, _ transposed: UnsafeMutablePointer<UInt8>
) {
  guard let weights = level.pointee.weights else { return }
  let panelStride = Int(level.pointee.panelStride)
  let codeStride = Int(level.pointee.codeStride)
  let channels = Int(level.pointee.paddedChannels)
  for r in 0..<rows { OutputVectors().store(sums + 2 &* r) }
  var channel = 0
  while channel < channels {
    let count = min(fieldChannels, channels &- channel)
    if isFirst || channels > fieldChannels {
      transposeCodes(codes + channel, codeStride, rows: rows, count, transposed, fieldChannels)
    }
    let run = FieldRun(
      plane: weights + (panel &* panelStride &+ channel &* 2), planeStride: Int(level.pointee.planeStride),
      panelStride: panelStride, codes: transposed, codeStride: fieldChannels, channels: count, sums: sums)
    add(bits: Int(level.pointee.weightBits), rows: rows, run)
    channel &+= count
  }
}

/// Planes of 1 to 3 bits, any part of the rows and panels.
func multiplyFields(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart, _ scratch: UnsafeMutablePointer<UInt8>
) {
  guard let codes = level.pointee.codes else { return }
  let sums = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: __m256i.self)
  var row = part.rowBegin
  while row < part.rowEnd {
    let rows = min(4, tileRows(part.rowEnd &- row))
    let start = codes + row &* Int(level.pointee.codeStride)
    for panel in part.panelBegin..<max(part.panelBegin, part.panelEnd) {
      multiply(level, start, rows, panel, panel == part.panelBegin, sums, scratch + 256)
      finishTile(sums, rows, level, row, panel)
    }
    row &+= rows
  }
}
