import CSIMD

/// What the tiles of some rows read and write.
struct ByteRun {
  var weights: UnsafePointer<UInt8>
  var codes: UnsafePointer<UInt8>
  let channels: Int
  var corrections: UnsafePointer<Int32>
  /// [row][16].
  var sums: UnsafeMutablePointer<Int32>

  /// On to the rows behind.
  @inline(__always)
  mutating func skip(_ rows: Int) {
    codes += 32 &* rows
    corrections += rows
    sums += 16 &* rows
  }

  /// The 4 rows behind `skip(4)` are in another group.
  @inline(__always)
  mutating func skipGroup() { codes += 4 &* blockChannels &* MatmulTiles.codeBytes &- 128 }
}

/// Codes of 8 channels of a row.
private struct OctetCodes {
  let first: uint8x16_t
  let second: uint8x16_t

  @inline(__always)
  init(_ place: UnsafePointer<UInt8>) {
    first = snq_load_u8(place)
    second = snq_load_u8(place + 16)
  }
}

extension OutputVectors {
  @inline(__always)
  fileprivate func subtracting(_ number: Int32) -> OutputVectors {
    map { vsubq_s32($0, vdupq_n_s32(number)) }
  }
}

/// How two products add up in 16 bits: a literal.
enum WideForm {
  /// The second one is that of the complement of the weights, and taken off.
  case complement
  /// No code is -128, so that both fit.
  case plain
}

/// sum + the products of 8 channels of 4 outputs, two in 16 bits at a time.
@inline(__always)
private func addWide(
  _ form: WideForm, _ sum: inout int32x4_t, _ first: uint8x16_t, _ second: uint8x16_t, _ codes: OctetCodes
) {
  func product(_ weights: uint8x16_t, _ codes: uint8x16_t) -> int16x8_t {
    let low = snq_product_low(weights, codes)
    return form == .plain ? snq_add_high(low, weights, codes) : snq_subtract_high(low, weights, codes)
  }
  let (early, late) = (product(first, codes.first), product(second, codes.second))
  sum = vpadalq_s16(vpadalq_s16(sum, early), late)
}

/// 16 channels of 4 outputs, or of one row of codes.
private struct SixteenChannels {
  let early: OctetCodes
  let late: OctetCodes

  @inline(__always)
  init(_ place: UnsafePointer<UInt8>) {
    early = OctetCodes(place)
    late = OctetCodes(place + 128)
  }

  /// sum + the products, 8 in 16 bits.
  @inline(__always)
  func add(_ sum: inout int32x4_t, _ codes: SixteenChannels) {
    var words = snq_product_low(early.first, codes.early.first)
    words = snq_add_high(words, early.first, codes.early.first)
    words = snq_add_low(words, early.second, codes.early.second)
    words = snq_add_high(words, early.second, codes.early.second)
    words = snq_add_low(words, late.first, codes.late.first)
    words = snq_add_high(words, late.first, codes.late.first)
    words = snq_add_low(words, late.second, codes.late.second)
    words = snq_add_high(words, late.second, codes.late.second)
    sum = vpadalq_s16(sum, words)
  }
}

extension TileSums {
  /// Adds some channels of 1, 2 or 4 rows, two products in 16 bits at a time.
  @inline(__always)
  mutating func addWide(
    _ form: WideForm, _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ channels: Int
  ) {
    let rows = rows
    var (tile, place, rest) = (weights, codes, channels)
    while rest > 0 {
      let codes0 = OctetCodes(place)
      let codes1 = rows > 1 ? OctetCodes(place + 32) : codes0
      let codes2 = rows > 2 ? OctetCodes(place + 64) : codes0
      let codes3 = rows > 2 ? OctetCodes(place + 96) : codes0
      func add(
        _ sum0: inout int32x4_t, _ sum1: inout int32x4_t, _ sum2: inout int32x4_t, _ sum3: inout int32x4_t
      ) {
        let (first, second) = (snq_load_u8(tile), snq_load_u8(tile + 16))
        KernelsNEON.addWide(form, &sum0, first, second, codes0)
        if rows > 1 { KernelsNEON.addWide(form, &sum1, first, second, codes1) }
        if rows > 2 {
          KernelsNEON.addWide(form, &sum2, first, second, codes2)
          KernelsNEON.addWide(form, &sum3, first, second, codes3)
        }
        tile = snq_after_s32(tile + 32, sum0, sum1, sum2, sum3)
      }
      add(&row0.a, &row1.a, &row2.a, &row3.a)
      add(&row0.b, &row1.b, &row2.b, &row3.b)
      add(&row0.c, &row1.c, &row2.c, &row3.c)
      add(&row0.d, &row1.d, &row2.d, &row3.d)
      place += 128
      rest &-= 8
    }
  }

