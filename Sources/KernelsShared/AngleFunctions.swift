import CKernelABI

// Trigonometric functions and their inverses; docs/numerics.md states the errors.

/// sin(x + quarters * pi/2): the sine of the rest of |x| in even quarters of the turn, its cosine in odd ones.
@inline(__always) func sine(_ x: FloatLanes, quarters: Int32) -> FloatLanes {
  let angle = Angle(x.magnitude())
  let quarter = angle.quarter &+ IntegerLanes(repeating: quarters)
  let square = angle.rest * angle.rest
  var s = fma(constant(-1.951_408_5e-4), square, constant(0.008_332_155))
  s = fma(s, square, constant(-0.166_666_55))
  s = fma(angle.rest * square, s, angle.rest)
  var c = fma(constant(2.443_484_7e-5), square, constant(-0.001_388_733_7))
  c = fma(c, square, constant(0.041_666_646))
  c = fma(square * square, c, fma(constant(-0.5), square, constant(1)))
  let y =
    IntegerLanes(bits: select(isOdd(quarter), c, s)) &+ (quarter & IntegerLanes(repeating: 2)).shiftedLeft(30)
  // The sine is odd, the cosine even.
  return FloatLanes(bits: quarters == 0 ? y &+ signBit(x) : y)
}

/// t = r + r^3 P(r^2) in even quarters of the turn, -1 / t in odd ones.
@inline(__always) func tangent(_ x: FloatLanes) -> FloatLanes {
  let angle = Angle(x.magnitude())
  let square = angle.rest * angle.rest
  var p = fma(constant(0.009_569_82), square, constant(0.002_798_715_1))
  p = fma(p, square, constant(0.024_637_712))
  p = fma(p, square, constant(0.053_350_568))
  p = fma(p, square, constant(0.133_395_72))
  p = fma(p, square, constant(0.333_331_26))
  let t = fma(angle.rest * square, p, angle.rest)
  let y = select(isOdd(angle.quarter), constant(-1) / t, t)
  return FloatLanes(bits: IntegerLanes(bits: y) &+ signBit(x))
}

/// quarter * pi/2 + rest, |rest| <= pi/4 and a little.
private struct Angle {
  var quarter: IntegerLanes
  var rest: FloatLanes

  /// Of numbers that are not negative. Up to 16384 by three constants: their products with a quarter are exact in the first
  /// step, so that only the last two round. Beyond by the bits of 2/pi.
  @inline(__always) init(_ x: FloatLanes) {
    let n = (x * constant(0.636_619_75)).nearest()
    rest = fma(n, constant(-1.570_796_4), x)
    rest = fma(n, constant(4.371_139e-8), rest)
    rest = fma(n, constant(1.715_124_5e-15), rest)
    quarter = n.nearestInteger()
    guard IntegerLanes(repeating: 1).kept(constant(16384) .< x).sum() != 0 else { return }
    (quarter, rest) = withUnsafeTemporaryAllocation(byteCount: 192, alignment: 16) { scratch in
      let lanes = scratch.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
      let quarters = (scratch.baseAddress.unsafelyUnwrapped + 128).assumingMemoryBound(to: Int32.self)
      x.store(lanes)
      rest.store(lanes + 16)
      quarter.store(quarters)
      reduceLarge(lanes, lanes + 16, quarters)
      return (IntegerLanes(load: quarters), FloatLanes(load: lanes + 16))
    }
  }
}

/// Replaces quarter and rest of the lanes above 16384. x = m 2^e with 24 bits m: m times 96 bits of 2/pi, from those on
/// that do not only make whole turns, is the angle in quarters.
@inline(never) private func reduceLarge(
  _ lanes: UnsafePointer<Float>, _ rests: UnsafeMutablePointer<Float>, _ quarters: UnsafeMutablePointer<Int32>
) {
  for lane in 0..<16 where lanes[lane] > 16384 {
    let bits = lanes[lane].bitPattern
    guard bits < 0x7f80_0000 else {
      rests[lane] = .nan
      continue
    }
    // The first bit taken weighs 2: e - 2 bits behind the point, and 32 zeros before it.
    let start = Int(bits &>> 23) &- 150 &+ 30
    let (word, shift) = (start &>> 5, UInt64(start & 31))
    let high = UInt64(twoOverPi(word)) &<< 32 | UInt64(twoOverPi(word &+ 1))
    let low = UInt64(twoOverPi(word &+ 2)) &<< 32 | UInt64(twoOverPi(word &+ 3))
    let m = UInt64(bits & 0x7f_ffff | 0x80_0000)
    let whole = high &<< shift | (low &>> 1) &>> (63 &- shift)
    let product = m &* whole &+ (m &* ((low &<< shift) &>> 32)) &>> 32
    let quarter = (product &+ 1 &<< 61) &>> 62
    let rest = Int64(bitPattern: product &- quarter &<< 62)
    quarters[lane] = Int32(truncatingIfNeeded: quarter)
    // pi/2 / 2^62
    rests[lane] = Float(Double(rest) * 3.406_121_580_086_553_8e-19)
  }
}

