import CSIMD

// `usmmla`: 2 rows x 2 outputs x 8 channels an instruction. Two tiles of 4 channels are zipped to outputs of 8, once for
// all rows of a block; 6 rows x 1 panel are 24 sums.

/// Sums of 2 rows: of every two outputs (row 0, row 0, row 1, row 1).
private struct PairSums {
  var a = vdupq_n_s32(0)
  var b = vdupq_n_s32(0)
  var c = vdupq_n_s32(0)
  var d = vdupq_n_s32(0)
  var e = vdupq_n_s32(0)
  var f = vdupq_n_s32(0)
  var g = vdupq_n_s32(0)
  var h = vdupq_n_s32(0)

  @inline(__always)
  init(_ sums: UnsafePointer<Int32>) {
    let (upper, lower) = (OutputVectors(sums), OutputVectors(sums + 16))
    (a, b) = (snq_zip_low_s64(upper.a, lower.a), snq_zip_high_s64(upper.a, lower.a))
    (c, d) = (snq_zip_low_s64(upper.b, lower.b), snq_zip_high_s64(upper.b, lower.b))
    (e, f) = (snq_zip_low_s64(upper.c, lower.c), snq_zip_high_s64(upper.c, lower.c))
    (g, h) = (snq_zip_low_s64(upper.d, lower.d), snq_zip_high_s64(upper.d, lower.d))
  }

  @inline(__always)
  func store(_ sums: UnsafeMutablePointer<Int32>) {
    OutputVectors(
      snq_zip_low_s64(a, b), snq_zip_low_s64(c, d), snq_zip_low_s64(e, f), snq_zip_low_s64(g, h)
    ).store(sums)
    OutputVectors(
      snq_zip_high_s64(a, b), snq_zip_high_s64(c, d), snq_zip_high_s64(e, f), snq_zip_high_s64(g, h)
    ).store(sums + 16)
  }
}

/// 8 channels of 16 outputs.
private struct MatrixWeights {
  let start: UnsafePointer<Int8>

  @inline(__always) init(_ start: UnsafePointer<UInt8>) {
    self.start = UnsafeRawPointer(start).assumingMemoryBound(to: Int8.self)
  }

  @inline(__always) func outputs(_ pair: Int) -> int8x16_t { snq_load_s8(start + 16 &* pair) }
}

/// * pairs: of rows, 1 to 3, a literal.
@inline(__always)
private func addTile(
  _ pairs: Int, _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ channels: Int,
  _ sums: UnsafeMutablePointer<Int32>
) {
  var p = PairSums(sums)
  var q = pairs > 1 ? PairSums(sums + 32) : p
  var r = pairs > 2 ? PairSums(sums + 64) : p
  var (tile, place, rest) = (weights, codes, channels)
  while rest > 0 {
    let (all, x) = (MatrixWeights(tile), snq_load_u8(place))
    let y = pairs > 1 ? snq_load_u8(place + 16) : x
    let z = pairs > 2 ? snq_load_u8(place + 32) : x
    func add(_ index: Int, _ first: inout int32x4_t, _ second: inout int32x4_t, _ third: inout int32x4_t) {
      let outputs = all.outputs(index)
      first = vusmmlaq_s32(first, x, outputs)
      if pairs > 1 { second = vusmmlaq_s32(second, y, outputs) }
      if pairs > 2 { third = vusmmlaq_s32(third, z, outputs) }
    }
    add(0, &p.a, &q.a, &r.a)
    add(1, &p.b, &q.b, &r.b)
    add(2, &p.c, &q.c, &r.c)
    add(3, &p.d, &q.d, &r.d)
    add(4, &p.e, &q.e, &r.e)
    add(5, &p.f, &q.f, &r.f)
    add(6, &p.g, &q.g, &r.g)
    add(7, &p.h, &q.h, &r.h)
    tile += 128
    place += 48
    rest &-= 8
  }
  p.store(sums)
  if pairs > 1 { q.store(sums + 32) }
  if pairs > 2 { r.store(sums + 64) }
}

// One function a tile shape, because the optimiser stops inlining when a caller grows.

