import SoniqCore

/// Gives the few input channels with the largest activations a run of their own at the same level, so that
/// they do not set the activation scale of all the others.
struct OutlierSplit: Sendable {
  /// Channels that are split off; the tiles of the level stay full.
  static let channelCount = 4
  /// The split must bring the estimated error below this part of the error without it: a second run costs a
  /// layer about 6 % of its time.
  static let worthwhile = 0.5

  /// The runs of a layer: outliers first, or all channels in one run when the split is not worth it.
  /// * largest: the largest |x| of each input channel on the calibration sequences.
  /// * power: the sum of squared weights of each input channel.
  static func runs(level: Level, largest: [Float], power: [Double]) -> [ChannelRun] {
    let count = largest.count
    let size = max(channelCount, level.weight.layout.tileChannels)
    let isDynamic = level.activation.scaling == .dynamicPerRow
    guard isDynamic, count >= 4 * size else { return ChannelRun.whole(level, count: count) }
    let order = largest.indices.sorted { (largest[$0], $1) > (largest[$1], $0) }
    let outliers = Array(order.prefix(size))
    let rest = Array(order.dropFirst(size))
    let together = noise(order, largest, power)
    let apart = noise(outliers, largest, power) + noise(rest, largest, power)
    guard apart < worthwhile * together else { return ChannelRun.whole(level, count: count) }
    return [
      ChannelRun(level: level, channels: outliers.sorted()),
      ChannelRun(level: level, channels: rest.sorted()),
    ]
  }

  /// What rounding the activations of channels that share a scale does to the outputs, up to a factor: the
  /// step is as large as the largest of them, and every weight multiplies its rounding error.
  private static func noise(_ channels: [Int], _ largest: [Float], _ power: [Double]) -> Double {
    guard let first = channels.first else { return 0 }
    let step = Double(largest[first])
    return step * step * channels.reduce(0) { $0 + power[$1] }
  }
}

extension LinearLayer {
  /// The sum of squared weights of each input channel.
  var channelPower: [Double] {
    var power = [Double](repeating: 0, count: inputs)
    for row in 0..<outputs * taps {
      for input in 0..<inputs {
        let weight = Double(weights[row * inputs + input])
        power[input] += weight * weight
      }
    }
    return power
  }
}