/// 32 zeros, then the bits of 2/pi.
@inline(__always) private func twoOverPi(_ word: Int) -> UInt32 {
  switch word {
  case 1: 0xa2f9_836e
  case 2: 0x4e44_1529
  case 3: 0xfc27_57d1
  case 4: 0xf534_ddc0
  case 5: 0xdb62_9599
  case 6: 0x3c43_9041
  case 7: 0xfe51_63ab
  default: 0
  }
}

/// x + x^3 P(x^2) for |x| <= 0.5, else pi/2 - 2 asin(s) with s = sqrt((1 - |x|) / 2), and the sign of x.
@inline(__always) func arcSine(_ x: FloatLanes) -> FloatLanes {
  let (part, isSmall) = partialArcSine(x.magnitude())
  let large = fma(constant(-2), part, constant(1.570_796_4)) + constant(-4.371_139e-8)
  return select(isSmall, part, large).signed(as: x)
}

/// pi/2 - asin(x) for |x| <= 0.5, else 2 asin(s), s as above, and that from pi for negative numbers.
@inline(__always) func arcCosine(_ x: FloatLanes) -> FloatLanes {
  let (part, isSmall) = partialArcSine(x.magnitude())
  let small = constant(1.570_796_4) - part.signed(as: x) + constant(-4.371_139e-8)
  let double = part + part
  let large = select(x .< constant(0), constant(3.141_592_7) - double + constant(-8.742_278e-8), double)
  return select(isSmall, small, large)
}

/// asin(x) for 0 <= x <= 0.5, else asin(sqrt((1 - x) / 2)); NaN above 1.
@inline(__always) private func partialArcSine(_ x: FloatLanes) -> (FloatLanes, isSmall: LaneMask) {
  let isSmall = x .< constant(0.5)
  let half = fma(constant(-0.5), x, constant(0.5))
  let square = select(isSmall, x * x, half)
  let root = select(isSmall, x, half.squareRoot())
  var p = fma(constant(0.042_218_57), square, constant(0.024_147_6))
  p = fma(p, square, constant(0.045_477_1))
  p = fma(p, square, constant(0.074_952_416))
  p = fma(p, square, constant(0.166_667_54))
  return (fma(root * square, p, root), isSmall)
}

/// t + t^3 P(t^2) with t = |x| up to tan(pi/8), pi/4 more with t = (|x| - 1) / (|x| + 1) up to tan(3 pi/8), else pi/2 more with
/// t = -1 / |x|, and the sign of x.
@inline(__always) func arcTangent(_ x: FloatLanes) -> FloatLanes {
  let magnitude = x.magnitude()
  let (isSmall, isLarge) = (magnitude .< constant(0.414_213_56), constant(2.414_213_6) .< magnitude)
  let one = constant(1)
  let t =
    select(isSmall, magnitude, select(isLarge, constant(-1), magnitude - one))
    / select(isSmall, one, select(isLarge, magnitude, magnitude + one))
  let whole = select(isSmall, constant(0), select(isLarge, constant(1.570_796_4), constant(0.785_398_2)))
  let square = t * t
  var p = fma(constant(-0.060_605_314), square, constant(0.105_873_644))
  p = fma(p, square, constant(-0.142_427_41))
  p = fma(p, square, constant(0.199_984_34))
  p = fma(p, square, constant(-0.333_333_13))
  // What the constant lacks is a part of it: -2.8e-8.
  let tail = fma(t * square, p, whole * constant(-2.782_753_5e-8))
  return (whole + (t + tail)).signed(as: x)
}

@inline(__always) private func isOdd(_ integers: IntegerLanes) -> LaneMask {
  constant(0) .< FloatLanes(integers & IntegerLanes(repeating: 1))
}

@inline(__always) private func signBit(_ x: FloatLanes) -> IntegerLanes {
  IntegerLanes(bits: x) & IntegerLanes(repeating: .min)
}

extension FloatLanes {
  /// A number that is not negative, with the sign of x.
  @inline(__always) func signed(as x: FloatLanes) -> FloatLanes {
    FloatLanes(bits: IntegerLanes(bits: self) | signBit(x))
  }
}
