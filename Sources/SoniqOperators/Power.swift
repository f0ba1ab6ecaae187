// x^y as one fixed sequence of IEEE binary64 operations, the same on every processor; docs/numerics.md has the errors.

/// x^y with the special cases of C's pow.
func power(_ x: Float, _ y: Float) -> Float {
  if y == 2 { return x * x }
  if y == 1 { return x }
  if y == 0 || x == 1 { return 1 }
  if x.isNaN || y.isNaN { return .nan }
  let magnitude = x.magnitude
  if y.isInfinite {
    if magnitude == 1 { return 1 }
    return (magnitude > 1) == (y > 0) ? .infinity : 0
  }
  let isWhole = y.rounded(.towardZero) == y
  let isOdd = isWhole && y.magnitude < 0x1p24 && Int32(y) & 1 != 0
  if x < 0 && !isWhole && x.isFinite { return .nan }
  let result: Float
  if magnitude == 0 || magnitude.isInfinite {
    result = (magnitude == 0) == (y > 0) ? 0 : .infinity
  } else {
    result = Float(binaryPower(binaryLogarithm(Double(magnitude)) * Double(y)))
  }
  return isOdd && x.sign == .minus ? -result : result
}

/// log2 of a normal number: 2 atanh(f) / ln 2 of the significand, f = (m - 1) / (m + 1).
private func binaryLogarithm(_ x: Double) -> Double {
  let bits = x.bitPattern
  var exponent = Double(Int(bits >> 52) - 1023)
  var significand = Double(bitPattern: bits & 0x000f_ffff_ffff_ffff | 0x3ff0_0000_0000_0000)
  if significand > 1.4142135623730951 {
    significand *= 0.5
    exponent += 1
  }
  let f = (significand - 1) / (significand + 1)
  let s = f * f
  var sum = 1.0 / 19
  var divisor = 17.0
  while divisor > 0 {
    sum = sum * s + 1 / divisor
    divisor -= 2
  }
  return exponent + f * sum * 2.8853900817779268
}

/// 2^x; infinite or 0 beyond binary32.
private func binaryPower(_ x: Double) -> Double {
  let limited = min(max(x, -400), 400)
  let whole = limited.rounded(.toNearestOrEven)
  let r = (limited - whole) * 0.6931471805599453
  var sum = 1.0
  var divisor = 13.0
  while divisor > 0 {
    sum = sum * r / divisor + 1
    divisor -= 1
  }
  return sum * Double(bitPattern: UInt64(bitPattern: Int64(whole) + 1023) << 52)
}
