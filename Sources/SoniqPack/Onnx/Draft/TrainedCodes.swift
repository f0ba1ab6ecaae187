import SoniqCore
import SoniqGraph
import SoniqQuantizers

/// The weights of a layer that was trained at one or two levels (docs/training.md), to be packed as they are.
struct TrainedCodes: Sendable, Hashable {
  var levels: [Level]
  /// The level of each input channel.
  var channelLevels: [UInt8]
  let taps: Int
  /// Row-major [outputs][taps][channels].
  var codes: [UInt8]
  /// Of each level, [outputs].
  var scales: [[Float]]
  var offsets: [[Float]]?

  var channels: Int { channelLevels.count }

  /// The weights as real numbers, in the order of the codes.
  var values: [Float] {
    let inputs = taps * channels
    return codes.indices.map { place in
      let level = Int(channelLevels[place % channels])
      let output = place / inputs
      let integer = Float(levels[level].weight.integer(Int(codes[place])))
      return integer * scales[level][output] + (offsets?[level][output] ?? 0)
    }
  }

  /// The same layer with column `columns[i]` in place i; without taps.
  func moved(_ columns: [Int]) -> TrainedCodes {
    var result = self
    result.channelLevels = columns.map { channelLevels[$0] }
    for row in 0..<codes.count / max(1, channels) {
      for (place, column) in columns.enumerated() {
        result.codes[row * channels + place] = codes[row * channels + column]
      }
    }
    return result
  }

  /// A packed matrix of the very codes; levels that no channel has are left out.
  func matrix(outputs: Int, bias: [Float]?, store: ConstantStore) throws(QuantizationError) -> Constant {
    var runs: [QuantizedRun] = []
    var order: [UInt32] = []
    for (index, level) in levels.enumerated() {
      let chosen = channelLevels.indices.filter { Int(channelLevels[$0]) == index }
      guard !chosen.isEmpty else { continue }
      var run = [UInt8]()
      run.reserveCapacity(outputs * taps * chosen.count)
      for row in 0..<outputs * taps { for channel in chosen { run.append(codes[row * channels + channel]) } }
      runs.append(
        QuantizedRun(
          level: level, channels: chosen.count, taps: taps, codes: run, scales: scales[index],
          offsets: offsets.flatMap { lists in lists[index].contains { $0 != 0 } ? lists[index] : nil }))
      order += chosen.map { UInt32($0) }
    }
    let isSorted = order.indices.allSatisfy { order[$0] == UInt32($0) }
    return .matrix(
      try PackedMatrixBuilder(store: store).matrix(
        outputs: outputs, runs: runs, gather: isSorted ? nil : order, bias: bias))
  }
}

extension TrainedCodes {
  /// The outputs of several layers of one input, one after the other; nil when the precisions of their channels
  /// differ.
  init?(joining parts: [TrainedCodes]) {
    guard let first = parts.first,
      parts.allSatisfy({
        $0.levels == first.levels && $0.channelLevels == first.channelLevels && $0.taps == first.taps
      })
    else { return nil }
    self = first
    codes = parts.flatMap(\.codes)
    scales = levels.indices.map { level in parts.flatMap { $0.scales[level] } }
    guard parts.contains(where: { $0.offsets != nil }) else { return }
    offsets = levels.indices.map { level in
      parts.flatMap { $0.offsets?[level] ?? [Float](repeating: 0, count: $0.scales[level].count) }
    }
  }
}
