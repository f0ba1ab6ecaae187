import CSIMD

// The vocabulary of the shared row kernels on NEON: four registers each, lanes 0...3, 4...7, 8...11 and 12...15.

/// Which of 16 lanes an operation touches: all bits of a lane set, or none.
struct LaneMask {
  let a, b, c, d: uint32x4_t

  @inline(__always) init(_ a: uint32x4_t, _ b: uint32x4_t, _ c: uint32x4_t, _ d: uint32x4_t) {
    (self.a, self.b, self.c, self.d) = (a, b, c, d)
  }
  /// The first `count` lanes, 0...16.
  @inline(__always) init(first count: Int) {
    let limit = vdupq_n_s32(Int32(truncatingIfNeeded: count))
    self.init(
      vcgtq_s32(limit, int32x4_t(0, 1, 2, 3)), vcgtq_s32(limit, int32x4_t(4, 5, 6, 7)),
      vcgtq_s32(limit, int32x4_t(8, 9, 10, 11)), vcgtq_s32(limit, int32x4_t(12, 13, 14, 15)))
  }
}

/// Sixteen binary32 lanes.
struct FloatLanes {
  let a, b, c, d: float32x4_t

  @inline(__always) init(_ a: float32x4_t, _ b: float32x4_t, _ c: float32x4_t, _ d: float32x4_t) {
    (self.a, self.b, self.c, self.d) = (a, b, c, d)
  }
  @inline(__always) private init(_ all: float32x4x4_t) { (a, b, c, d) = all.val }
  /// A function of each register of one, and of two.
  @inline(__always) private init(_ x: Self, _ function: (float32x4_t) -> float32x4_t) {
    self.init(function(x.a), function(x.b), function(x.c), function(x.d))
  }
  @inline(__always) fileprivate init(
    _ x: Self, _ y: Self, _ function: (float32x4_t, float32x4_t) -> float32x4_t
  ) {
    self.init(function(x.a, y.a), function(x.b, y.b), function(x.c, y.c), function(x.d, y.d))
  }
  @inline(__always) init(repeating value: Float) {
    let all = vdupq_n_f32(value)
    self.init(all, all, all, all)
  }
  @inline(__always) init(load pointer: UnsafePointer<Float>) {
    self.init(
      snq_load_f32(pointer), snq_load_f32(pointer + 4), snq_load_f32(pointer + 8), snq_load_f32(pointer + 12))
  }
  /// The first `count` (0...16) elements, +0 in the other lanes.
  @inline(__always) init(load pointer: UnsafePointer<Float>, count: Int) {
    self.init(snq_load_first_f32(pointer, count))
  }
  /// Sixteen binary16 numbers.
  @inline(__always) init(halves pointer: UnsafePointer<UInt16>) {
    self.init(
      snq_load_halves(pointer), snq_load_halves(pointer + 4), snq_load_halves(pointer + 8),
      snq_load_halves(pointer + 12))
  }
  /// The first `count` of them, an even number in 0...16, +0 in the other lanes.
  @inline(__always) init(halves pointer: UnsafePointer<UInt16>, count: Int) {
    self.init(snq_load_first_halves(pointer, count))
  }
  /// source[indices[lane]], every index below `channels`; fast where the indices are runs of neighbours.
  @inline(__always) init(
    gather source: UnsafePointer<Float>, _ indices: UnsafePointer<UInt32>, channels: Int
  ) {
    if snq_is_run(indices) != 0 {
      self.init(load: source + Int(indices[0]))
    } else {
      self.init(
        snq_gather_f32(source, indices), snq_gather_f32(source, indices + 4),
        snq_gather_f32(source, indices + 8), snq_gather_f32(source, indices + 12))
    }
  }
  @inline(__always) init(bits: IntegerLanes) {
    self.init(
      vreinterpretq_f32_s32(bits.a), vreinterpretq_f32_s32(bits.b), vreinterpretq_f32_s32(bits.c),
      vreinterpretq_f32_s32(bits.d))
  }
  /// Exact for |integer| <= 2^24, else rounded to nearest even.
  @inline(__always) init(_ integers: IntegerLanes) {
    self.init(
      vcvtq_f32_s32(integers.a), vcvtq_f32_s32(integers.b), vcvtq_f32_s32(integers.c),
      vcvtq_f32_s32(integers.d))
  }

  @inline(__always) func store(_ pointer: UnsafeMutablePointer<Float>) {
    snq_store_f32(pointer, a)
    snq_store_f32(pointer + 4, b)
    snq_store_f32(pointer + 8, c)
    snq_store_f32(pointer + 12, d)
  }
  @inline(__always) func store(_ pointer: UnsafeMutablePointer<Float>, count: Int) {
    snq_store_first_f32(pointer, float32x4x4_t(val: (a, b, c, d)), count)
  }

