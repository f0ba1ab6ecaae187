import CSIMD

// Sums of products of integers, which the first machines have no instruction for four of.

/// sum + four exact products per lane of the unsigned bytes at `codes` (the same four for all lanes) and
/// the signed bytes, none of them -128, of a 64-byte aligned tile.
@inline(__always) func dot(
  _ sum: IntegerLanes, _ codes: Int32, _ tile: UnsafePointer<Int8>
) -> IntegerLanes { addTaken(dotOfMoved(sum, codes, tile), tile) }

/// The same less a multiple of the tile: codes are 128 less here, because the instructions multiply signed bytes.
@inline(__always) func dotOfMoved(
  _ sum: IntegerLanes, _ codes: Int32, _ tile: UnsafePointer<Int8>
) -> IntegerLanes {
  let moved = vreinterpretq_s8_u8(veorq_u8(vreinterpretq_u8_s32(vdupq_n_s32(codes)), vdupq_n_u8(0x80)))
  return IntegerLanes(
    snq_add_products_s8(sum.a, moved, snq_load_s8(tile)),
    snq_add_products_s8(sum.b, moved, snq_load_s8(tile + 16)),
    snq_add_products_s8(sum.c, moved, snq_load_s8(tile + 32)),
    snq_add_products_s8(sum.d, moved, snq_load_s8(tile + 48)))
}

/// sum + what `dotOfMoved` takes.
@inline(__always) func addTaken(_ sum: IntegerLanes, _ tile: UnsafePointer<Int8>) -> IntegerLanes {
  @inline(__always) func added(_ sum: int32x4_t, _ bytes: int8x16_t) -> int32x4_t {
    vpadalq_s16(sum, snq_pairs_times_128(bytes))
  }
  return IntegerLanes(
    added(sum.a, snq_load_s8(tile)), added(sum.b, snq_load_s8(tile + 16)),
    added(sum.c, snq_load_s8(tile + 32)), added(sum.d, snq_load_s8(tile + 48)))
}

/// Whether four rows take two blocks of sixteen keys or channels at a time: their sums would be all registers.
let takesTwoBlocks = false
/// How many channels of three or four rows of sums the registers hold, 16 or 32.
let channelsOfFourRows = 16
/// Whether rows that read the same do so together.
let rowsShareReads = true

/// Two words of 16 bits in each of 16 lanes: the first ones of lanes 0...7 and 8...15, then the second ones.
struct WordPairs {
  fileprivate let first: (low: int16x8_t, high: int16x8_t)
  fileprivate let second: (low: int16x8_t, high: int16x8_t)

  /// 32 signed bytes.
  @inline(__always) init(signedBytes pointer: UnsafePointer<Int8>) {
    let (low, high) = (snq_load_s8(pointer), snq_load_s8(pointer + 16))
    let (even, odd) = (vuzp1q_s8(low, high), vuzp2q_s8(low, high))
    first = (vmovl_s8(vget_low_s8(even)), vmovl_high_s8(even))
    second = (vmovl_s8(vget_low_s8(odd)), vmovl_high_s8(odd))
  }
  @inline(__always) init(_ bytes: ByteBlock) {
    let (low, high) = (vreinterpretq_s16_u8(bytes.low), vreinterpretq_s16_u8(bytes.high))
    let mask = vdupq_n_s16(255)
    first = (vandq_s16(low, mask), vandq_s16(high, mask))
    second = (snq_upper_bytes(low), snq_upper_bytes(high))
  }
}

/// 32 unsigned bytes.
struct ByteBlock {
  fileprivate let low, high: uint8x16_t

  @inline(__always) private init(_ low: uint8x16_t, _ high: uint8x16_t) {
    (self.low, self.high) = (low, high)
  }
  @inline(__always) init(repeating byte: Int8) {
    let all = vdupq_n_u8(UInt8(bitPattern: byte))
    self.init(all, all)
  }
  @inline(__always) init(load pointer: UnsafePointer<UInt8>) {
    self.init(snq_load_u8(pointer), snq_load_u8(pointer + 16))
  }
  @inline(__always) static func & (x: Self, y: Self) -> Self {
    Self(vandq_u8(x.low, y.low), vandq_u8(x.high, y.high))
  }
  @inline(__always) static func | (x: Self, y: Self) -> Self {
    Self(vorrq_u8(x.low, y.low), vorrq_u8(x.high, y.high))
  }
  /// What comes into a byte from above is not defined.
  @inline(__always) func shiftedRight(_ count: Int32) -> Self {
    let counts = vdupq_n_s8(Int8(truncatingIfNeeded: 0 &- count))
    return Self(vshlq_u8(low, counts), vshlq_u8(high, counts))
  }
}

/// sum + the exact products of the two words of each lane and those of `words`, the low one first.
@inline(__always) func dot(_ sum: IntegerLanes, _ words: Int32, _ pairs: WordPairs) -> IntegerLanes {
  let two = vreinterpret_s16_s32(vdup_n_s32(words))
  let (first, second) = (pairs.first, pairs.second)
  return IntegerLanes(
    snq_add_low_word1(snq_add_low_word0(sum.a, first.low, two), second.low, two),
    snq_add_high_word1(snq_add_high_word0(sum.b, first.low, two), second.low, two),
    snq_add_low_word1(snq_add_low_word0(sum.c, first.high, two), second.high, two),
    snq_add_high_word1(snq_add_high_word0(sum.d, first.high, two), second.high, two))
}
