// exp and log of additions, multiplications and divisions alone: the C library's differ between its versions and CPUs.

private let logarithmOf2High = 0x1.62e42fee00000p-1
private let logarithmOf2Low = 0x1.a39ef35793c76p-33

/// e to the power of x, for x <= 0; off by a few units of the last place. 0 below -708, whose results are no normal
/// numbers.
func exponential(_ x: Double) -> Double {
  guard x >= -708 else { return 0 }
  // The nearest whole number of halvings: x = -halvings * log 2 + rest.
  let halvings = Int(0.5 - x * 0x1.71547652b82fep0)
  let rest = (x + Double(halvings) * logarithmOf2High) + Double(halvings) * logarithmOf2Low
  // Taylor's series at |rest| <= log(2) / 2, whose next term is below 2^-58.
  var sum = 1.0
  var divisor = 13.0
  while divisor > 0 {
    sum = 1 + rest * sum / divisor
    divisor -= 1
  }
  return sum * Double(bitPattern: UInt64(1023 - halvings) << 52)
}

/// The natural logarithm of a normal number above 0; off by a few units of the last place.
func logarithm(_ x: Double) -> Double {
  var exponent = Int(x.bitPattern >> 52) - 1023
  var fraction = Double(bitPattern: x.bitPattern & (1 << 52 - 1) | 1023 << 52)
  if fraction > 0x1.6a09e667f3bcdp0 {
    fraction *= 0.5
    exponent += 1
  }
  // log((1 + s) / (1 - s)) = 2 (s + s^3 / 3 + s^5 / 5 + ...), s <= 0.172.
  let s = (fraction - 1) / (fraction + 1)
  let square = s * s
  var sum = 0.0
  var divisor = 23.0
  while divisor > 0 {
    sum = sum * square + 1 / divisor
    divisor -= 2
  }
  return Double(exponent) * logarithmOf2High + (2 * s * sum + Double(exponent) * logarithmOf2Low)
}