@inline(never)
private func addOne(
  _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ channels: Int,
  _ sums: UnsafeMutablePointer<Int32>
) { addTile(1, weights, codes, channels, sums) }
@inline(never)
private func addTwo(
  _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ channels: Int,
  _ sums: UnsafeMutablePointer<Int32>
) { addTile(2, weights, codes, channels, sums) }
@inline(never)
private func addThree(
  _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ channels: Int,
  _ sums: UnsafeMutablePointer<Int32>
) { addTile(3, weights, codes, channels, sums) }

/// Adds to `sums` ([row][16], an even number of rows) the products of some rows, whose codes `prepareMatrixCodes` has
/// made.
@inline(__always)
func addMatrixTiles(
  _ weights: UnsafePointer<UInt8>, _ channels: Int, _ codes: UnsafePointer<UInt8>, _ rows: Int,
  _ sums: UnsafeMutablePointer<Int32>
) {
  var (place, target, rest) = (codes, sums, rows)
  while rest > 4 {
    addThree(weights, place, channels, target)
    place += 6 &* blockChannels
    target += 96
    rest &-= 6
  }
  if rest > 2 {
    addTwo(weights, place, channels, target)
  } else if rest > 0 {
    addOne(weights, place, channels, target)
  }
}

/// Tiles of 4 channels to outputs of 8.
@inline(never)
func arrangeMatrixWeights(
  _ weights: UnsafePointer<UInt8>, _ channels: Int, _ target: UnsafeMutablePointer<UInt8>
) {
  var (tile, place, rest) = (weights, target, channels)
  while rest > 0 {
    let early = TileVectors(tile)
    let none = vdupq_n_u8(0)
    let late = rest >= 8 ? TileVectors(tile + 64) : TileVectors(none, none, none, none)
    TileVectors(
      snq_zip_low_u32(early.a, late.a), snq_zip_high_u32(early.a, late.a), snq_zip_low_u32(early.b, late.b),
      snq_zip_high_u32(early.b, late.b)
    ).store(place)
    TileVectors(
      snq_zip_low_u32(early.c, late.c), snq_zip_high_u32(early.c, late.c), snq_zip_low_u32(early.d, late.d),
      snq_zip_high_u32(early.d, late.d)
    ).store(place + 64)
    tile += 128
    place += 128
    rest &-= 8
  }
}

@inline(__always)
private func prepare(
  isTransposed: Bool, _ codes: BlockCodes, _ groupRows: Int, _ target: UnsafeMutablePointer<UInt8>
) {
  let step = 8 &* groupRows
  var (group, index) = (target, 0)
  var row = 0
  while row < codes.rows {
    var upper = codes.start + row &* codes.stride
    var lower = row &+ 1 < codes.rows ? upper + codes.stride : upper
    var (place, rest) = (group + 8 &* index, codes.channels)
    while rest >= 16 {
      let (x, y) = (snq_load_u8(upper), snq_load_u8(lower))
      let first = isTransposed ? snq_transpose_u8(x) : x
      let second = isTransposed ? snq_transpose_u8(y) : y
      snq_store_u8(place, snq_zip_low_u64(first, second))
      snq_store_u8(place + step, snq_zip_high_u64(first, second))
      upper += 16
      lower += 16
      place += 2 &* step
      rest &-= 16
    }
    while rest > 0 {
      let isWhole = rest >= 8
      let x = isWhole ? snq_load_double_u8(upper) : snq_load_word_u8(upper)
      let y = isWhole ? snq_load_double_u8(lower) : snq_load_word_u8(lower)
      snq_store_u8(place, snq_zip_low_u64(x, y))
      upper += 8
      lower += 8
      place += step
      rest &-= 8
    }
    row &+= 2
    index &+= 2
    if index == groupRows {
      group += groupRows &* blockChannels
      index = 0
    }
  }
}

/// Codes of a block for tiles of `groupRows` (4 or 6) rows: 8 channels of 2 rows are 16 bytes, and those of the rows of a
/// tile follow each other. Behind 4 last channels are zeros, and an odd last row is there twice.
@inline(never)
func prepareMatrixCodes(_ codes: BlockCodes, _ groupRows: Int, _ target: UnsafeMutablePointer<UInt8>) {
  if codes.isTransposed {
    prepare(isTransposed: true, codes, groupRows, target)
  } else {
    prepare(isTransposed: false, codes, groupRows, target)
  }
}
