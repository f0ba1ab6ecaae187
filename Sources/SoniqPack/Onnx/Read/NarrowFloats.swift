/// Floats of 4 and 8 bits, and bfloat16: a sign, an exponent, a fraction.
struct NarrowFloats {
  /// Bits behind the point.
  let fraction: Int
  /// The exponent of the least number that has all bits of its fraction.
  let least: Int
  /// The greatest number.
  let most: Float
  let hasInfinity: Bool
  /// The code that is no number, where that is the one of a negative zero.
  let isNaNAtNegativeZero: Bool

  /// nil for a type that is none of them.
  init?(_ type: OnnxType) {
    switch type {
    case .float8e4m3fn: self.init(3, -6, 448)
    case .float8e4m3fnuz: self.init(3, -7, 240, isNaNAtNegativeZero: true)
    case .float8e5m2: self.init(2, -14, 57344, hasInfinity: true)
    case .float8e5m2fnuz: self.init(2, -15, 57344, isNaNAtNegativeZero: true)
    case .float4e2m1: self.init(1, 0, 6)
    case .bfloat16: self.init(7, -126, 0x1.fep127, hasInfinity: true)
    default: return nil
    }
  }

  private init(
    _ fraction: Int, _ least: Int, _ most: Float, hasInfinity: Bool = false,
    isNaNAtNegativeZero: Bool = false
  ) {
    (self.fraction, self.least, self.most) = (fraction, least, most)
    (self.hasInfinity, self.isNaNAtNegativeZero) = (hasInfinity, isNaNAtNegativeZero)
  }

  /// How far its numbers are apart, from the least exponent on.
  var steps: [Float] {
    (least...Int(most.exponent)).map { Float(sign: .plus, exponent: $0 - fraction, significand: 1) }
  }

  /// The number of a code of so many bits, its sign included.
  func number(_ code: Int, bits: Int) -> Float {
    let exponents = (1 << (bits - 1 - fraction)) - 1
    let (exponent, rest) = (code >> fraction & exponents, code & ((1 << fraction) - 1))
    let isNegative = code >> (bits - 1) & 1 == 1
    if isNaNAtNegativeZero, code == 1 << (bits - 1) { return .nan }
    let whole = exponent == 0 ? rest : rest + 1 << fraction
    let size = Float(
      sign: .plus, exponent: least + max(exponent, 1) - 1 - fraction, significand: Float(whole))
    // What is beyond the greatest number is infinite or none.
    let number = size <= most ? size : hasInfinity && rest == 0 ? .infinity : .nan
    return isNegative ? -number : number
  }

  /// Powers of two, the least of which is 2^-127.
  static func power(_ code: Int) -> Float {
    code == 255 ? .nan : Float(sign: .plus, exponent: code - 127, significand: 1)
  }
}
