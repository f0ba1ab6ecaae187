import CKernelABI
import CSIMD

// One row: weights are multiplied as they lie, 4 channels of 2 outputs in 8 bytes, so that two lanes of sums belong to an
// output until the end.

/// How the products of 16 channels add up in 16 bits: a literal.
enum QuadForm {
  /// Two, of which the second is that of the complement of the weights, and taken off.
  case complement
  /// Two, or all four.
  case two, four
}

/// Sums of 16 outputs, two lanes each.
struct PairedSums {
  private var a = (vdupq_n_s32(0), vdupq_n_s32(0))
  private var b = (vdupq_n_s32(0), vdupq_n_s32(0))
  private var c = (vdupq_n_s32(0), vdupq_n_s32(0))
  private var d = (vdupq_n_s32(0), vdupq_n_s32(0))
  /// Of every four codes, which `.complement` needs.
  private var codes = vdupq_n_s32(0)

  @inline(__always) init() {}

  /// The sums, and `start`.
  @inline(__always)
  func total(_ form: QuadForm, _ start: OutputVectors) -> OutputVectors {
    let lost = vdupq_n_s32(form == .complement ? snq_odd_lanes_s32(codes) : 0)
    func sum(_ pair: (int32x4_t, int32x4_t), _ start: int32x4_t) -> int32x4_t {
      vaddq_s32(snq_sum_pairs_s32(pair.0, pair.1), vsubq_s32(start, lost))
    }
    return OutputVectors(sum(a, start.a), sum(b, start.b), sum(c, start.c), sum(d, start.d))
  }

  /// Adds 4 times 4 channels: codes of each, and weights by their number.
  @inline(__always)
  mutating func addSixteen(_ form: QuadForm, _ sixteen: uint8x16_t, _ weights: (Int) -> TileVectors) {
    if form == .complement { codes = snq_add_fours(codes, sixteen) }
    let first = (snq_repeat_lane0_u8(sixteen), snq_repeat_lane1_u8(sixteen))
    let second = (snq_repeat_lane2_u8(sixteen), snq_repeat_lane3_u8(sixteen))
    let (tile0, tile1) = (weights(0), weights(1))
    if form == .four {
      let (tile2, tile3) = (weights(2), weights(3))
      addFour(&a, tile0.a, tile1.a, tile2.a, tile3.a, first, second)
      addFour(&b, tile0.b, tile1.b, tile2.b, tile3.b, first, second)
      addFour(&c, tile0.c, tile1.c, tile2.c, tile3.c, first, second)
      addFour(&d, tile0.d, tile1.d, tile2.d, tile3.d, first, second)
    } else {
      addTwo(form, tile0, tile1, first)
      addTwo(form, weights(2), weights(3), second)
    }
  }

  @inline(__always)
  private mutating func addTwo(
    _ form: QuadForm, _ tile: TileVectors, _ next: TileVectors, _ codes: (uint8x16_t, uint8x16_t)
  ) {
    func add(_ sums: inout (int32x4_t, int32x4_t), _ first: uint8x16_t, _ second: uint8x16_t) {
      let (low, high) = (snq_product_low(first, codes.0), snq_product_high(first, codes.0))
      if form == .complement {
        let other = vmvnq_u8(second)
        sums.0 = vpadalq_s16(sums.0, snq_subtract_low(low, other, codes.1))
        sums.1 = vpadalq_s16(sums.1, snq_subtract_high(high, other, codes.1))
      } else {
        sums.0 = vpadalq_s16(sums.0, snq_add_low(low, second, codes.1))
        sums.1 = vpadalq_s16(sums.1, snq_add_high(high, second, codes.1))
      }
    }
    add(&a, tile.a, next.a)
    add(&b, tile.b, next.b)
    add(&c, tile.c, next.c)
    add(&d, tile.d, next.d)
  }

  @inline(__always)
  private func addFour(
    _ sums: inout (int32x4_t, int32x4_t), _ w0: uint8x16_t, _ w1: uint8x16_t, _ w2: uint8x16_t,
    _ w3: uint8x16_t, _ first: (uint8x16_t, uint8x16_t), _ second: (uint8x16_t, uint8x16_t)
  ) {
    var low = snq_add_low(snq_product_low(w0, first.0), w1, first.1)
    var high = snq_add_high(snq_product_high(w0, first.0), w1, first.1)
    low = snq_add_low(snq_add_low(low, w2, second.0), w3, second.1)
    high = snq_add_high(snq_add_high(high, w2, second.0), w3, second.1)
    sums.0 = vpadalq_s16(sums.0, low)
    sums.1 = vpadalq_s16(sums.1, high)
  }

