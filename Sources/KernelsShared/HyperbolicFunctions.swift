import CKernelABI

// Hyperbolic functions but tanh, and the inverses; docs/numerics.md states the errors.

/// x + x^3 P(x^2) for |x| < 1, else e^|x| / 2 - e^-|x| / 2 and the sign of x.
@inline(__always) func hyperbolicSine(_ x: FloatLanes) -> FloatLanes {
  let magnitude = x.magnitude()
  let square = x * x
  var p = fma(constant(2.817_439_5e-6), square, constant(1.983_606_6e-4))
  p = fma(p, square, constant(0.008_333_350_5))
  p = fma(p, square, constant(0.166_666_67))
  let small = fma(magnitude * square, p, magnitude)
  let (growing, falling) = halfExponentials(magnitude)
  return select(magnitude .< constant(1), small, growing - falling).signed(as: x)
}

/// e^|x| / 2 + e^-|x| / 2.
@inline(__always) func hyperbolicCosine(_ x: FloatLanes) -> FloatLanes {
  let (growing, falling) = halfExponentials(x.magnitude())
  return growing + falling
}

/// e^x / 2 and e^-x / 2 for x >= 0, by the square of e^(x/2), which stays in range for as long as the result does.
@inline(__always) private func halfExponentials(_ x: FloatLanes) -> (FloatLanes, FloatLanes) {
  let root = exponential(x * constant(0.5))
  return (root * constant(0.5) * root, constant(0.5) / (root * root))
}

/// log(1 + u), u = |x| + x^2 / (1 + sqrt(x^2 + 1)); log(1 + |x|) + log 2 above 2^24. The sign of x.
@inline(__always) func inverseHyperbolicSine(_ x: FloatLanes) -> FloatLanes {
  let magnitude = x.magnitude()
  let isLarge = constant(0x1p24) .< magnitude
  let square = x * x
  let u = magnitude + square / (constant(1) + (square + constant(1)).squareRoot())
  return logarithmOfSum(u, magnitude, isLarge).signed(as: x)
}

/// log(1 + u), u = t + sqrt(t^2 + 2 t), t = x - 1; log(1 + x) + log 2 above 2^24. NaN below 1.
@inline(__always) func inverseHyperbolicCosine(_ x: FloatLanes) -> FloatLanes {
  let t = x - constant(1)
  let u = t + fma(t, t, t + t).squareRoot()
  let y = logarithmOfSum(u, x, constant(0x1p24) .< x)
  return select(x .< constant(1), constant(.nan), y)
}

/// log(1 + u); for large x, where u is 2 x, log(1 + x) + log 2.
@inline(__always) private func logarithmOfSum(
  _ u: FloatLanes, _ x: FloatLanes, _ isLarge: LaneMask
) -> FloatLanes {
  logarithmOfOnePlus(select(isLarge, x, u)) + select(isLarge, constant(0.693_147_2), constant(0))
}

/// log(1 + 2|x| / (1 - |x|)) / 2 and the sign of x.
@inline(__always) func inverseHyperbolicTangent(_ x: FloatLanes) -> FloatLanes {
  let magnitude = x.magnitude()
  let u = (magnitude + magnitude) / (constant(1) - magnitude)
  return (constant(0.5) * logarithmOfOnePlus(u)).signed(as: x)
}
