/// Scales and offsets of groups as bytes that count a unit of their output, of 16 outputs, one a SIMD lane.
package struct GroupUnits: Sendable, Hashable {
  /// > 0
  package var scale: SIMD16<Float>
  /// <= 0
  package var offset: SIMD16<Float>

  /// Room for groups whose weights grow while they take over the errors of others.
  private static let room: Float = 1.0625
  private static let largest: Float = 255

  /// Units in which the largest of the numbers, and a little more, are 255.
  package init(of groups: [GroupLanes]) {
    var (scale, offset) = (SIMD16<Float>(repeating: 0), SIMD16<Float>(repeating: 0))
    for group in groups {
      scale.replace(with: group.scale, where: group.scale .> scale)
      offset.replace(with: group.offset, where: group.offset .< offset)
    }
    self.scale = scale * (Self.room / Self.largest)
    self.scale.replace(with: .leastNormalMagnitude, where: .!(self.scale .> .leastNormalMagnitude))
    self.offset = offset * (Self.room / Self.largest)
  }

  /// Counts of units, as numbers: a scale has 1 to 255 of them, an offset 0 to 255.
  package func counts(_ lanes: GroupLanes) -> (scale: SIMD16<Float>, offset: SIMD16<Float>) {
    let scale = (lanes.scale / self.scale).rounded(.toNearestOrEven)
    let divisor = offset.replacing(with: -1, where: offset .== 0)
    let count = (lanes.offset / divisor).rounded(.toNearestOrEven)
    return (
      scale.clamped(lowerBound: SIMD16(repeating: 1), upperBound: SIMD16(repeating: Self.largest)),
      count.clamped(lowerBound: SIMD16(repeating: 0), upperBound: SIMD16(repeating: Self.largest))
    )
  }

  package func lanes(scale: SIMD16<Float>, offset: SIMD16<Float>) -> GroupLanes {
    GroupLanes(scale: self.scale * scale, offset: self.offset * offset)
  }
}
