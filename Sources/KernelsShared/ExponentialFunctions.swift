// The float functions of the library. Each is one fixed sequence of IEEE operations, the same on every
// instruction set; docs/numerics.md states the sequences and the measured errors. Constants go first in
// minimum and maximum, so that NaN passes through.

@inline(__always) func constant(_ value: Float) -> FloatLanes { FloatLanes(repeating: value) }

/// e^x: 0 below -87.33, e^88.37 above 88.37; relative error below 1e-7.
@inline(__always) func exponential(_ input: FloatLanes) -> FloatLanes {
  let x = minimum(constant(88.37), input)
  let n = (x * constant(1.442_695_0)).nearest()
  let r = fma(n, constant(2.121_944_4e-4), fma(n, constant(-0.693_359_375), x))
  var p = fma(constant(0.001_381_453_8), r, constant(0.008_368_745))
  p = fma(p, r, constant(0.041_668_393))
  p = fma(p, r, constant(0.166_665_21))
  p = fma(p, r, constant(0.499_999_94))
  p = fma(p, r, constant(1))
  p = fma(p, r, constant(1))
  let scaled = FloatLanes(bits: IntegerLanes(bits: p) &+ n.nearestInteger().shiftedLeft(23))
  return select(x .< constant(-87.33), constant(0), scaled)
}

/// 1 / (1 + e^-x).
@inline(__always) func sigmoid(_ x: FloatLanes) -> FloatLanes {
  constant(1) / (constant(1) + exponential(constant(0) - x))
}

/// x / (1 + e^-x).
@inline(__always) func sigmoidLinear(_ x: FloatLanes) -> FloatLanes {
  x / (constant(1) + exponential(constant(0) - x))
}

/// x + x^3 P(x^2) for |x| < 0.625, else (1 - e) / (1 + e) with e = e^(-2|x|) and the sign of x.
@inline(__always) func hyperbolicTangent(_ x: FloatLanes) -> FloatLanes {
  let square = x * x
  var p = fma(constant(-0.005_666_875), square, constant(0.020_606_091))
  p = fma(p, square, constant(-0.053_729_985))
  p = fma(p, square, constant(0.133_313_31))
  p = fma(p, square, constant(-0.333_332_78))
  let small = fma(p * square, x, x)
  let magnitude = x.magnitude()
  let e = exponential(magnitude * constant(-2))
  let large = (constant(1) - e) / (constant(1) + e)
  let signed = select(x .< constant(0), constant(0) - large, large)
  return select(magnitude .< constant(0.625), small, signed)
}

/// x * (0.5 + erf(x / sqrt 2) / 2); absolute error below 1e-6.
///
/// erf(x / sqrt 2) / 2 = x P(s), s = x^2 * 2/5.25^2 - 1 on |x| <= 5.25, clamped to +-0.5.
@inline(__always) func gaussianLinear(_ x: FloatLanes) -> FloatLanes {
  x * (halfErrorFunction(x) + constant(0.5))
}

/// erf(x / sqrt 2) / 2.
@inline(__always) func halfErrorFunction(_ x: FloatLanes) -> FloatLanes {
  let square = minimum(constant(27.5625), x * x)
  let s = fma(square, constant(0.072_562_36), constant(-1))
  var p = fma(constant(-0.000_450_640_36), s, constant(0.001_362_155_5))
  p = fma(p, s, constant(-0.001_619_710_4))
  p = fma(p, s, constant(0.002_112_133_7))
  p = fma(p, s, constant(-0.004_827_043))
  p = fma(p, s, constant(0.008_839_691))
  p = fma(p, s, constant(-0.013_090_527))
  p = fma(p, s, constant(0.018_425_444))
  p = fma(p, s, constant(-0.024_965_42))
  p = fma(p, s, constant(0.032_045_26))
  p = fma(p, s, constant(-0.039_771_218))
  p = fma(p, s, constant(0.049_645_193))
  p = fma(p, s, constant(-0.067_126_594))
  p = fma(p, s, constant(0.134_659_35))
  return minimum(constant(0.5), maximum(constant(-0.5), x * p))
}

/// x * sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)), which is the tanh form of GELU.
@inline(__always) func gaussianLinearByTangent(_ x: FloatLanes) -> FloatLanes {
  let cubic = fma(x * x, constant(-0.071_354_814), constant(-1.595_769_1))
  return x / (constant(1) + exponential(x * cubic))
}

/// e^x as the square of e^(x/2): infinite above 88.72, denormal below -87.33, 0 below -104.
@inline(__always) func fullExponential(_ x: FloatLanes) -> FloatLanes {
  let half = exponential(x * constant(0.5))
  return half * half
}

/// e^x - 1 for x <= 0: 2 t / (1 - t), t = tanh(x / 2).
@inline(__always) func exponentialLessOne(_ x: FloatLanes) -> FloatLanes {
  let t = hyperbolicTangent(x * constant(0.5))
  return (t + t) / (constant(1) - t)
}

/// x * n / (n + 2), n = e (e + 2), e = e^min(x, 20).
@inline(__always) func mish(_ x: FloatLanes) -> FloatLanes {
  let e = exponential(minimum(constant(20), x))
  let n = e * (e + constant(2))
  return x * (n / (n + constant(2)))
}
