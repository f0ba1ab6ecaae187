import CSIMD

/// What multiplies in this module: signed bytes with signed bytes, so codes lose 128.
enum DotProduct {
  /// Codes as the instruction wants them.
  @inline(__always)
  static func codes(_ bytes: uint8x16_t) -> uint8x16_t { veorq_u8(bytes, vdupq_n_u8(128)) }

  /// What the sums of all channels lack then: sum(t * q) = sum(t * (q - 128)) + 128 * sum(t).
  @inline(__always)
  static func start(_ storedSum: UnsafePointer<Int32>) -> OutputVectors {
    OutputVectors(storedSum).map { vmulq_s32($0, vdupq_n_s32(128)) }
  }

  /// sum + the products of 4 channels; `lane` of the codes, a literal.
  @inline(__always)
  static func add(_ sum: int32x4_t, _ weights: uint8x16_t, _ codes: uint8x16_t, _ lane: Int) -> int32x4_t {
    let (weights, codes) = (vreinterpretq_s8_u8(weights), vreinterpretq_s8_u8(codes))
    switch lane {
    case 0: return snq_dot_lane0(sum, weights, codes)
    case 1: return snq_dot_lane1(sum, weights, codes)
    case 2: return snq_dot_lane2(sum, weights, codes)
    default: return snq_dot_lane3(sum, weights, codes)
    }
  }

  /// What `addUnsigned` keeps of the 128 that weights with scales per group lose.
  @inline(__always) static var keptOfUnsigned: Int32 { 0 }

  /// Adds the products of 4 channels of unsigned bytes and signed codes: bytes lose 128.
  @inline(__always)
  static func addUnsigned(
    _ sums: inout OutputVectors, _ weights: TileVectors, _ codes: uint8x16_t, _ lane: Int
  ) {
    sums.addSigned(weights.map { veorq_u8($0, vdupq_n_u8(128)) }, codes, lane)
  }
}
