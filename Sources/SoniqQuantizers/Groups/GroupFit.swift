/// The scales and offsets of one group of channels, of 16 outputs, one a SIMD lane: a weight is scale * code + offset.
package struct GroupLanes: Sendable, Hashable {
  /// >= 0
  package var scale: SIMD16<Float>
  /// <= 0; 0 of symmetric groups.
  package var offset: SIMD16<Float>
}

/// Finds a scale and an offset for the weights of a group by their squared error, each weighted by the mean square of what
/// it is multiplied with.
///
/// Parts of the range of the weights are tried; each is refined by rounding and least squares, as K-quants of GGUF files
/// are made.
package struct GroupFit: Sendable {
  /// The largest code.
  package let largest: Float
  /// The code of the number 0 of groups without offset, which may lie between two; else 0.
  package let zero: Float
  private let hasOffsets: Bool
  private let parts: [Float]
  private static let refinements = 2

  /// * bits: of a code, 1 to 8.
  /// * zero: the code of the number 0, near the middle; nil: groups have offsets.
  package init(bits: Int, zero: Float? = nil) {
    largest = Float((1 << bits) - 1)
    self.zero = zero ?? 0
    hasOffsets = zero == nil
    parts = bits > 4 ? [1, 0.97, 0.94] : [1, 0.92, 0.84, 0.76, 0.68, 0.6]
  }

  /// Adding and subtracting 1.5 * 2^23 rounds to the nearest even integer.
  private static let roundingMagic = SIMD16<Float>(repeating: 12_582_912)

  /// The nearest codes, as numbers. The scale must be positive.
  @inline(__always)
  package func codes(_ weights: SIMD16<Float>, _ lanes: GroupLanes) -> SIMD16<Float> {
    var codes = (weights - lanes.offset) / lanes.scale + zero
    codes.replace(with: largest, where: codes .> largest)
    codes.replace(with: 0, where: .!(codes .>= 0))
    return (codes + Self.roundingMagic) - Self.roundingMagic
  }

  /// What codes stand for.
  @inline(__always)
  package func values(_ codes: SIMD16<Float>, _ lanes: GroupLanes) -> SIMD16<Float> {
    (codes - zero) * lanes.scale + lanes.offset
  }

  /// The best numbers of a group; the scale is positive.
  /// * weights: of as many channels as `importance`, finite.
  /// * importance: >= 0, and more than 0 somewhere.
  package func numbers(
    _ weights: UnsafePointer<SIMD16<Float>>, _ importance: UnsafeBufferPointer<Float>
  ) -> GroupLanes {
    let limits = Limits(weights, count: importance.count)
    let mean = Mean(weights, importance)
    var best = GroupLanes(scale: SIMD16(repeating: 1), offset: SIMD16(repeating: 0))
    var least = SIMD16<Float>(repeating: .infinity)
    for part in parts {
      var lanes =
        hasOffsets ? limits.offset(part, largest) : limits.symmetric(part, min(zero, largest - zero))
      for round in 0...Self.refinements {
        let error = error(weights, importance, lanes)
        let isBetter = error .< least
        least.replace(with: error, where: isBetter)
        best.scale.replace(with: lanes.scale, where: isBetter)
        best.offset.replace(with: lanes.offset, where: isBetter)
        if round < Self.refinements { lanes = refined(weights, importance, lanes, mean) }
      }
    }
    return best
  }

  /// The weighted squared error of the nearest codes.
  package func error(
    _ weights: UnsafePointer<SIMD16<Float>>, _ importance: UnsafeBufferPointer<Float>, _ lanes: GroupLanes
  ) -> SIMD16<Float> {
    var error = SIMD16<Float>(repeating: 0)
    for channel in importance.indices {
      let difference = values(codes(weights[channel], lanes), lanes) - weights[channel]
      error += difference * difference * importance[channel]
    }
    return error
  }

  /// The least squares of scale and offset for the codes that these have.
  private func refined(
    _ weights: UnsafePointer<SIMD16<Float>>, _ importance: UnsafeBufferPointer<Float>, _ lanes: GroupLanes,
    _ mean: Mean
  ) -> GroupLanes {
    var (first, cross, power) = (
      SIMD16<Float>(repeating: 0), SIMD16<Float>(repeating: 0), SIMD16<Float>(repeating: 0)
    )
    for channel in importance.indices {
      let code = codes(weights[channel], lanes) - zero
      let weighted = code * importance[channel]
      first += weighted
      cross += weighted * weights[channel]
      power += weighted * code
    }
    var result = lanes
    // Without an offset, where there is none or it would be above 0.
    let plain = cross / power
    result.scale.replace(with: plain, where: (plain .> 0) .& (power .> 0))
    guard hasOffsets else { return result }
    let average = first * mean.reciprocal
    let variance = power - first * average
    let scale = (cross - first * mean.weight) / variance
    let offset = mean.weight - scale * average
    let isUsable = (variance .> power * 1e-6) .& (scale .> 0) .& (offset .<= 0)
    result.offset.replace(with: 0, where: .!(offset .<= 0))
    result.scale.replace(with: scale, where: isUsable)
    result.offset.replace(with: offset, where: isUsable)
    return result
  }

  /// Weighted sums that do not depend on codes.
  private struct Mean {
    var reciprocal: Float
    var weight = SIMD16<Float>(repeating: 0)

    init(_ weights: UnsafePointer<SIMD16<Float>>, _ importance: UnsafeBufferPointer<Float>) {
      var sum: Float = 0
      for channel in importance.indices {
        sum += importance[channel]
        weight += weights[channel] * importance[channel]
      }
      reciprocal = sum > 0 ? 1 / sum : 0
      weight *= reciprocal
    }
  }

  /// The range of a group's weights.
  private struct Limits {
    var low = SIMD16<Float>(repeating: 0)
    var high = SIMD16<Float>(repeating: 0)

    init(_ weights: UnsafePointer<SIMD16<Float>>, count: Int) {
      for channel in 0..<count {
        low.replace(with: weights[channel], where: weights[channel] .< low)
        high.replace(with: weights[channel], where: weights[channel] .> high)
      }
    }

    private static func positive(_ scale: SIMD16<Float>) -> SIMD16<Float> {
      scale.replacing(with: Float.leastNormalMagnitude, where: .!(scale .> Float.leastNormalMagnitude))
    }

    func offset(_ part: Float, _ largest: Float) -> GroupLanes {
      let middle = low * 0.5 + high * 0.5
      let offset = middle - (middle - low) * part
      let scale = Self.positive((high - low) * (part / largest))
      return GroupLanes(scale: scale, offset: offset.replacing(with: 0, where: offset .> 0))
    }

    /// * reach: from the zero to the nearer end of the codes.
    func symmetric(_ part: Float, _ reach: Float) -> GroupLanes {
      let most = high.replacing(with: -low, where: -low .> high)
      return GroupLanes(
        scale: Self.positive(most * (part / reach)), offset: SIMD16(repeating: 0))
    }
  }
}
