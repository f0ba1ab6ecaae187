package import SoniqCore

/// Codes and scales of the input channels of a matrix that share a level.
package struct QuantizedRun: Sendable, Hashable {
  package var level: Level
  /// Input channels of the run.
  package var channels: Int
  /// Taps of a convolution, else 1.
  package var taps: Int
  /// Row-major [outputs][taps][channels], each below 2^bits.
  package var codes: [UInt8]
  /// [outputs]: real value of one weight integer.
  package var scales: [Float]
  /// [outputs]: a real number added to every weight of the run, or nil.
  package var offsets: [Float]?
  /// Scales and offsets of groups of channels in the place of those of outputs, which are empty then; taps is 1.
  package var groups: CodeGroups?

  package init(
    level: Level, channels: Int, taps: Int = 1, codes: [UInt8], scales: [Float], offsets: [Float]? = nil
  ) {
    self.level = level
    self.channels = channels
    self.taps = taps
    self.codes = codes
    self.scales = scales
    self.offsets = offsets
  }

  /// A run with scales of groups.
  package init(level: Level, channels: Int, codes: [UInt8], groups: CodeGroups) {
    self.init(level: level, channels: channels, codes: codes, scales: [])
    self.groups = groups
  }
}

/// Scales and offsets of groups of neighbouring channels: a weight is scale * integer + offset.
package struct CodeGroups: Sendable, Hashable {
  /// Channels of a group: 16, 32, 64 or 128; the last one may have fewer.
  package var length: Int
  /// Row-major [outputs][groups]
  package var scales: [Float]
  /// Likewise
  package var offsets: [Float]?

  package init(length: Int, scales: [Float], offsets: [Float]? = nil) {
    self.length = length
    self.scales = scales
    self.offsets = offsets
  }
}

/// Rounds float matrices to a level: one scale per output, found by error, then nearest codes.
package struct MatrixQuantizer: Sendable {
  package let level: Level
  private let search: ScaleSearch

  /// - Throws: `invalidLevel` when the level's bits, zero or scale are out of range.
  package init(level: Level, range: WeightRange = .whole) throws(QuantizationError) {
    guard level.isValid else { throw .invalidLevel(index: 0) }
    self.level = level
    search = ScaleSearch(code: level.weight, range: range)
  }

  /// Scale of every output.
  /// * weights: row-major [outputs][channels], finite.
  /// * importance: [channels], the mean square of each input channel, or nil when all count alike.
  package func scales(
    weights: UnsafeBufferPointer<Float>, outputs: Int, channels: Int, importance: [Float]? = nil
  ) throws(QuantizationError) -> [Float] {
    try check(weights, outputs, channels, importance)
    var importanceRow = PaddedRow(capacity: channels)
    if let importance, importance.contains(where: { $0 > 0 }) {
      importance.withUnsafeBufferPointer { importanceRow.load($0) }
    } else {
      importanceRow.fill(1, count: channels)
    }
    var row = PaddedRow(capacity: channels)
    var scales = [Float](repeating: search.emptyScale, count: outputs)
    for output in 0..<outputs {
      row.load(UnsafeBufferPointer(rebasing: weights[output * channels..<(output + 1) * channels]))
      let found = row.withPointer { values in
        importanceRow.withPointer { search.scale(row: values, importance: $0, count: row.count) }
      }
      if case .some(.some(let scale)) = found { scales[output] = scale }
    }
    return scales
  }

  /// Rounds to the nearest codes at searched scales. Parameters as `scales`.
  package func quantize(
    weights: UnsafeBufferPointer<Float>, outputs: Int, channels: Int, importance: [Float]? = nil
  ) throws(QuantizationError) -> QuantizedRun {
    let scales = try scales(weights: weights, outputs: outputs, channels: channels, importance: importance)
    var codes = [UInt8](repeating: 0, count: outputs * channels)
    for output in 0..<outputs {
      let scale = scales[output]
      for index in output * channels..<(output + 1) * channels {
        codes[index] = search.grid.nearestCode(weights[index], scale: scale)
      }
    }
    return QuantizedRun(level: level, channels: channels, codes: codes, scales: scales)
  }

  private func check(
    _ weights: UnsafeBufferPointer<Float>, _ outputs: Int, _ channels: Int, _ importance: [Float]?
  ) throws(QuantizationError) {
    guard outputs > 0, channels > 0 else { throw .size(.weights, got: 0, expected: 1) }
    guard let count = checkedProduct(outputs, channels) else { throw .tooLarge }
    guard weights.count == count else { throw .size(.weights, got: weights.count, expected: count) }
    if let index = weights.firstIndex(where: { !$0.isFinite }) {
      throw .invalidNumber(.weights, index: index)
    }
    guard let importance else { return }
    guard importance.count == channels else {
      throw .size(.importance, got: importance.count, expected: channels)
    }
    if let index = importance.firstIndex(where: { !$0.isFinite || $0 < 0 }) {
      throw .invalidNumber(.importance, index: index)
    }
  }
}
