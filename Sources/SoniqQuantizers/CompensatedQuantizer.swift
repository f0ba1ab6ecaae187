package import SoniqCore

/// Rounds a matrix channel by channel and lets the channels still to come make up for the error
/// (GPTQ: Frantar et al. 2022), over one or two levels.
///
/// The channels are taken in sorted order: level by level, so that the errors of the coarse level fall to the
/// fine one. A level's scales are searched when its first channel comes, on the weights as compensated then.
package struct CompensatedQuantizer: Sendable {
  /// Sorted position -> input channel.
  package let order: [Int]
  /// The levels and their numbers of channels, in sorted order.
  package let runs: [(level: Level, channels: Int)]
  private let range: WeightRange
  private let factor: TriangularFactor
  /// Mean square of the sorted channels, for the scale search.
  private let importance: [Float]

  /// * damping: a part of the mean square, added to every channel's.
  ///
  /// Throws when a level is not valid or the sizes do not fit; returns nil when the moments do not allow
  /// compensation (fewer rows than needed even with damping).
  package init?(
    moments: SecondMoments, order: [Int], runs: [(level: Level, channels: Int)], damping: Float,
    range: WeightRange = .whole
  ) throws(QuantizationError) {
    for (index, run) in runs.enumerated() where !run.level.isValid || run.channels < 1 {
      throw .invalidLevel(index: index)
    }
    let count = runs.reduce(0) { $0 + $1.channels }
    guard order.count == moments.channels, count == order.count else {
      throw .size(.secondMoments, got: moments.channels, expected: count)
    }
    if let position = firstPermutationFault(order.map { UInt32(exactly: $0) ?? .max }, count: count) {
      throw .notAPermutation(.gather, position: position)
    }
    guard let factor = TriangularFactor(moments, order: order, damping: damping) else { return nil }
    self.order = order
    self.runs = runs
    self.range = range
    self.factor = factor
    importance = order.map { max(moments.mean($0, $0), 0) }
  }

  /// * weights: row-major [outputs][channels] in the original channel order, finite.
  package func quantize(
    weights: UnsafeBufferPointer<Float>, outputs: Int
  ) throws(QuantizationError) -> [QuantizedRun] {
    let channels = order.count
    guard outputs > 0 else { throw .size(.weights, got: 0, expected: 1) }
    guard let count = checkedProduct(outputs, channels) else { throw .tooLarge }
    guard weights.count == count else { throw .size(.weights, got: weights.count, expected: count) }
    if let index = weights.firstIndex(where: { !$0.isFinite }) {
      throw .invalidNumber(.weights, index: index)
    }
    var results = runs.map { run in
      QuantizedRun(
        level: run.level, channels: run.channels,
        codes: [UInt8](repeating: 0, count: outputs * run.channels),
        scales: [Float](repeating: 1, count: outputs))
    }
    var begin = 0
    while begin < outputs {
      quantizePanel(weights, begin..<min(begin + Self.lanes, outputs), &results)
      begin += Self.lanes
    }
    return results
  }

  private static let lanes = 16

  /// Sixteen outputs at a time, one a SIMD lane: panel[position] holds a channel's weights.
  private func quantizePanel(
    _ weights: UnsafeBufferPointer<Float>, _ outputs: Range<Int>, _ results: inout [QuantizedRun]
  ) {
    let channels = order.count
    var panel = [SIMD16<Float>](repeating: SIMD16(repeating: 0), count: channels)
    for (position, channel) in order.enumerated() {
      for (lane, output) in outputs.enumerated() {
        panel[position][lane] = weights[output * channels + channel]
      }
    }
    var begin = 0
    for run in runs.indices {
      let positions = begin..<begin + runs[run].channels
      let search = ScaleSearch(code: runs[run].level.weight, range: range)
      let scales = panelScales(panel, positions, outputs.count, search)
      for (lane, output) in outputs.enumerated() { results[run].scales[output] = scales[lane] }
      for position in positions {
        let codes = round(&panel, position, scales, search.grid)
        for (lane, output) in outputs.enumerated() {
          results[run].codes[output * runs[run].channels + position - begin] = codes[lane]
        }
      }
      begin = positions.upperBound
    }
  }

  private func panelScales(
    _ panel: [SIMD16<Float>], _ positions: Range<Int>, _ outputCount: Int, _ search: ScaleSearch
  ) -> SIMD16<Float> {
    var importanceRow = PaddedRow(capacity: positions.count)
    let usable = importance[positions].contains { $0 > 0 }
    let chosen = usable ? Array(importance[positions]) : [Float](repeating: 1, count: positions.count)
    chosen.withUnsafeBufferPointer { importanceRow.load($0) }
    var row = PaddedRow(capacity: positions.count)
    var scales = SIMD16<Float>(repeating: 1)
    for lane in 0..<outputCount {
      positions.map { panel[$0][lane] }.withUnsafeBufferPointer { row.load($0) }
      let found = row.withPointer { values in
        importanceRow.withPointer { search.scale(row: values, importance: $0, count: row.count) }
      }
      if case .some(.some(let scale)) = found { scales[lane] = scale }
    }
    return scales
  }

  /// Rounds one channel and spreads its error over the channels after it.
  private func round(
    _ panel: inout [SIMD16<Float>], _ position: Int, _ scales: SIMD16<Float>, _ grid: WeightGrid
  ) -> SIMD16<UInt8> {
    let channels = order.count
    let values = panel[position]
    var codes = SIMD16<UInt8>()
    var rounded = SIMD16<Float>()
    for lane in 0..<Self.lanes {
      codes[lane] = grid.nearestCode(values[lane], scale: scales[lane])
      rounded[lane] = grid.integer(codes[lane]) * scales[lane]
    }
    factor.elements.withUnsafeBufferPointer { elements in
      guard let base = elements.baseAddress else { return }
      let row = base + position * channels
      let error = (values - rounded) / row[position]
      panel.withUnsafeMutableBufferPointer { panel in
        var index = position + 1
        while index < channels {
          panel[index] -= error * row[index]
          index += 1
        }
      }
    }
    return codes
  }
}
