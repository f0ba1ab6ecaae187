import CKernelABI

// The kinds of activation kernels from SNQ_LEAKY_RELU on. Constants go first in minimum and maximum, so that NaN passes
// through.

@inline(__always) private func constant(_ value: Float) -> FloatLanes { FloatLanes(repeating: value) }

@inline(never) func unaryRows(_ args: snq_activation_args, _ rowBegin: UInt32, _ rowEnd: UInt32) {
  let alpha = constant(args.alpha)
  let beta = constant(args.beta)
  let (zero, one) = (constant(0), constant(1))
  switch Int(args.kind) {
  case SNQ_LEAKY_RELU: compactRows(args, rowBegin, rowEnd) { select($0 .< zero, alpha * $0, $0) }
  case SNQ_CLIP: compactRows(args, rowBegin, rowEnd) { minimum(beta, maximum(alpha, $0)) }
  case SNQ_HARD_SIGMOID:
    compactRows(args, rowBegin, rowEnd) { minimum(one, maximum(zero, fma(alpha, $0, beta))) }
  case SNQ_ELU:
    compactRows(args, rowBegin, rowEnd) { x in select(x .< zero, alpha * exponentialLessOne(x), x) }
  case SNQ_SOFTPLUS: compactRows(args, rowBegin, rowEnd, softplus)
  case SNQ_MISH: compactRows(args, rowBegin, rowEnd, mish)
  case SNQ_ABSOLUTE: compactRows(args, rowBegin, rowEnd) { $0.magnitude() }
  case SNQ_NEGATIVE: compactRows(args, rowBegin, rowEnd) { $0 * constant(-1) }
  case SNQ_RECIPROCAL: compactRows(args, rowBegin, rowEnd) { one / $0 }
  case SNQ_SQUARE_ROOT: compactRows(args, rowBegin, rowEnd) { $0.squareRoot() }
  case SNQ_EXPONENTIAL: compactRows(args, rowBegin, rowEnd, fullExponential)
  case SNQ_LOGARITHM: compactRows(args, rowBegin, rowEnd, logarithm)
  case SNQ_ERF:
    compactRows(args, rowBegin, rowEnd) { x in constant(2) * halfErrorFunction(x * constant(1.414_213_6)) }
  case SNQ_FLOOR: compactRows(args, rowBegin, rowEnd) { $0.floor() }
  case SNQ_CEILING:
    compactRows(args, rowBegin, rowEnd) { ($0 * constant(-1)).floor() * constant(-1) }
  case SNQ_ROUND: compactRows(args, rowBegin, rowEnd) { $0.nearest() }
  case SNQ_SIGN:
    compactRows(args, rowBegin, rowEnd) { x in select(zero .< x, one, select(x .< zero, constant(-1), x)) }
  default: return
  }
}

/// One body for whole vectors and the rest of a row: half the code of two.
@inline(__always) private func compactRows(
  _ args: snq_activation_args, _ rowBegin: UInt32, _ rowEnd: UInt32,
  _ function: (FloatLanes) -> FloatLanes
) {
  guard let firstInput = args.input, let firstOutput = args.output else { return }
  let channels = Int(args.channels)
  var row = Int(rowBegin)
  while row < Int(rowEnd) {
    let input = firstInput + row &* args.inputStride
    let output = firstOutput + row &* args.outputStride
    var channel = 0
    while channel < channels {
      let count = min(16, channels &- channel)
      let isWhole = count == 16
      let x = isWhole ? FloatLanes(load: input + channel) : FloatLanes(load: input + channel, count: count)
      let y = function(x)
      if isWhole { y.store(output + channel) } else { y.store(output + channel, count: count) }
      channel &+= 16
    }
    row &+= 1
  }
}

/// e^x as the square of e^(x/2): infinite above 88.72, denormal below -87.33, 0 below -104.
@inline(__always) private func fullExponential(_ x: FloatLanes) -> FloatLanes {
  let half = exponential(x * constant(0.5))
  return half * half
}

/// e^x - 1 for x <= 0: 2 t / (1 - t), t = tanh(x / 2).
@inline(__always) private func exponentialLessOne(_ x: FloatLanes) -> FloatLanes {
  let t = hyperbolicTangent(x * constant(0.5))
  return (t + t) / (constant(1) - t)
}

/// max(x, 0) + log(1 + t), t = e^-|x|. What 1 + t lost in rounding is given back: log(1 + t) = log u + (t - (u - 1)) / u.
@inline(__always) private func softplus(_ x: FloatLanes) -> FloatLanes {
  let t = exponential(x.magnitude() * constant(-1))
  let u = constant(1) + t
  let tail = logarithm(u) + (t - (u - constant(1))) / u
  return maximum(constant(0), x) + tail
}

/// x * n / (n + 2), n = e (e + 2), e = e^min(x, 20).
@inline(__always) private func mish(_ x: FloatLanes) -> FloatLanes {
  let e = exponential(minimum(constant(20), x))
  let n = e * (e + constant(2))
  return x * (n / (n + constant(2)))
}

/// x = 2^n m, sqrt(1/2) <= m < sqrt 2: n ln 2 + log m, log m = f - f^2/2 + f^3 P(f) with f = m - 1.
@inline(__always) private func logarithm(_ input: FloatLanes) -> FloatLanes {
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
@inline(__always) private func unordered(_ x: FloatLanes) -> LaneMask {
  let bits = IntegerLanes(bits: x.magnitude())
  return FloatLanes(IntegerLanes(repeating: 0x7f80_0000) &- bits) .< constant(0)
}