  /// Adds one run of channels; `isNibbles` is a literal, as `convert` of 64 weights, and `load` fetches up to 16 codes.
  @inline(__always)
  mutating func add(
    _ form: QuadForm, isNibbles: Bool, _ weights: UnsafePointer<UInt8>, _ channels: Int,
    _ convert: (TileVectors) -> TileVectors, _ load: (_ channel: Int, _ words: Int) -> uint8x16_t
  ) {
    let none = vdupq_n_u8(0)
    let zeros = TileVectors(none, none, none, none)
    var tile = weights
    var channel = 0
    while channel &+ 16 <= channels {
      addSixteen(form, load(channel, 4)) {
        isNibbles
          ? convert(
            $0 & 1 == 0
              ? TileVectors(tile + 32 &* $0).lowNibbles() : TileVectors(tile + 32 &* ($0 &- 1)).highNibbles())
          : convert(TileVectors(tile + 64 &* $0))
      }
      tile += isNibbles ? 128 : 256
      channel &+= 16
    }
    let rest = (channels &- channel) &>> 2
    guard rest > 0 else { return }
    // Codes behind the last channel are 0, and weights there are not read.
    addSixteen(form, load(channel, rest)) {
      guard $0 < rest else { return zeros }
      guard isNibbles else { return convert(TileVectors(tile + 64 &* $0)) }
      let both = TileVectors(tile + 64 &* ($0 &>> 1))
      return convert($0 & 1 == 0 ? both.lowNibbles() : both.highNibbles())
    }
  }
}

/// One row of codes against the panels of a part; form and layout are literals.
@inline(__always)
private func multiply(
  _ form: QuadForm, isNibbles: Bool, isFlipped: Bool, _ level: UnsafePointer<snq_matmul_args>,
  _ part: MatmulPart, _ sums: UnsafeMutablePointer<Int32>
) {
  guard let weights = level.pointee.weights, let allCodes = level.pointee.codes,
    let storedSum = level.pointee.storedSum
  else { return }
  let codes = allCodes + part.rowBegin &* level.pointee.codeStride
  let lost = vdupq_n_s32(isFlipped ? 128 : 0)
  for panel in part.panelBegin..<part.panelEnd {
    var paired = PairedSums()
    paired.add(
      form, isNibbles: isNibbles, weights + panel &* level.pointee.panelStride,
      Int(level.pointee.paddedChannels), { $0 }
    ) { channel, words in
      if words < 4 {
        let some = snq_load_words_u8(codes + channel, words)
        return isFlipped ? veorq_u8(some, snq_flip_words_u8(words)) : some
      }
      let sixteen = snq_load_u8(codes + channel)
      return isFlipped ? veorq_u8(sixteen, vdupq_n_u8(128)) : sixteen
    }
    let start = OutputVectors(storedSum + 16 &* panel).map { vmulq_s32($0, lost) }
    paired.total(form, start).store(sums)
    finishTile(sums, 1, level, part.rowBegin, panel)
  }
}

// One function a form, because the optimiser stops inlining when a caller grows.

@inline(never)
private func flippedBytes(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart, _ sums: UnsafeMutablePointer<Int32>
) { multiply(.complement, isNibbles: false, isFlipped: true, level, part, sums) }
@inline(never)
private func bytes(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart, _ sums: UnsafeMutablePointer<Int32>
) { multiply(.two, isNibbles: false, isFlipped: false, level, part, sums) }
@inline(never)
private func flippedNibbles(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart, _ sums: UnsafeMutablePointer<Int32>
) { multiply(.four, isNibbles: true, isFlipped: true, level, part, sums) }
@inline(never)
private func nibbles(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart, _ sums: UnsafeMutablePointer<Int32>
) { multiply(.four, isNibbles: true, isFlipped: false, level, part, sums) }

/// Bytes, nibbles or planes, any part.
func multiplyBytes(
  _ level: UnsafePointer<snq_matmul_args>, _ part: MatmulPart, _ scratch: UnsafeMutablePointer<UInt8>
) {
  let form = WeightForm(level)
  guard part.rows == 1, level.pointee.segments < 2, form != .planes else {
    return multiplyBlocks(level, part, scratch)
  }
  let sums = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: Int32.self)
  switch (form == .nibbles, level.pointee.activationBits > 7) {
  case (false, true): flippedBytes(level, part, sums)
  case (false, false): bytes(level, part, sums)
  case (true, true): flippedNibbles(level, part, sums)
  case (true, false): nibbles(level, part, sums)
  }
}
