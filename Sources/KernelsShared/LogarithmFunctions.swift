/// max(x, 0) + log(1 + e^-|x|).
@inline(__always) func softplus(_ x: FloatLanes) -> FloatLanes {
  maximum(constant(0), x) + logarithmOfOnePlus(exponential(x.magnitude() * constant(-1)))
}

/// log(1 + t). What u = 1 + t lost in rounding is given back: log(1 + t) = log u + (t - (u - 1)) / u.
@inline(__always) func logarithmOfOnePlus(_ t: FloatLanes) -> FloatLanes {
  let u = constant(1) + t
  let lost = (t - (u - constant(1))) / u
  return logarithm(u) + select(t .< constant(0x1p24), lost, constant(0))
}

/// x = 2^n m, sqrt(1/2) <= m < sqrt 2: n ln 2 + log m, log m = f - f^2/2 + f^3 P(f) with f = m - 1.
@inline(__always) func logarithm(_ input: FloatLanes) -> FloatLanes {
  // Denormal numbers first become normal ones.
  let isSmall = input .< constant(0x1p-126)
  let x = select(isSmall, input * constant(0x1p24), input)
  let bits = IntegerLanes(bits: x)
  // Subtracting the bits of sqrt(1/2) puts the border between two exponents there.
  let shifted = bits &- IntegerLanes(repeating: 0x3f35_04f3)
  let exponent = shifted.arithmeticallyShiftedRight(23)
  let f = FloatLanes(bits: bits &- exponent.shiftedLeft(23)) - constant(1)
  let n = FloatLanes(exponent) - select(isSmall, constant(24), constant(0))
  var p = fma(constant(0.070_376_836), f, constant(-0.115_146_1))
  p = fma(p, f, constant(0.116_769_984))
  p = fma(p, f, constant(-0.124_201_41))
  p = fma(p, f, constant(0.142_493_23))
  p = fma(p, f, constant(-0.166_680_58))
  p = fma(p, f, constant(0.200_007_15))
  p = fma(p, f, constant(-0.249_999_94))
  p = fma(p, f, constant(0.333_333_31))
  let square = f * f
  var y = fma(n, constant(-2.121_944_4e-4), p * f * square)
  y = fma(constant(-0.5), square, y)
  y = fma(n, constant(0.693_359_375), f + y)
  // 0, what is negative, infinity and NaN.
  y = select(constant(.greatestFiniteMagnitude) .< x, x, y)
  y = select(
    input .< constant(0x1p-149), select(input .< constant(0), constant(.nan), constant(-.infinity)), y)
  return select(unordered(input), input, y)
}

/// The lanes that hold no number: those that are neither below infinity nor infinity.
@inline(__always) func unordered(_ x: FloatLanes) -> LaneMask {
  let bits = IntegerLanes(bits: x.magnitude())
  return FloatLanes(IntegerLanes(repeating: 0x7f80_0000) &- bits) .< constant(0)
}