  /// The same of 1 or 2 rows, 8 in 16 bits.
  @inline(__always)
  mutating func addNarrow(
    _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ channels: Int
  ) {
    let rows = rows
    var (tile, place, rest) = (weights, codes, channels)
    while rest > 0 {
      let codes0 = SixteenChannels(place)
      let codes1 = rows > 1 ? SixteenChannels(place + 32) : codes0
      func add(_ quarter: Int, _ sum0: inout int32x4_t, _ sum1: inout int32x4_t) {
        let weights = SixteenChannels(tile + 32 &* quarter)
        weights.add(&sum0, codes0)
        if rows > 1 { weights.add(&sum1, codes1) }
      }
      add(0, &row0.a, &row1.a)
      add(1, &row0.b, &row1.b)
      add(2, &row0.c, &row1.c)
      add(3, &row0.d, &row1.d)
      tile += 256
      place += 256
      rest &-= 16
    }
  }
}

/// * rows: 1, 2 or 4, a literal.
@inline(__always)
private func addWide(_ rows: Int, _ run: ByteRun) {
  var tile = TileSums(rows)
  tile.row0 = OutputVectors(run.sums).subtracting(run.corrections[0])
  if rows > 1 { tile.row1 = OutputVectors(run.sums + 16).subtracting(run.corrections[1]) }
  if rows > 2 {
    tile.row2 = OutputVectors(run.sums + 32).subtracting(run.corrections[2])
    tile.row3 = OutputVectors(run.sums + 48).subtracting(run.corrections[3])
  }
  tile.addWide(.complement, run.weights, run.codes, run.channels)
  tile.forEach { $0.store(run.sums + 16 &* $1) }
}

/// * rows: 1 or 2, a literal.
@inline(__always)
private func addNarrow(_ rows: Int, _ run: ByteRun) {
  var tile = TileSums(rows)
  tile.row0 = OutputVectors(run.sums)
  if rows > 1 { tile.row1 = OutputVectors(run.sums + 16) }
  tile.addNarrow(run.weights, run.codes, run.channels)
  tile.forEach { $0.store(run.sums + 16 &* $1) }
}

// One function a tile shape, because the optimiser stops inlining when a caller grows.

@inline(never)
private func wide4(_ run: ByteRun) { addWide(4, run) }
@inline(never)
private func wide2(_ run: ByteRun) { addWide(2, run) }
@inline(never)
private func wide1(_ run: ByteRun) { addWide(1, run) }
@inline(never)
private func narrow2(_ run: ByteRun) { addNarrow(2, run) }
@inline(never)
private func narrow1(_ run: ByteRun) { addNarrow(1, run) }

/// Adds the products of some rows, two in 16 bits at a time.
@inline(__always)
func addWideTiles(_ source: ByteRun, _ rows: Int) {
  var (run, rest) = (source, rows)
  while rest >= 4 {
    wide4(run)
    run.skip(4)
    run.skipGroup()
    rest &-= 4
  }
  if rest >= 2 {
    wide2(run)
    run.skip(2)
    rest &-= 2
  }
  if rest > 0 { wide1(run) }
}

/// The same, 8 in 16 bits.
@inline(__always)
func addNarrowTiles(_ source: ByteRun, _ rows: Int) {
  var (run, rest) = (source, rows)
  while rest >= 2 {
    narrow2(run)
    run.skip(2)
    rest &-= 2
    if (rows &- rest) & 3 == 0 { run.skipGroup() }
  }
  if rest > 0 { narrow1(run) }
}
