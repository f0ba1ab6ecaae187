import SoniqCore
import SoniqTestSupport
import Testing

@testable import SoniqPack

@Suite struct LatencyAllocationTests {
  private static func candidates(using generator: inout SeededGenerator) -> [TimedCandidate] {
    (0..<Int.random(in: 1...7, using: &generator)).map { _ in
      let fine = Double.random(in: 1...100, using: &generator)
      let coarse = fine * Double.random(in: 0.2...1.3, using: &generator)
      let mixed = (fine + coarse) / 2 * Double.random(in: 0.9...2, using: &generator)
      let scale = Double.random(in: 0.001...10, using: &generator)
      let count = Bool.random(using: &generator) ? Int.random(in: 1...90, using: &generator) : 0
      let gains = (0..<count).map { _ in max(0, Double.random(in: -0.2...1, using: &generator)) * scale }
      return TimedCandidate(gains: gains, granularity: 8, coarse: coarse, mixed: mixed, fine: fine)
    }
  }

  private static func time(_ candidates: [TimedCandidate], _ fine: [[Int]]) -> Double {
    zip(candidates, fine).reduce(0) { $0 + $1.0.time($1.1.count) }
  }

  private static func gain(_ candidates: [TimedCandidate], _ fine: [[Int]]) -> Double {
    zip(candidates, fine).reduce(0) { sum, part in sum + part.1.reduce(0) { $0 + part.0.gains[$1] } }
  }

  @Test(arguments: UInt64(8100)..<8160) func theTimeIsKept(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let candidates = Self.candidates(using: &generator)
    let least = LatencyAllocation.least(candidates)
    let most = candidates.reduce(0) { $0 + max($1.coarse, $1.fine, $1.mixed) }
    var before = -1.0
    for step in 0...10 {
      let limit = least + (most - least) * Double(step) / 10
      let allocation = LatencyAllocation(candidates, limit: limit)
      let fine = allocation.fineChannels
      #expect(allocation.time <= limit * 1.000001, "seed \(seed)")
      #expect(abs(allocation.time - Self.time(candidates, fine)) < 1e-6, "seed \(seed)")
      for (candidate, channels) in zip(candidates, fine) {
        #expect(channels == Array(Set(channels)).sorted())
        #expect(channels.allSatisfy { candidate.gains.indices.contains($0) })
        // What takes longer than the fine level is not chosen.
        let isFine = channels.count == candidate.gains.count
        #expect(isFine || candidate.time(channels.count) < candidate.fine, "seed \(seed)")
      }
      let gain = Self.gain(candidates, fine)
      // Not the best of all, so that a little more time may give a little less.
      #expect(gain >= before * 0.7, "seed \(seed)")
      before = gain
    }
    let all = LatencyAllocation(candidates, limit: most).fineChannels
    let total = candidates.reduce(0) { $0 + $1.gains.reduce(0, +) }
    #expect(abs(Self.gain(candidates, all) - total) < 1e-9 * max(1, total), "seed \(seed)")
  }

  /// Two layers, and time for one of them.
  @Test func theLayerThatGainsMoreForItsTimeIsFine() {
    func layer(_ gain: Double) -> TimedCandidate {
      TimedCandidate(
        gains: [Double](repeating: gain, count: 16), granularity: 16, coarse: 10, mixed: 15, fine: 20)
    }
    let allocation = LatencyAllocation([layer(1), layer(2)], limit: 30)
    #expect(allocation.fineChannels.map(\.count) == [0, 16] && allocation.time == 30)
  }

  /// A second level costs so much that layers are of one.
  @Test func levelsAreNotMixedWhereThatCosts() {
    let layer = TimedCandidate(
      gains: [Double](repeating: 1, count: 64), granularity: 8, coarse: 10, mixed: 40, fine: 20)
    for limit in stride(from: 10.0, through: 19, by: 1) {
      #expect(LatencyAllocation([layer], limit: limit).fineChannels[0].isEmpty)
    }
    #expect(LatencyAllocation([layer], limit: 20).fineChannels[0].count == 64)
  }

  @Test func aSlowCoarseLevelIsNotUsed() {
    let layer = TimedCandidate(gains: [0, 0, 0, 0], granularity: 4, coarse: 30, mixed: 25, fine: 20)
    #expect(LatencyAllocation.least([layer]) == 20)
    #expect(LatencyAllocation([layer], limit: 20).fineChannels[0].count == 4)
  }
}
