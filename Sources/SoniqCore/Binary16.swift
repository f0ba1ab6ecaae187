/// IEEE binary16, by bits: the baseline machine has no instruction for it. Without branches, so that loops over many are done
/// several at a time.
package enum Binary16 {
  /// The nearest binary16, ties to even; overflow gives infinity, NaN the quiet one of its sign.
  @inlinable @inline(__always)
  package static func bits(_ value: Float) -> UInt16 {
    let raw = value.bitPattern
    let magnitude = raw & 0x7fff_ffff
    let normal = (magnitude &+ 0x0fff &+ (magnitude >> 13 & 1) &- 0x3800_0000) >> 13
    // Subnormal: a unit of 2^-24. Adding 0.5 puts the rounded unit count into the low mantissa bits.
    let small = (Float(bitPattern: magnitude) + 0.5).bitPattern &- Float(0.5).bitPattern
    let large: UInt32 = magnitude > 0x7f80_0000 ? 0x7e00 : 0x7c00
    let half = magnitude >= 0x4780_0000 ? large : magnitude < 0x3880_0000 ? small : normal
    return UInt16(truncatingIfNeeded: raw >> 16 & 0x8000 | half)
  }

  /// The exact value; NaN keeps its payload.
  @inlinable @inline(__always)
  package static func value(_ bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let magnitude = UInt32(bits & 0x7fff)
    let normal = (magnitude << 13) &+ 0x3800_0000
    let small = (Float(Int32(bitPattern: magnitude)) * 0x1p-24).bitPattern
    let special = 0x7f80_0000 | (magnitude & 0x3ff) << 13
    return Float(
      bitPattern: sign | (magnitude >= 0x7c00 ? special : magnitude < 0x0400 ? small : normal))
  }
}
