/// Makes codes better that are there: channel by channel the code of least error while all others stay, and the units of an
/// output by least squares. Neither makes the error larger.
///
/// The error of an output is (w - v) H (w - v), with the damped second moments H and what the codes stand for, v.
package struct GroupRefinement: Sendable {
  let channels: Int
  /// [channels][channels], damped, symmetric.
  private let moments: [Float]
  private let fit: GroupFit
  /// Over all channels.
  private let passes: Int

  package static let standardPasses = 2

  init(moments: SecondMoments, added: Float, fit: GroupFit, passes: Int) {
    channels = moments.channels
    var elements = [Float](repeating: 0, count: channels * channels)
    for row in 0..<channels {
      for column in 0...row {
        let mean = moments.mean(row, column)
        (elements[row * channels + column], elements[column * channels + row]) = (mean, mean)
      }
      elements[row * channels + row] += added
    }
    (self.moments, self.fit, self.passes) = (elements, fit, passes)
  }

  /// * weights: by channel, what the codes were made of.
  func refine(_ weights: UnsafePointer<SIMD16<Float>>, _ codes: inout GroupCodes) {
    guard passes > 0 else { return }
    var state = State(weights, codes, zero: fit.zero, product)
    for _ in 0..<passes {
      state.refit(&codes)
      pass(&codes, &state)
    }
    state.refit(&codes)
  }

  /// The error of each output.
  func error(_ weights: UnsafePointer<SIMD16<Float>>, _ codes: GroupCodes) -> SIMD16<Float> {
    let rest = (0..<channels).map {
      weights[$0] - fit.values(codes.codes[$0], codes.lanes($0 / codes.length))
    }
    return State.dot(rest, product(rest))
  }

  /// Channel by channel the code of least error, which is a parabola of each.
  private func pass(_ codes: inout GroupCodes, _ state: inout State) {
    var slope = state.slope(codes.units)
    moments.withUnsafeBufferPointer { moments in
      slope.withUnsafeMutableBufferPointer { slope in
        guard var row = moments.baseAddress, let slope = slope.baseAddress else { return }
        for channel in 0..<channels {
          let group = channel / codes.length
          let lanes = codes.lanes(group)
          let former = fit.values(codes.codes[channel], lanes)
          let best = fit.codes(former + slope[channel] / row[channel], lanes)
          if best != codes.codes[channel] {
            state.change(channel, by: (best - codes.codes[channel]) * codes.scales[group])
            codes.codes[channel] = best
            let change = fit.values(best, lanes) - former
            for other in 0..<channels { slope[other] -= change * row[other] }
          }
          row += channels
        }
      }
    }
    state.take(slope, codes.units)
  }

  /// The moments times a vector of each output.
  private func product(_ vector: [SIMD16<Float>]) -> [SIMD16<Float>] {
    var result = [SIMD16<Float>](repeating: SIMD16(repeating: 0), count: channels)
    moments.withUnsafeBufferPointer { moments in
      vector.withUnsafeBufferPointer { vector in
        guard let moments = moments.baseAddress, let vector = vector.baseAddress else { return }
        // Two rows at a time: what the vector is loaded for.
        for channel in stride(from: 0, to: channels, by: 2) {
          let next = min(channel + 1, channels - 1)
          let (row, other) = (moments + channel * channels, moments + next * channels)
          var sums = (SIMD16<Float>(repeating: 0), SIMD16<Float>(repeating: 0))
          for index in 0..<channels {
            sums.0 += vector[index] * row[index]
            sums.1 += vector[index] * other[index]
          }
          (result[channel], result[next]) = (sums.0, sums.1)
        }
      }
    }
    return result
  }
}

/// Weights w, and what their codes stand for as a * first + b * second, a and b being the units of the output, with the
/// products of each with the moments: none of them is made twice.
private struct State {
  private let weights: [SIMD16<Float>]
  private var first: [SIMD16<Float>] = []
  private var second: [SIMD16<Float>] = []
  private let ofWeights: [SIMD16<Float>]
  private var ofFirst: [SIMD16<Float>]
  private let ofSecond: [SIMD16<Float>]

  init(
    _ weights: UnsafePointer<SIMD16<Float>>, _ codes: GroupCodes, zero: Float,
    _ product: ([SIMD16<Float>]) -> [SIMD16<Float>]
  ) {
    for channel in codes.codes.indices {
      let group = channel / codes.length
      first.append((codes.codes[channel] - zero) * codes.scales[group])
      second.append(codes.offsets[group])
    }
    self.weights = Array(UnsafeBufferPointer(start: weights, count: codes.codes.count))
    ofWeights = product(self.weights)
    ofFirst = product(first)
    ofSecond = product(second)
  }

  /// The moments times what is missing.
  func slope(_ units: GroupUnits) -> [SIMD16<Float>] {
    ofWeights.indices.map { ofWeights[$0] - ofFirst[$0] * units.scale - ofSecond[$0] * units.offset }
  }

  mutating func change(_ channel: Int, by difference: SIMD16<Float>) { first[channel] += difference }

  /// The products of the changed codes, from the slope that they left.
  mutating func take(_ slope: [SIMD16<Float>], _ units: GroupUnits) {
    let reciprocal = 1 / units.scale
    for channel in slope.indices {
      ofFirst[channel] = (ofWeights[channel] - ofSecond[channel] * units.offset - slope[channel]) * reciprocal
    }
  }

  /// The units of least squares: two unknowns an output.
  func refit(_ codes: inout GroupCodes) {
    let (a, b, c) = (Self.dot(first, ofFirst), Self.dot(first, ofSecond), Self.dot(second, ofSecond))
    let (x, y) = (Self.dot(weights, ofFirst), Self.dot(weights, ofSecond))
    let determinant = a * c - b * b
    var scale = (x * c - y * b) / determinant
    var offset = (y * a - x * b) / determinant
    let isRegular = determinant .> a * c * 1e-4
    scale.replace(with: x / a, where: .!isRegular)
    offset.replace(with: 0, where: .!isRegular)
    let isUsable =
      (scale .> .leastNormalMagnitude) .& (scale .< .greatestFiniteMagnitude) .& (offset .<= 0)
      .& (offset .> -.greatestFiniteMagnitude)
    // The error, less what no units change.
    func rest(_ p: SIMD16<Float>, _ q: SIMD16<Float>) -> SIMD16<Float> {
      p * (p * a + q * b * 2 - x * 2) + q * (q * c - y * 2)
    }
    let isBetter = isUsable .& (rest(scale, offset) .< rest(codes.units.scale, codes.units.offset))
    codes.units.scale.replace(with: scale, where: isBetter)
    codes.units.offset.replace(with: offset, where: isBetter)
  }

  static func dot(_ left: [SIMD16<Float>], _ right: [SIMD16<Float>]) -> SIMD16<Float> {
    var sum = SIMD16<Float>(repeating: 0)
    for channel in left.indices { sum += left[channel] * right[channel] }
    return sum
  }
}
