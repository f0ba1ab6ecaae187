import SoniqCore
import SoniqTestSupport
import Testing

@testable import SoniqPack

@Suite struct OutlierSplitTests {
  private static func level(_ weight: WeightCode, _ scaling: ActivationCode.Scaling = .dynamicPerRow) -> Level
  {
    Level(weight: weight, activation: ActivationCode(kind: .affine, bits: 8, scaling: scaling))
  }
  private static let bytes = level(.symmetric(8))

  private static func channels(_ level: Level, _ largest: [Float], _ power: [Double]? = nil) -> [[Int]] {
    let runs = OutlierSplit.runs(
      level: level, largest: largest, power: power ?? largest.map { _ in 1 })
    #expect(runs.allSatisfy { $0.level == level })
    return runs.map(\.channels)
  }

  private static func activations(_ count: Int, outliers: [Int], of size: Float) -> [Float] {
    (0..<count).map { outliers.contains($0) ? size : 1 }
  }

  @Test func fourLargeChannelsAreARunOfTheirOwn() {
    let largest = Self.activations(16, outliers: [13, 2, 7, 5], of: 100)
    let rest = (0..<16).filter { ![2, 5, 7, 13].contains($0) }
    #expect(Self.channels(Self.bytes, largest) == [[2, 5, 7, 13], rest])
  }

  /// 16 channels, 4 of them twice as large: the error is 4 * sum(power) together and 4 * sum + rest apart.
  @Test(arguments: [(1.5, 1), (1.499, 2), (1.501, 1), (0.0, 2)])
  func onlyHalfTheErrorIsWorthIt(power: Double, runs: Int) {
    let largest = Self.activations(16, outliers: [0, 1, 2, 3], of: 2)
    let powers = (0..<16).map { $0 < 4 ? power : 1.0 }
    #expect(Self.channels(Self.bytes, largest, powers).count == runs)
  }

  @Test func evenActivationsStayTogether() {
    let whole = [Array(0..<16)]
    #expect(Self.channels(Self.bytes, [Float](repeating: 3, count: 16)) == whole)
    #expect(Self.channels(Self.bytes, [Float](repeating: 0, count: 16)) == whole)
  }

  /// A scale for all pixels is not set by the row's largest channel, and few channels cannot spare a tile.
  @Test func fixedScalesAndFewChannelsAreNotSplit() {
    let large = Self.activations(16, outliers: [1], of: 1000)
    #expect(Self.channels(Self.level(.symmetric(8), .fixed(scale: 1, zero: 0)), large) == [Array(0..<16)])
    #expect(Self.channels(Self.bytes, Array(large.prefix(15))) == [Array(0..<15)])
    #expect(Self.channels(Self.bytes, large).count == 2)
  }

  /// The tiles of the level stay full: 4 bytes, 8 nibbles, 32 bits of planes.
  @Test(arguments: [(8, 4), (4, 8), (2, 32)]) func runsFillTiles(bits: Int, tile: Int) {
    let level = Self.level(bits == 8 ? .symmetric(8) : .bipolar(bits))
    let largest = Self.activations(4 * tile, outliers: [9], of: 1000)
    let split = Self.channels(level, largest)
    // The outlier, and of the equal others the first.
    let wanted = (tile < 10 ? Array(0..<tile - 1) : Array(0..<9) + Array(10..<tile)) + [9]
    #expect(split.first == wanted.sorted() && split.count == 2)
    #expect(Self.channels(level, Array(largest.dropLast())).count == 1)
  }

  @Test(arguments: UInt64(7500)..<7540) func everyChannelIsInOneRun(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let count = Int.random(in: 1...60, using: &generator)
    let largest = (0..<count).map { _ in
      Float.random(in: 0...1, using: &generator) < 0.1 ? Float.random(in: 5...100, using: &generator) : 1
    }
    let power = largest.map { _ in Double.random(in: 0...2, using: &generator) }
    let split = Self.channels(Self.bytes, largest, power)
    #expect(split.flatMap { $0 }.sorted() == Array(0..<count), "seed \(seed)")
    #expect(split.allSatisfy { $0 == $0.sorted() && !$0.isEmpty }, "seed \(seed)")
    guard split.count == 2 else { return }
    let least = split[0].map { largest[$0] }.min() ?? 0
    #expect(split[0].count == 4 && split[1].allSatisfy { largest[$0] <= least }, "seed \(seed)")
  }
}
