package import SoniqCore

/// Input channels of a layer that share a level.
package struct ChannelRun: Sendable, Hashable {
  package var level: Level
  /// Ascending, at least one.
  package var channels: [Int]
}

extension ChannelRun {
  /// All channels at one level.
  static func whole(_ level: Level, count: Int) -> [ChannelRun] {
    [ChannelRun(level: level, channels: Array(0..<count))]
  }

  /// The given channels at `fine`, the others at `coarse`; an empty run is left out.
  static func split(coarse: Level, fine: Level, fineChannels: [Int], count: Int) -> [ChannelRun] {
    let isFine = Set(fineChannels)
    let runs = [
      ChannelRun(level: coarse, channels: (0..<count).filter { !isFine.contains($0) }),
      ChannelRun(level: fine, channels: fineChannels.sorted()),
    ]
    return runs.filter { !$0.channels.isEmpty }
  }
}