  @inline(__always) static func + (x: Self, y: Self) -> Self { Self(x, y) { vaddq_f32($0, $1) } }
  @inline(__always) static func - (x: Self, y: Self) -> Self { Self(x, y) { vsubq_f32($0, $1) } }
  @inline(__always) static func * (x: Self, y: Self) -> Self { Self(x, y) { vmulq_f32($0, $1) } }
  @inline(__always) static func / (x: Self, y: Self) -> Self { Self(x, y) { vdivq_f32($0, $1) } }
  @inline(__always) static func .< (x: Self, y: Self) -> LaneMask {
    LaneMask(vcltq_f32(x.a, y.a), vcltq_f32(x.b, y.b), vcltq_f32(x.c, y.c), vcltq_f32(x.d, y.d))
  }

  @inline(__always) func squareRoot() -> Self { Self(self) { vsqrtq_f32($0) } }
  @inline(__always) func floor() -> Self { Self(self) { vrndmq_f32($0) } }
  @inline(__always) func nearest() -> Self { Self(self) { vrndnq_f32($0) } }
  @inline(__always) func magnitude() -> Self { Self(self) { vabsq_f32($0) } }
  /// cvtps2dq: round to nearest even; Int32.min out of range and for NaN.
  @inline(__always) func nearestInteger() -> IntegerLanes { integers { vcvtnq_s32_f32($0) } }
  /// cvttps2dq: toward zero; Int32.min out of range and for NaN.
  @inline(__always) func truncatedInteger() -> IntegerLanes { integers { vcvtq_s32_f32($0) } }

  /// The conversions of NEON make 0 of NaN, and the greatest integer of what is above.
  @inline(__always) private func integers(_ convert: (float32x4_t) -> int32x4_t) -> IntegerLanes {
    let (limit, least) = (vdupq_n_f32(0x1p31), vdupq_n_s32(.min))
    return IntegerLanes(
      vbslq_s32(vcltq_f32(a, limit), convert(a), least), vbslq_s32(vcltq_f32(b, limit), convert(b), least),
      vbslq_s32(vcltq_f32(c, limit), convert(c), least), vbslq_s32(vcltq_f32(d, limit), convert(d), least))
  }

  /// Lane r is the maximum of the sixteen numbers at rows + 16 * r; no NaN.
  @inline(__always) init(maximaOfRows rows: UnsafePointer<Float>) {
    self.init(
      snq_row_maxima(rows), snq_row_maxima(rows + 64), snq_row_maxima(rows + 128), snq_row_maxima(rows + 192))
  }

  /// Lanes i and i+8, then i+4, the lower first; `last` does what is left.
  @inline(__always) private func reduced(
    _ combine: (float32x4_t, float32x4_t) -> float32x4_t, _ last: (float32x4_t) -> Float
  ) -> Float {
    last(combine(combine(a, c), combine(b, d)))
  }
  @inline(__always) func sum() -> Float { reduced({ vaddq_f32($0, $1) }, { snq_sum_f32($0) }) }
  @inline(__always) func minimum() -> Float { reduced({ least($0, $1) }, { snq_minimum_f32($0) }) }
  @inline(__always) func maximum() -> Float { reduced({ greatest($0, $1) }, { snq_maximum_f32($0) }) }
}

/// a < b ? a : b and a > b ? a : b; fmin and fmax have rules of their own for NaN and for zeros.
@inline(__always) private func least(_ a: float32x4_t, _ b: float32x4_t) -> float32x4_t {
  vbslq_f32(vcltq_f32(a, b), a, b)
}
@inline(__always) private func greatest(_ a: float32x4_t, _ b: float32x4_t) -> float32x4_t {
  vbslq_f32(vcgtq_f32(a, b), a, b)
}

/// Asks for the cache line of an address that will be read; any address will do.
@inline(__always) func prefetch(_ address: UnsafeRawPointer) { snq_neon_prefetch_first(address) }

/// Sixteen rows of sixteen numbers, to their columns; the two places do not overlap.
@inline(__always) func transpose(_ rows: UnsafePointer<Float>, to columns: UnsafeMutablePointer<Float>) {
  snq_transpose_16(rows, columns)
}

/// x * y + z, rounded once.
@inline(__always) func fma(_ x: FloatLanes, _ y: FloatLanes, _ z: FloatLanes) -> FloatLanes {
  FloatLanes(
    vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b), vfmaq_f32(z.c, x.c, y.c), vfmaq_f32(z.d, x.d, y.d))
}
/// x < y ? x : y.
@inline(__always) func minimum(_ x: FloatLanes, _ y: FloatLanes) -> FloatLanes {
  FloatLanes(x, y) { least($0, $1) }
}
/// x > y ? x : y.
@inline(__always) func maximum(_ x: FloatLanes, _ y: FloatLanes) -> FloatLanes {
  FloatLanes(x, y) { greatest($0, $1) }
}
@inline(__always) func select(_ mask: LaneMask, _ yes: FloatLanes, _ no: FloatLanes) -> FloatLanes {
  FloatLanes(
    vbslq_f32(mask.a, yes.a, no.a), vbslq_f32(mask.b, yes.b, no.b), vbslq_f32(mask.c, yes.c, no.c),
    vbslq_f32(mask.d, yes.d, no.d))
}
