/// Rounds a matrix whose groups of channels have scales of their own, 16 outputs at a time, and lets the channels still to
/// come make up for the error of each (GPTQ: Frantar et al. 2022).
///
/// Channels of large mean squares come first, whatever group they are in: the numbers of all groups are fixed before, so
/// channels stay in the order of the model and nothing is gathered when it runs.
package struct GroupCompensation: Sendable {
  package let fit: GroupFit
  package let groupLength: Int
  let channels: Int
  /// Channels in the order in which they are rounded.
  private let sequence: [Int]
  private let factor: TriangularFactor
  /// Damped mean squares of the channels.
  private let importance: [Float]
  let refinement: GroupRefinement

  /// * moments: of what the matrix multiplies.
  /// * damping: a part of the mean square, added to every channel's.
  ///
  /// nil when the damped moments are not positive definite.
  package init?(
    moments: SecondMoments, fit: GroupFit, groupLength: Int, damping: Float = 0.01,
    passes: Int = GroupRefinement.standardPasses
  ) {
    let squares = moments.meanSquares
    guard squares.allSatisfy(\.isFinite) else { return nil }
    sequence = squares.indices.sorted { (squares[$0], $1) > (squares[$1], $0) }
    guard let factor = TriangularFactor(moments, order: sequence, damping: damping) else { return nil }
    let mean = squares.reduce(0, +) / Float(max(1, squares.count))
    let added = max(mean, 1e-12) * damping
    (self.fit, self.groupLength, self.factor, channels) = (fit, groupLength, factor, squares.count)
    importance = squares.map { $0 + added }
    refinement = GroupRefinement(moments: moments, added: added, fit: fit, passes: passes)
  }

  /// * weights: of 16 outputs, by channel, finite.
  package func quantize(_ weights: UnsafePointer<SIMD16<Float>>) -> GroupCodes {
    var result = started(weights)
    round(weights, &result)
    refinement.refine(weights, &result)
    return result
  }

  /// Numbers of all groups, no codes yet.
  func started(_ weights: UnsafePointer<SIMD16<Float>>) -> GroupCodes {
    let fitted = stride(from: 0, to: channels, by: groupLength).map { begin in
      let end = min(begin + groupLength, channels)
      return importance[begin..<end].withUnsafeBufferPointer { fit.numbers(weights + begin, $0) }
    }
    var result = GroupCodes(channels: channels, length: groupLength, units: GroupUnits(of: fitted))
    for (group, lanes) in fitted.enumerated() {
      (result.scales[group], result.offsets[group]) = result.units.counts(lanes)
    }
    return result
  }

  private func round(_ weights: UnsafePointer<SIMD16<Float>>, _ result: inout GroupCodes) {
    var rest = sequence.map { weights[$0] }
    let fit = fit
    factor.elements.withUnsafeBufferPointer { elements in
      rest.withUnsafeMutableBufferPointer { rest in
        guard var row = elements.baseAddress, let rest = rest.baseAddress else { return }
        for position in 0..<channels {
          let channel = sequence[position]
          let lanes = result.lanes(channel / groupLength)
          let codes = fit.codes(rest[position], lanes)
          result.codes[channel] = codes
          let error = (rest[position] - fit.values(codes, lanes)) / row[position]
          var next = position + 1
          while next < channels {
            rest[next] -= error * row[next]
            next += 1
          }
          row += channels
        }
      }
    }
  }
}
