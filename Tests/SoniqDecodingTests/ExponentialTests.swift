import Glibc
import SoniqTestSupport
import Testing

@testable import SoniqDecoding

@Suite struct ExponentialTests {
  /// Distance in units of the last place of the C library's result.
  private func distance(_ got: Double, _ expected: Double) -> Double {
    (got - expected).magnitude / expected.ulp
  }

  @Test func exponentialsAreThoseOfTheLibrary() {
    var random = SeededGenerator(seed: 1)
    for _ in 0..<100_000 {
      let x = -Double.random(in: 0...1, using: &random) * (Bool.random(using: &random) ? 708 : 1)
      #expect(distance(exponential(x), exp(x)) <= 4, "x \(x)")
    }
    #expect(exponential(0) == 1 && exponential(-0.0) == 1)
    #expect(exponential(-708.1) == 0 && exponential(-.greatestFiniteMagnitude) == 0)
    #expect(exponential(-.infinity) == 0)
    #expect(exponential(-708) > 0)
  }

  @Test func logarithmsAreThoseOfTheLibrary() {
    var random = SeededGenerator(seed: 2)
    for _ in 0..<100_000 {
      // Sums of weights: the greatest is 1.
      let x = 1 + Double.random(in: 0...1, using: &random) * (Bool.random(using: &random) ? 1e7 : 1)
      #expect(distance(logarithm(x), log(x)) <= 4, "x \(x)")
    }
    #expect(logarithm(1) == 0)
    #expect((logarithm(.leastNormalMagnitude) - log(.leastNormalMagnitude)).magnitude < 1e-12)
  }

  /// The first numbers of SplitMix64 as its authors give them, of the seed 1234567.
  @Test func drawsAreThoseOfSplitMix() {
    let expected: [UInt64] = [
      6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
    ]
    let draws = RandomDraws(seed: 1_234_567)
    for (index, bits) in expected.enumerated() {
      #expect(draws[UInt64(index)] == Double(bits >> 11) / 0x1p53)
    }
  }
}
