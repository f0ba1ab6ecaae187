/// IEEE binary16, by bits: the baseline machine has no instruction for it.
package enum Binary16 {
  /// The nearest binary16, ties to even; overflow gives infinity.
  package static func bits(_ value: Float) -> UInt16 {
    let raw = value.bitPattern
    let sign = UInt16(truncatingIfNeeded: raw >> 16) & 0x8000
    let magnitude = raw & 0x7fff_ffff
    if magnitude >= 0x7f80_0000 { return sign | (magnitude > 0x7f80_0000 ? 0x7e00 : 0x7c00) }
    if magnitude >= 0x4780_0000 { return sign | 0x7c00 }
    if magnitude < 0x3880_0000 {
      // Subnormal: a unit of 2^-24. Adding 0.5 puts the rounded unit count into the low mantissa bits.
      let shifted = Float(bitPattern: magnitude) + 0.5
      return sign | UInt16(truncatingIfNeeded: shifted.bitPattern &- Float(0.5).bitPattern)
    }
    let rounded = magnitude &+ 0x0fff &+ (magnitude >> 13 & 1)
    return sign | UInt16(truncatingIfNeeded: (rounded &- 0x3800_0000) >> 13)
  }

  /// The exact value.
  package static func value(_ bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let magnitude = UInt32(bits & 0x7fff)
    if magnitude >= 0x7c00 { return Float(bitPattern: sign | 0x7f80_0000 | (magnitude & 0x3ff) << 13) }
    if magnitude < 0x0400 {
      let small = Float(magnitude) * 0x1p-24
      return Float(bitPattern: small.bitPattern | sign)
    }
    return Float(bitPattern: sign | ((magnitude << 13) &+ 0x3800_0000))
  }
}
