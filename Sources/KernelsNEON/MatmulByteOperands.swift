import CSIMD

/// Rows of codes whose bytes follow each other: those of 8 channels are 32 bytes a row.
private let groupRows = 4

/// What is made of codes.
struct ByteCodes {
  let codes: BlockCodes
  let isFlipped: Bool
  /// For each row the sum of the codes of channels 4...7 of every 8, or null.
  let corrections: UnsafeMutablePointer<Int32>?
}

/// Codes of a block: of every 8 channels four times (0, 1), four times (4, 5), four times (2, 3), four times (6, 7); 128
/// bytes for 4 rows. Zeros up to a multiple of 16 channels.
@inline(never)
func prepareByteCodes(_ source: ByteCodes, _ target: UnsafeMutablePointer<UInt8>) {
  let codes = source.codes
  for row in 0..<codes.rows {
    var bytes = codes.start + row &* codes.stride
    let group = row &>> 2
    var place = target + (group &* groupRows &* blockChannels &* MatmulTiles.codeBytes &+ row & 3 &* 32)
    var (sums, rest) = (vdupq_n_s32(0), codes.channels)
    while rest > 0 {
      let words = min(4, rest &>> 2)
      var sixteen = words == 4 ? snq_load_u8(bytes) : snq_load_words_u8(bytes, words)
      if source.isFlipped {
        sixteen = veorq_u8(sixteen, words == 4 ? vdupq_n_u8(128) : snq_flip_words_u8(words))
      }
      if codes.isTransposed { sixteen = snq_transpose_u8(sixteen) }
      sums = snq_add_fours(sums, sixteen)
      snq_store_u8(place, snq_repeat0_u8(sixteen))
      snq_store_u8(place + 16, snq_repeat2_u8(sixteen))
      snq_store_u8(place + 128, snq_repeat8_u8(sixteen))
      snq_store_u8(place + 144, snq_repeat10_u8(sixteen))
      bytes += 16
      place += 256
      rest &-= 16
    }
    source.corrections?[row] = snq_odd_lanes_s32(sums)
  }
}

/// Bytes of a block in the order of the codes: of 4 outputs channels (0, 1) of each, then (4, 5), (2, 3), (6, 7), 128 bytes
/// for 8 channels. `flip` changes the bits of channels 4...7. Zeros up to a multiple of 16 channels.
@inline(never)
func arrangeByteWeights(
  _ weights: UnsafePointer<UInt8>, _ channels: Int, _ flip: UInt8, _ target: UnsafeMutablePointer<UInt8>
) {
  let none = vdupq_n_u8(0)
  let upper = vcombine_u8(vdup_n_u8(0), vdup_n_u8(flip))
  var (tile, place, rest) = (weights, target, channels &+ 15 & ~15)
  var real = channels
  while rest > 0 {
    let early = real > 0 ? TileVectors(tile) : TileVectors(none, none, none, none)
    let late = real > 4 ? TileVectors(tile + 64) : TileVectors(none, none, none, none)
    func store(_ early: uint8x16_t, _ late: uint8x16_t, _ place: UnsafeMutablePointer<UInt8>) {
      snq_store_u8(place, veorq_u8(snq_even_u16(early, late), upper))
      snq_store_u8(place + 16, veorq_u8(snq_odd_u16(early, late), upper))
    }
    store(early.a, late.a, place)
    store(early.b, late.b, place + 32)
    store(early.c, late.c, place + 64)
    store(early.d, late.d, place + 96)
    tile += 128
    place += 128
    real &-= 8
    rest &-= 8
  }
}
