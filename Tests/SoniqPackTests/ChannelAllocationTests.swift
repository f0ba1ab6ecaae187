import SoniqCore
import SoniqGraph
import SoniqQuantizers
import SoniqTestSupport
import Testing

@testable import SoniqPack

@Suite struct ChannelAllocationTests {
  private static func candidate(
    _ gains: [Double], granularity: Int, _ byteCount: @escaping @Sendable (Int) -> Int
  ) -> AllocationCandidate {
    AllocationCandidate(weightCount: 1, gains: gains, granularity: granularity, byteCount: byteCount)
  }

  private static func bytes(_ candidates: [AllocationCandidate], _ fine: [[Int]]) -> Int {
    zip(candidates, fine).reduce(0) { $0 + $1.0.byteCount($1.1.count) }
  }

  private static func gain(_ candidates: [AllocationCandidate], _ fine: [[Int]]) -> Double {
    zip(candidates, fine).reduce(0) { sum, part in sum + part.1.reduce(0) { $0 + part.0.gains[$1] } }
  }

  private static let levels = [
    Level(weight: .bipolar(4), activation: ActivationCode(kind: .affine, bits: 8)),
    Level(weight: .symmetric(8), activation: ActivationCode(kind: .affine, bits: 8)),
  ]

  /// Layers as the packer makes them: a second level brings scales and a channel map.
  private static func layers(using generator: inout SeededGenerator) -> [AllocationCandidate] {
    let levels = Self.levels
    return (0..<Int.random(in: 1...6, using: &generator)).map { _ in
      let inputs = Int.random(in: 1...70, using: &generator)
      let outputs = Int.random(in: 1...60, using: &generator)
      let hasMap = Bool.random(using: &generator)
      let scale = Double.random(in: 0.01...10, using: &generator)
      let gains = (0..<inputs).map { _ in max(0, Double.random(in: -0.2...1, using: &generator)) * scale }
      return candidate(gains, granularity: 8) { fine in
        WeightForecast.linear(
          outputs: outputs, levels: levels, channels: [inputs - fine, fine], hasMap: hasMap)
      }
    }
  }

