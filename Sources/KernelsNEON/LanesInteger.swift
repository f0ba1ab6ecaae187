import CSIMD

/// Sixteen int32 lanes; arithmetic wraps.
struct IntegerLanes {
  let a, b, c, d: int32x4_t

  @inline(__always) init(_ a: int32x4_t, _ b: int32x4_t, _ c: int32x4_t, _ d: int32x4_t) {
    (self.a, self.b, self.c, self.d) = (a, b, c, d)
  }
  /// A function of each register of one, and of two.
  @inline(__always) private init(_ x: Self, _ function: (int32x4_t) -> int32x4_t) {
    self.init(function(x.a), function(x.b), function(x.c), function(x.d))
  }
  @inline(__always) private init(_ x: Self, _ y: Self, _ function: (int32x4_t, int32x4_t) -> int32x4_t) {
    self.init(function(x.a, y.a), function(x.b, y.b), function(x.c, y.c), function(x.d, y.d))
  }
  @inline(__always) init(repeating value: Int32) {
    let all = vdupq_n_s32(value)
    self.init(all, all, all, all)
  }
  @inline(__always) init(load pointer: UnsafePointer<Int32>) {
    self.init(
      snq_load_s32(pointer), snq_load_s32(pointer + 4), snq_load_s32(pointer + 8), snq_load_s32(pointer + 12))
  }
  /// Sixteen bytes of a register, unsigned, one a lane.
  @inline(__always) private init(spreading bytes: uint8x16_t) {
    let (low, high) = (vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes))
    self.init(
      vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(low))), vreinterpretq_s32_u32(vmovl_high_u16(low)),
      vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(high))), vreinterpretq_s32_u32(vmovl_high_u16(high)))
  }
  /// Sixteen unsigned bytes, one a lane.
  @inline(__always) init(bytes pointer: UnsafePointer<UInt8>) { self.init(spreading: snq_load_u8(pointer)) }
  /// Sixteen signed bytes, one a lane.
  @inline(__always) init(signedBytes pointer: UnsafePointer<Int8>) {
    let bytes = snq_load_s8(pointer)
    let (low, high) = (vmovl_s8(vget_low_s8(bytes)), vmovl_high_s8(bytes))
    self.init(
      vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low), vmovl_s16(vget_low_s16(high)), vmovl_high_s16(high))
  }
  /// Eight bytes: low nibble in the even lanes, high nibble in the odd lanes.
  @inline(__always) init(nibbles pointer: UnsafePointer<UInt8>) {
    let bytes = vcombine_u8(snq_load_half_u8(pointer), vdup_n_u8(0))
    self.init(
      spreading: vzip1q_u8(vandq_u8(bytes, vdupq_n_u8(15)), snq_upper_nibbles(bytes)))
  }
  @inline(__always) init(bits: FloatLanes) {
    self.init(
      vreinterpretq_s32_f32(bits.a), vreinterpretq_s32_f32(bits.b), vreinterpretq_s32_f32(bits.c),
      vreinterpretq_s32_f32(bits.d))
  }

  @inline(__always) func store(_ pointer: UnsafeMutablePointer<Int32>) {
    snq_store_s32(pointer, a)
    snq_store_s32(pointer + 4, b)
    snq_store_s32(pointer + 8, c)
    snq_store_s32(pointer + 12, d)
  }
  @inline(__always) private var lowBytes: uint8x16_t {
    let low = vuzp1q_s16(vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(b))
    let high = vuzp1q_s16(vreinterpretq_s16_s32(c), vreinterpretq_s16_s32(d))
    return vuzp1q_u8(vreinterpretq_u8_s16(low), vreinterpretq_u8_s16(high))
  }
  /// The low byte of every lane; the lanes hold 0...255 or -128...127.
  @inline(__always) func storeBytes(_ pointer: UnsafeMutablePointer<UInt8>) {
    snq_store_u8(pointer, lowBytes)
  }
  /// The first `count` (0...16) of them.
  @inline(__always) func storeBytes(_ pointer: UnsafeMutablePointer<UInt8>, count: Int) {
    snq_store_first_u8(pointer, lowBytes, count)
  }
  /// The same of 32 lanes.
  @inline(__always) static func storeBytes(_ low: Self, _ high: Self, _ pointer: UnsafeMutablePointer<UInt8>)
  {
    low.storeBytes(pointer)
    high.storeBytes(pointer + 16)
  }
  @inline(__always) static func & (x: Self, y: Self) -> Self { Self(x, y) { vandq_s32($0, $1) } }
  @inline(__always) static func | (x: Self, y: Self) -> Self { Self(x, y) { vorrq_s32($0, $1) } }
  @inline(__always) static func &+ (x: Self, y: Self) -> Self { Self(x, y) { vaddq_s32($0, $1) } }
  @inline(__always) static func &- (x: Self, y: Self) -> Self { Self(x, y) { vsubq_s32($0, $1) } }
  @inline(__always) static func &* (x: Self, y: Self) -> Self { Self(x, y) { vmulq_s32($0, $1) } }
  @inline(__always) func shiftedLeft(_ count: UInt32) -> Self {
    let counts = vdupq_n_s32(Int32(truncatingIfNeeded: count))
    return Self(self) { vshlq_s32($0, counts) }
  }
  @inline(__always) func arithmeticallyShiftedRight(_ count: UInt32) -> Self {
    let counts = vdupq_n_s32(0 &- Int32(truncatingIfNeeded: count))
    return Self(self) { vshlq_s32($0, counts) }
  }
  /// The lanes outside the mask become 0.
  @inline(__always) func kept(_ mask: LaneMask) -> Self {
    Self(
      vandq_s32(a, vreinterpretq_s32_u32(mask.a)), vandq_s32(b, vreinterpretq_s32_u32(mask.b)),
      vandq_s32(c, vreinterpretq_s32_u32(mask.c)), vandq_s32(d, vreinterpretq_s32_u32(mask.d)))
  }
  @inline(__always) func sum() -> Int32 { vaddvq_s32(vaddq_s32(vaddq_s32(a, b), vaddq_s32(c, d))) }
}

/// Stores the codes of 64 integers: max(integer + zero, 0), at most 255 by the caller's care; zero in 0...255. Returns
/// `sum` with the codes added, spread over its lanes.
@inline(__always) func storeCodes(
  _ a: IntegerLanes, _ b: IntegerLanes, _ c: IntegerLanes, _ d: IntegerLanes, zero: Int32,
  _ target: UnsafeMutablePointer<UInt8>, addingTo sum: IntegerLanes
) -> IntegerLanes {
  let zeros = vdupq_n_s16(Int16(truncatingIfNeeded: zero))
  @inline(__always) func packed(_ x: IntegerLanes) -> uint8x16_t {
    snq_pack_codes(int32x4x4_t(val: (x.a, x.b, x.c, x.d)), zeros)
  }
  let codes = (packed(a), packed(b), packed(c), packed(d))
  snq_store_u8(target, codes.0)
  snq_store_u8(target + 16, codes.1)
  snq_store_u8(target + 32, codes.2)
  snq_store_u8(target + 48, codes.3)
  let pairs = vpadalq_u8(vpadalq_u8(vpadalq_u8(vpaddlq_u8(codes.0), codes.1), codes.2), codes.3)
  return IntegerLanes(
    vreinterpretq_s32_u32(vpadalq_u16(vreinterpretq_u32_s32(sum.a), pairs)), sum.b, sum.c, sum.d)
}
