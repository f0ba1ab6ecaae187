import CSIMD

/// What multiplies few rows in this module: signed weights with codes as they are.
enum DotProduct {
  /// Codes as the instruction wants them.
  @inline(__always)
  static func codes(_ bytes: uint8x16_t) -> uint8x16_t { bytes }

  /// Nothing is missing from the sums.
  @inline(__always)
  static func start(_ storedSum: UnsafePointer<Int32>) -> OutputVectors { OutputVectors() }

  /// sum + the products of 4 channels; `lane` of the codes, a literal.
  @inline(__always)
  static func add(_ sum: int32x4_t, _ weights: uint8x16_t, _ codes: uint8x16_t, _ lane: Int) -> int32x4_t {
    let (weights, codes) = (vreinterpretq_s8_u8(weights), vreinterpretq_s8_u8(codes))
    switch lane {
    case 0: return snq_mixed_dot_lane0(sum, weights, codes)
    case 1: return snq_mixed_dot_lane1(sum, weights, codes)
    case 2: return snq_mixed_dot_lane2(sum, weights, codes)
    default: return snq_mixed_dot_lane3(sum, weights, codes)
    }
  }

  /// What `addUnsigned` keeps of the 128 that weights with scales per group lose.
  @inline(__always) static var keptOfUnsigned: Int32 { -128 }

  /// Adds the products of 4 channels of unsigned bytes and signed codes.
  @inline(__always)
  static func addUnsigned(
    _ sums: inout OutputVectors, _ weights: TileVectors, _ codes: uint8x16_t, _ lane: Int
  ) {
    sums = OutputVectors(
      unsigned(sums.a, weights.a, codes, lane), unsigned(sums.b, weights.b, codes, lane),
      unsigned(sums.c, weights.c, codes, lane), unsigned(sums.d, weights.d, codes, lane))
  }

  @inline(__always)
  private static func unsigned(
    _ sum: int32x4_t, _ weights: uint8x16_t, _ codes: uint8x16_t, _ lane: Int
  ) -> int32x4_t {
    let (weights, codes) = (vreinterpretq_s8_u8(weights), vreinterpretq_s8_u8(codes))
    switch lane {
    case 0: return snq_unsigned_dot_lane0(sum, weights, codes)
    case 1: return snq_unsigned_dot_lane1(sum, weights, codes)
    case 2: return snq_unsigned_dot_lane2(sum, weights, codes)
    default: return snq_unsigned_dot_lane3(sum, weights, codes)
    }
  }
}
