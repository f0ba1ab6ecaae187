import SoniqCore

/// A layer that may give each input channel one of two levels.
struct AllocationCandidate: Sendable {
  let weightCount: Int
  /// What each channel's error costs the model less at the fine level than at the coarse one, summed over
  /// outputs or rows; empty for a layer whose level is not chosen.
  let gains: [Double]
  /// Channels move in groups of so many: the tiles of both levels stay full.
  let granularity: Int
  /// Stored bytes when the given number of channels is at the fine level.
  let byteCount: @Sendable (_ fineChannels: Int) -> Int
}

/// Gives channels to levels: those whose error costs the model most per bit go to the fine level, under one
/// threshold for all layers, as low as the target for the stored bits allows.
struct ChannelAllocation: Sendable {
  /// Channels of each candidate at the fine level, ascending.
  private(set) var fineChannels: [[Int]] = []

  private struct Group {
    var candidate: Int
    var channels: [Int]
    var gainPerByte: Double
  }

  /// * byteLimit: the most bytes that all candidates together may take: at least what all channels at the coarse level
  ///   need.
  init(_ candidates: [AllocationCandidate], byteLimit: Int) {
    fineChannels = candidates.map { _ in [] }
    var total = candidates.reduce(0) { $0 + $1.byteCount(0) }
    let ordered = Self.groups(candidates)
    // A second level brings scales and a map of its own, which its first group alone may not be worth:
    // groups are taken by gain as long as they fit, and smaller ones may still fit when one does not.
    for group in ordered {
      let candidate = candidates[group.candidate]
      let taken = fineChannels[group.candidate].count
      let more = candidate.byteCount(taken + group.channels.count) - candidate.byteCount(taken)
      guard total + more <= byteLimit else { continue }
      total += more
      fineChannels[group.candidate] += group.channels
    }
    for index in fineChannels.indices { fineChannels[index].sort() }
  }

  /// All groups, most gain per byte first. Inside a layer the groups fall in gain, so each is taken after
  /// the ones before it.
  private static func groups(_ candidates: [AllocationCandidate]) -> [Group] {
    var groups: [Group] = []
    for (index, candidate) in candidates.enumerated() where !candidate.gains.isEmpty {
      let order = candidate.gains.indices.sorted {
        (candidate.gains[$0], $1) > (candidate.gains[$1], $0)
      }
      let count = candidate.gains.count
      let span = candidate.byteCount(count) - candidate.byteCount(0)
      let bytesPerChannel = max(Double(span) / Double(count), 1e-9)
      for begin in stride(from: 0, to: count, by: candidate.granularity) {
        let channels = Array(order[begin..<min(begin + candidate.granularity, count)])
        let gain = channels.reduce(0.0) { $0 + candidate.gains[$1] }
        groups.append(
          Group(
            candidate: index, channels: channels,
            gainPerByte: gain / (bytesPerChannel * Double(channels.count))))
      }
    }
    return groups.sorted {
      ($0.gainPerByte, -Double($0.candidate)) > ($1.gainPerByte, -Double($1.candidate))
    }
  }
}

/// A number with a fixed count of digits after the point.
package func decimal(_ value: Double, _ digits: Int) -> String {
  guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
  var scale = 1.0
  for _ in 0..<digits { scale *= 10 }
  let units = (abs(value) * scale).rounded()
  let whole = Int(units / scale)
  let fraction = String(Int(units - Double(whole) * scale))
  let sign = value < 0 && units > 0 ? "-" : ""
  guard digits > 0 else { return sign + String(whole) }
  return sign + "\(whole)." + String(repeating: "0", count: max(0, digits - fraction.count)) + fraction
}
