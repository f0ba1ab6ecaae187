/// A layer that may give each input channel one of two levels, with what that takes.
struct TimedCandidate: Sendable {
  /// What each channel's error costs the model less at the fine level; empty for a layer whose level is not chosen.
  let gains: [Double]
  /// Channels move in groups of so many.
  let granularity: Int
  /// Nanoseconds of a run with all channels at the coarse level, half of them, and none.
  let coarse: Double
  let mixed: Double
  let fine: Double

  /// With so many channels at the fine level. A second level costs something of its own, whatever its share.
  func time(_ fineChannels: Int) -> Double {
    guard !gains.isEmpty, fineChannels < gains.count else { return fine }
    guard fineChannels > 0 else { return coarse }
    let share = Double(fineChannels) / Double(gains.count)
    let second = max(0, mixed - (coarse + fine) / 2)
    return coarse + (fine - coarse) * share + second
  }
}

/// Gives channels to levels so that a run takes no longer than it may: the most gain for the time, by one price of a
/// nanosecond for all layers, as low as the time allows (a Lagrange multiplier); what is left then goes to the layers
/// that gain most by it. A level that takes longer than the fine one is never chosen.
struct LatencyAllocation: Sendable {
  /// Channels of each candidate at the fine level, ascending.
  private(set) var fineChannels: [[Int]] = []
  /// Nanoseconds of all candidates.
  private(set) var time = 0.0

  /// What a candidate can be.
  private struct Choice {
    var fineCount: Int
    var time: Double
    var gain: Double
  }

  /// The least time that all candidates together can take.
  static func least(_ candidates: [TimedCandidate]) -> Double {
    candidates.reduce(0) { $0 + (choices($1, order(of: $1)).map(\.time).min() ?? 0) }
  }

  /// * limit: nanoseconds, at least `least`.
  init(_ candidates: [TimedCandidate], limit: Double) {
    let orders = candidates.map(Self.order)
    let choices = zip(candidates, orders).map { Self.choices($0, $1) }
    var chosen = Self.best(choices, price: 0)
    if Self.time(chosen) > limit {
      var (low, high) = (0.0, 1e-300)
      while Self.time(Self.best(choices, price: high)) > limit, high < 1e300 { high *= 16 }
      for _ in 0..<200 {
        let middle = low > 0 ? (low * high).squareRoot() : high / 16
        if Self.time(Self.best(choices, price: middle)) > limit { low = middle } else { high = middle }
        if low > 0, high < low * 1.000001 { break }
      }
      chosen = Self.filled(Self.best(choices, price: high), choices, limit)
    }
    time = Self.time(chosen)
    fineChannels = zip(orders, chosen).map { $0.prefix($1.fineCount).sorted() }
  }

  /// Channels, most gain first.
  private static func order(of candidate: TimedCandidate) -> [Int] {
    candidate.gains.indices.sorted { (candidate.gains[$0], $1) > (candidate.gains[$1], $0) }
  }

  private static func choices(_ candidate: TimedCandidate, _ order: [Int]) -> [Choice] {
    var result = [Choice(fineCount: 0, time: candidate.time(0), gain: 0)]
    var gain = 0.0
    for (index, channel) in order.enumerated() {
      gain += candidate.gains[channel]
      let count = index + 1
      guard count % candidate.granularity == 0 || count == order.count else { continue }
      result.append(Choice(fineCount: count, time: candidate.time(count), gain: gain))
    }
    // All at the fine level is the best of all: what takes as long is not chosen.
    let last = result[result.count - 1]
    return result.filter { $0.fineCount == last.fineCount || $0.time < last.time }
  }

  private static func time(_ chosen: [Choice]) -> Double { chosen.reduce(0) { $0 + $1.time } }

  /// The best of each candidate where a nanosecond costs so much gain; the faster of equals.
  private static func best(_ choices: [[Choice]], price: Double) -> [Choice] {
    choices.map { options in
      var best = options[0]
      for option in options.dropFirst() {
        let (value, most) = (option.gain - price * option.time, best.gain - price * best.time)
        if value > most || value == most && option.time < best.time { best = option }
      }
      return best
    }
  }

  /// With the rest of the time given to whatever gains most for a nanosecond.
  private static func filled(_ start: [Choice], _ choices: [[Choice]], _ limit: Double) -> [Choice] {
    var chosen = start
    var rest = limit - time(chosen)
    while true {
      var best: (candidate: Int, choice: Choice, rate: Double)?
      for (index, options) in choices.enumerated() {
        let now = chosen[index]
        for option in options where option.gain > now.gain && option.time - now.time <= rest {
          let rate = (option.gain - now.gain) / max(option.time - now.time, 1e-9)
          if rate > best?.rate ?? 0 { best = (index, option, rate) }
        }
      }
      guard let best else { return chosen }
      rest -= best.choice.time - chosen[best.candidate].time
      chosen[best.candidate] = best.choice
    }
  }
}