  @Test(arguments: UInt64(7000)..<7060) func theBudgetIsNeverExceeded(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let candidates = Self.layers(using: &generator)
    let coarse = Self.bytes(candidates, candidates.map { _ in [] })
    let fine = Self.bytes(candidates, candidates.map { Array($0.gains.indices) })
    for _ in 0..<10 {
      let limit = coarse + Int.random(in: 0...max(0, fine - coarse) + 100, using: &generator)
      let allocation = ChannelAllocation(candidates, byteLimit: limit)
      #expect(allocation.fineChannels.count == candidates.count)
      #expect(Self.bytes(candidates, allocation.fineChannels) <= limit, "seed \(seed), limit \(limit)")
      for (candidate, channels) in zip(candidates, allocation.fineChannels) {
        #expect(channels == channels.sorted() && Set(channels).count == channels.count)
        #expect(channels.allSatisfy { candidate.gains.indices.contains($0) })
        let isWhole = channels.count == candidate.gains.count
        let rest = candidate.gains.count % 8
        #expect(
          isWhole || channels.count % 8 == 0 || channels.count % 8 == rest,
          "seed \(seed): \(channels.count) of \(candidate.gains.count) channels")
      }
    }
  }

  /// One price for every channel: the groups with the most gain are taken, and no choice of groups has more.
  @Test(arguments: UInt64(7100)..<7130) func withOnePriceItIsTheBestOfAll(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let candidates = (0..<Int.random(in: 1...3, using: &generator)).map { _ in
      let groups = Int.random(in: 1...4, using: &generator)
      let gains = (0..<groups * 2).map { _ in Double.random(in: 0...1, using: &generator) }
      return Self.candidate(gains, granularity: 2) { 100 + 7 * $0 }
    }
    let most = Self.bytes(candidates, candidates.map { Array($0.gains.indices) })
    for limit in stride(from: 100 * candidates.count, through: most + 5, by: 5) {
      let taken = ChannelAllocation(candidates, byteLimit: limit).fineChannels
      let best = Self.best(candidates, limit: limit)
      let got = Self.gain(candidates, taken)
      #expect(abs(got - best) < 1e-12, "seed \(seed), limit \(limit): \(got), the best \(best)")
    }
  }

  /// Prices that differ from layer to layer: by gain per byte, short of the best by less than one group.
  @Test(arguments: UInt64(7200)..<7230) func withSeveralPricesItLosesLessThanAGroup(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let candidates = (0..<Int.random(in: 2...3, using: &generator)).map { _ in
      let gains = (0..<Int.random(in: 1...4, using: &generator) * 2).map { _ in
        Double.random(in: 0...1, using: &generator)
      }
      let price = Int.random(in: 1...20, using: &generator)
      return Self.candidate(gains, granularity: 2) { 50 + price * $0 }
    }
    let most = Self.bytes(candidates, candidates.map { Array($0.gains.indices) })
    for limit in stride(from: 50 * candidates.count, through: most + 3, by: 3) {
      let taken = ChannelAllocation(candidates, byteLimit: limit).fineChannels
      let best = Self.best(candidates, limit: limit)
      let got = Self.gain(candidates, taken)
      let group = candidates.map { $0.gains.sorted(by: >).prefix(2).reduce(0, +) }.max() ?? 0
      #expect(got <= best + 1e-12, "seed \(seed), limit \(limit)")
      #expect(got >= best - group, "seed \(seed), limit \(limit): \(got), the best \(best)")
      Self.checkRest(candidates, taken, limit: limit, "seed \(seed), limit \(limit)")
    }
  }

  /// No group that is left out would still fit.
  private static func checkRest(
    _ candidates: [AllocationCandidate], _ taken: [[Int]], limit: Int, _ note: String
  ) {
    let left = limit - bytes(candidates, taken)
    for (candidate, channels) in zip(candidates, taken) where channels.count < candidate.gains.count {
      let more = candidate.byteCount(channels.count + 2) - candidate.byteCount(channels.count)
      #expect(more > left, "\(note): a group of \(more) bytes was left out with \(left) left")
    }
  }

  /// The most gain of all choices of groups that fit, each layer's in order of their gain.
  private static func best(_ candidates: [AllocationCandidate], limit: Int) -> Double {
    var choices: [(bytes: Int, gain: Double)] = [(0, 0)]
    for candidate in candidates {
      let sorted = candidate.gains.sorted(by: >)
      choices = choices.flatMap { choice in
        stride(from: 0, through: sorted.count, by: candidate.granularity).map { count in
          (choice.bytes + candidate.byteCount(count), choice.gain + sorted.prefix(count).reduce(0, +))
        }
      }
    }
    return choices.filter { $0.bytes <= limit }.map(\.gain).max() ?? 0
  }

  @Test func groupsByHand() {
    // Layer 0: groups of gain 5 + 3 and 2 + 1 at 1 byte a channel. Layer 1: 8 + 6 and 4 + 0 at 2 bytes a channel.
    let candidates = [
      Self.candidate([1, 5, 2, 3], granularity: 2) { 10 + $0 },
      Self.candidate([0, 8, 6, 4], granularity: 2) { 20 + 2 * $0 },
    ]
    func taken(_ limit: Int) -> [[Int]] {
      ChannelAllocation(candidates, byteLimit: limit).fineChannels
    }
    // Gains per byte: 4 and 1.5; 3.5 and 1.
    #expect(taken(31) == [[], []])
    #expect(taken(32) == [[1, 3], []])
    #expect(taken(36) == [[1, 3], [1, 2]])
    // The group of layer 1 does not fit: the next that does is taken.
    #expect(taken(34) == [[0, 1, 2, 3], []])
    #expect(taken(38) == [[0, 1, 2, 3], [1, 2]])
    #expect(taken(42) == [[0, 1, 2, 3], [0, 1, 2, 3]])
  }

  @Test func equalGainsGoByLayerAndChannel() {
    let candidates = [[Double]](repeating: [1, 1, 1, 1], count: 2).map {
      Self.candidate($0, granularity: 2) { 10 * $0 }
    }
    let taken = ChannelAllocation(candidates, byteLimit: 60).fineChannels
    #expect(taken == [[0, 1, 2, 3], [0, 1]])
  }

  @Test func layersWithoutAChoiceOnlyTakeTheirBytes() {
    let candidates = [
      Self.candidate([], granularity: 1) { _ in 50 },
      Self.candidate([1, 2], granularity: 1) { 100 + 10 * $0 },
    ]
    #expect(ChannelAllocation(candidates, byteLimit: 150).fineChannels == [[], []])
    #expect(ChannelAllocation(candidates, byteLimit: 165).fineChannels == [[], [1]])
    #expect(ChannelAllocation(candidates, byteLimit: 170).fineChannels == [[], [0, 1]])
  }

  // MARK: What the bytes are

  /// The forecast that the budget is kept by is what is stored in the end.
  @Test(arguments: UInt64(7300)..<7330) func forecastsAreWhatIsStored(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let outputs = Int.random(in: 1...50, using: &generator)
    let taps = [1, 1, 9].randomElement(using: &generator) ?? 1
    let counts = [Int.random(in: 0...40, using: &generator), Int.random(in: 1...40, using: &generator)]
    let bits = [Int.random(in: 1...7, using: &generator), 8]
    let levels = [WeightCode.bipolar(bits[0]), .symmetric(bits[1])].map {
      Level(weight: $0, activation: ActivationCode(kind: .affine, bits: 8))
    }
    let runs = zip(levels, counts).filter { $0.1 > 0 }.map { level, channels in
      QuantizedRun(
        level: level, channels: channels, taps: taps,
        codes: [UInt8](repeating: 0, count: outputs * taps * channels),
        scales: [Float](repeating: 1, count: outputs))
    }
    let inputs = counts[0] + counts[1]
    let gather = runs.count > 1 ? (0..<inputs).map { UInt32(inputs - 1 - $0) } : nil
    let store = ConstantStore()
    let matrix = try PackedMatrixBuilder(store: store).matrix(outputs: outputs, runs: runs, gather: gather)
    let account = try #require(WeightAccount(.matrix(matrix)))
    let forecast = WeightForecast.linear(
      outputs: outputs, levels: levels, channels: counts, taps: taps, hasMap: true)
    #expect(account.byteCount == forecast, "seed \(seed): \(outputs) x \(counts) x \(taps), \(bits) bits")
    #expect(account.weightCount == outputs * inputs * taps)
  }

  @Test(arguments: UInt64(7400)..<7420) func forecastsOfTablesAreWhatIsStored(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let rows = Int.random(in: 1...9, using: &generator)
    let counts = [Int.random(in: 0...40, using: &generator), Int.random(in: 1...40, using: &generator)]
    let block = [0, 8, 16].randomElement(using: &generator) ?? 0
    var runs: [QuantizedTableRun] = []
    for (level, channels) in zip(Self.levels, counts) where channels > 0 {
      let weights = (0..<rows * channels).map { _ in Float.random(in: -1...1, using: &generator) }
      runs.append(
        try weights.withUnsafeBufferPointer {
          try TableQuantizer(code: level.weight, blockLength: block).quantize(
            weights: $0, rows: rows, channels: channels)
        })
    }
    let channels = counts[0] + counts[1]
    let scatter = runs.count > 1 ? (0..<channels).map { UInt32($0) } : nil
    let store = ConstantStore()
    let table = try PackedMatrixBuilder(store: store).table(rows: rows, runs: runs, scatter: scatter)
    let forecast = WeightForecast.table(rows: rows, levels: Self.levels, channels: counts, blockLength: block)
    let stored = WeightAccount(.table(table))?.byteCount
    #expect(stored == forecast, "seed \(seed): \(rows) x \(counts), \(block)")
  }
}
