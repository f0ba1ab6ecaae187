/// Inputs for functions of one float.
enum FloatSweep {
  /// 61000 floats of all exponents and both signs: zeros, denormals, infinities, NaN, and mantissas at both ends and between.
  static let everyExponent: [Float] = {
    var patterns: [UInt32] = []
    for exponent in UInt32(0)...255 {
      for mantissa in [0, 1, 0x3f_ffff, 0x40_0000, 0x7f_ffff] as [UInt32] {
        patterns.append(exponent << 23 | mantissa)
      }
      // Steps of a prime, another start for each exponent.
      for step in UInt32(0)..<115 {
        patterns.append(exponent << 23 | (exponent &* 7919 &+ step &* 72_937) & 0x7f_ffff)
      }
    }
    let positive = patterns.map { Float(bitPattern: $0) }
    return positive + positive.map { -$0 }
  }()
}
