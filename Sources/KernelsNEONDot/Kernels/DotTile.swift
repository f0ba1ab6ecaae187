import CSIMD

// 4 rows x 1 panel, whose codes lie side by side: one register of codes holds 4 channels of all rows.

/// Sums of up to 4 rows.
struct DotSums {
  let rows: Int
  var row0: OutputVectors
  var row1 = OutputVectors()
  var row2 = OutputVectors()
  var row3 = OutputVectors()

  /// * rows: a literal.
  /// * sums: [row][16].
  @inline(__always)
  init(_ rows: Int, _ sums: UnsafePointer<Int32>) {
    self.rows = rows
    row0 = OutputVectors(sums)
    if rows > 1 { row1 = OutputVectors(sums + 16) }
    if rows > 2 { row2 = OutputVectors(sums + 32) }
    if rows > 3 { row3 = OutputVectors(sums + 48) }
  }

  @inline(__always)
  func store(_ sums: UnsafeMutablePointer<Int32>) {
    row0.store(sums)
    if rows > 1 { row1.store(sums + 16) }
    if rows > 2 { row2.store(sums + 32) }
    if rows > 3 { row3.store(sums + 48) }
  }

  /// Adds 4 channels.
  @inline(__always)
  mutating func add(_ weights: TileVectors, _ codes: uint8x16_t) {
    row0.add(weights, codes, 0)
    if rows > 1 { row1.add(weights, codes, 1) }
    if rows > 2 { row2.add(weights, codes, 2) }
    if rows > 3 { row3.add(weights, codes, 3) }
  }
}

extension OutputVectors {
  /// Adds the products of 4 channels, those of one lane of the codes.
  @inline(__always)
  mutating func add(_ weights: TileVectors, _ codes: uint8x16_t, _ lane: Int) {
    a = DotProduct.add(a, weights.a, codes, lane)
    b = DotProduct.add(b, weights.b, codes, lane)
    c = DotProduct.add(c, weights.c, codes, lane)
    d = DotProduct.add(d, weights.d, codes, lane)
  }
}

@inline(__always)
private func addTile(
  _ rows: Int, _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ channels: Int,
  _ memory: UnsafeMutablePointer<Int32>
) {
  var sums = DotSums(rows, memory)
  var (tile, place, rest) = (weights, codes, channels)
  while rest >= 16 {
    sums.add(TileVectors(tile), snq_load_u8(place))
    sums.add(TileVectors(tile + 64), snq_load_u8(place + 16))
    sums.add(TileVectors(tile + 128), snq_load_u8(place + 32))
    sums.add(TileVectors(tile + 192), snq_load_u8(place + 48))
    tile += 256
    place += 64
    rest &-= 16
  }
  while rest > 0 {
    sums.add(TileVectors(tile), snq_load_u8(place))
    tile += 64
    place += 16
    rest &-= 4
  }
  sums.store(memory)
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
@inline(never)
private func addFour(
  _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>, _ channels: Int,
  _ sums: UnsafeMutablePointer<Int32>
) { addTile(4, weights, codes, channels, sums) }

/// Adds to `sums` ([row][16]) the products of some rows, whose codes `prepareDotCodes` has made.
@inline(__always)
func addDotTiles(
  _ weights: UnsafePointer<UInt8>, _ channels: Int, _ codes: UnsafePointer<UInt8>, _ rows: Int,
  _ sums: UnsafeMutablePointer<Int32>
) {
  var (place, target, rest) = (codes, sums, rows)
  while rest >= 4 {
    addFour(weights, place, channels, target)
    place += 4 &* blockChannels
    target += 64
    rest &-= 4
  }
  switch rest {
  case 3: addThree(weights, place, channels, target)
  case 2: addTwo(weights, place, channels, target)
  case 1: addOne(weights, place, channels, target)
  default: break
  }
}

@inline(__always)
private func prepare(
  isTransposed: Bool, isSigned: Bool, _ codes: BlockCodes, _ target: UnsafeMutablePointer<UInt8>
) {
  func own(_ bytes: uint8x16_t) -> uint8x16_t { isSigned ? bytes : DotProduct.codes(bytes) }
  func loaded(_ bytes: UnsafePointer<UInt8>) -> uint8x16_t {
    let sixteen = own(snq_load_u8(bytes))
    return isTransposed ? snq_transpose_u8(sixteen) : sixteen
  }
  var row = 0
  while row < codes.rows {
    let last = codes.rows &- 1 &- row
    var row0 = codes.start + row &* codes.stride
    var (row1, row2) = (row0 + min(1, last) &* codes.stride, row0 + min(2, last) &* codes.stride)
    var row3 = row0 + min(3, last) &* codes.stride
    var (place, rest) = (target + row &* blockChannels, codes.channels)
    while rest >= 16 {
      snq_store_columns_u8(place, loaded(row0), loaded(row1), loaded(row2), loaded(row3))
      (row0, row1, row2, row3) = (row0 + 16, row1 + 16, row2 + 16, row3 + 16)
      place += 64
      rest &-= 16
    }
    while rest > 0 {
      snq_store_word_u8(place, own(snq_load_word_u8(row0)))
      snq_store_word_u8(place + 4, own(snq_load_word_u8(row1)))
      snq_store_word_u8(place + 8, own(snq_load_word_u8(row2)))
      snq_store_word_u8(place + 12, own(snq_load_word_u8(row3)))
      (row0, row1, row2, row3) = (row0 + 4, row1 + 4, row2 + 4, row3 + 4)
      place += 16
      rest &-= 4
    }
    row &+= 4
  }
}

/// Codes of a block, four rows side by side: word r of every 16 bytes is of row r. The last rows may be there more often.
@inline(never)
func prepareDotCodes(_ codes: BlockCodes, _ target: UnsafeMutablePointer<UInt8>) {
  if codes.isTransposed {
    prepare(isTransposed: true, isSigned: false, codes, target)
  } else if codes.isSigned {
    prepare(isTransposed: false, isSigned: true, codes, target)
  } else {
    prepare(isTransposed: false, isSigned: false, codes, target)
  }
}
