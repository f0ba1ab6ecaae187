/// Codes of 16 outputs, one a SIMD lane, whose groups of channels have scales and offsets in bytes.
package struct GroupCodes: Sendable, Hashable {
  /// Channels of a group; the last may have fewer.
  package let length: Int
  package var units: GroupUnits
  /// By stored channel.
  package var codes: [SIMD16<Float>]
  /// By group: counts of the units.
  package var scales: [SIMD16<Float>]
  package var offsets: [SIMD16<Float>]

  init(channels: Int, length: Int, units: GroupUnits) {
    let groups = (channels + length - 1) / length
    (self.length, self.units) = (length, units)
    codes = [SIMD16<Float>](repeating: SIMD16(repeating: 0), count: channels)
    scales = [SIMD16<Float>](repeating: SIMD16(repeating: 1), count: groups)
    offsets = [SIMD16<Float>](repeating: SIMD16(repeating: 0), count: groups)
  }

  /// The numbers of a group.
  package func lanes(_ group: Int) -> GroupLanes { units.lanes(scale: scales[group], offset: offsets[group]) }
}
