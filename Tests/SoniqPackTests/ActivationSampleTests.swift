import SoniqCore
import SoniqTestSupport
import Testing

@testable import SoniqPack

@Suite struct ActivationSampleTests {
  private static func sample(_ numbers: [Float], pieces: Int = .max) -> ActivationSample {
    var sample = ActivationSample()
    numbers.withUnsafeBufferPointer { buffer in
      var begin = 0
      while begin < buffer.count {
        let end = begin + min(pieces, buffer.count - begin)
        sample.add(UnsafeBufferPointer(rebasing: buffer[begin..<end]))
        begin = end
      }
    }
    return sample
  }

  private static func scale(_ code: ActivationCode) -> (scale: Float, zero: Int)? {
    guard case .fixed(let scale, let zero) = code.scaling else { return nil }
    return (scale, zero)
  }

  /// The mean squared error with the codes of docs/numerics.md, in double precision.
  private static func error(_ numbers: [Float], _ code: ActivationCode) -> Double {
    guard let (scale, zero) = scale(code) else { return .infinity }
    let most = Double(code.codeCount - 1)
    return numbers.reduce(0.0) { sum, number in
      let ratio = Double(number) / Double(scale)
      let integer: Double
      if code.kind == .affine {
        integer = min(max(ratio.rounded(.toNearestOrEven), -Double(zero)), most - Double(zero))
      } else {
        integer = 2 * min(max((ratio / 2 + (most + 1) / 2).rounded(.down), 0), most) - most
      }
      let difference = integer * Double(scale) - Double(number)
      return sum + difference * difference
    } / Double(numbers.count)
  }

  private static func affine(_ bits: Int) -> ActivationCode { ActivationCode(kind: .affine, bits: bits) }
  private static func bipolar(_ bits: Int) -> ActivationCode { ActivationCode(kind: .bipolar, bits: bits) }

  private static func normal(_ count: Int, using generator: inout SeededGenerator) -> [Float] {
    (0..<count).map { _ in
      (0..<12).reduce(Float(-6)) { sum, _ in sum + Float.random(in: 0...1, using: &generator) }
    }
  }

  /// Channels lie side by side: numbers that are kept at even distances would all be of one of 64 channels.
  @Test(arguments: [0, 31, 63]) func everyChannelCounts(wide: Int) throws {
    let seed = UInt64(4400 + wide)
    var generator = SeededGenerator(seed: seed)
    let numbers = (0..<64 * 4096).map { index in
      Float.random(in: -1...1, using: &generator) * (index % 64 == wide ? 8 : 0.5)
    }
    let code = Self.sample(numbers, pieces: 64 * 512).fixed(Self.affine(4))
    let shuffled = Self.sample(Array(numbers.shuffled(using: &generator).prefix(32000) + [-8, 8]))
    let (error, least) = (Self.error(numbers, code), Self.error(numbers, shuffled.fixed(Self.affine(4))))
    #expect(error < 1.1 * least, "seed \(seed): \(error), not \(least)")
  }

  @Test func factorsMakeChannelsEven() throws {
    var generator = SeededGenerator(seed: 4410)
    let sizes: [Float] = [4, 0.3, 0.03, 0.1, 0.002, 0]
    let floats = (0..<6 * 500).map { Float.random(in: 0.9...1, using: &generator) * sizes[$0 % 6] }
    func sample(_ floats: [Float]) -> ActivationSample {
      var sample = ActivationSample(channels: 6)
      floats.withUnsafeBufferPointer { sample.add($0) }
      return sample
    }
    let made = sample(floats)
    let found = made.evenFactors
    let factors = try #require(found)
    #expect(factors == [1, 8, 128, 32, 256, 1], "\(factors)")
    let scaled = floats.enumerated().map { $0.element * factors[$0.offset % 6] }
    #expect(made.scaled(by: factors).fixed(Self.affine(8)) == sample(scaled).fixed(Self.affine(8)))
    #expect(sample([3, 2, 2.9, 3, 1.6, 2]).evenFactors == nil)
    #expect(ActivationSample().evenFactors == nil)
  }

  /// Numbers that lie on a grid of as many values as there are codes keep it.
  @Test(arguments: 1...8) func gridsAreKept(bits: Int) throws {
    let count = 1 << bits
    for zero in [0, 1, count / 2, count - 1] where zero < count {
      let grid = (0..<count).map { Float($0 - zero) / 64 }
      let code = Self.sample(grid + grid).fixed(Self.affine(bits))
      let (scale, chosen) = try #require(Self.scale(code))
      #expect(scale == 1 / 64 && chosen == zero, "\(bits) bits, zero \(zero): \(code)")
      #expect(code.isValid && code.bits == bits && code.kind == .affine)
    }
    guard bits < 8 else { return }
    let odd = (0..<count).map { Float(2 * $0 - (count - 1)) / 64 }
    #expect(Self.sample(odd).fixed(Self.bipolar(bits)).scaling == .fixed(scale: 1 / 64, zero: 0))
  }

  /// Behind a ReLU affine codes with zero 0 are twice as fine.
  @Test func numbersThatAreNeverNegativeTakeAffineCodes() throws {
    let code = Self.sample([0, 1, 2, 3]).fixed(Self.bipolar(2))
    #expect(code.kind == .affine && code.bits == 2 && code.scaling == .fixed(scale: 1, zero: 0))
    #expect(Self.sample([-1, 1]).fixed(Self.bipolar(1)).kind == .bipolar)
  }

  /// The largest number is cut off where the others gain: no worse than reaching it, and far better at few bits.
  @Test(arguments: 1...8) func noCodeThatReachesTheLargestIsBetter(bits: Int) throws {
    var generator = SeededGenerator(seed: UInt64(7600 + bits))
    var numbers = Self.normal(20_000, using: &generator)
    numbers += [18, -16]
    let sample = Self.sample(numbers)
    let whole = ActivationCode(
      kind: .affine, bits: bits,
      scaling: .fixed(
        scale: 34 / Float((1 << bits) - 1), zero: Int((16.0 * Double((1 << bits) - 1) / 34).rounded())))
    let code = sample.fixed(Self.affine(bits))
    let (cut, reaching) = (Self.error(numbers, code), Self.error(numbers, whole))
    #expect(cut <= reaching * 1.001, "\(bits) bits: \(cut), without a cut \(reaching)")
    if (2...5).contains(bits) { #expect(cut < 0.6 * reaching, "\(bits) bits: \(cut) of \(reaching)") }
    guard bits < 8 else { return }
    let odd = ActivationCode(
      kind: .bipolar, bits: bits, scaling: .fixed(scale: 18 / Float((1 << bits) - 1), zero: 0))
    #expect(Self.error(numbers, sample.fixed(Self.bipolar(bits))) <= Self.error(numbers, odd) * 1.001)
  }

  /// How the numbers arrive does not matter, and none is forgotten, however many there are.
  @Test func manyNumbersCountAlike() {
    var generator = SeededGenerator(seed: 7700)
    // Wide at first, narrow after it, and far more than are kept.
    let numbers =
      (0..<40_000).map { _ in Float.random(in: -8...8, using: &generator) }
      + (0..<200_000).map { _ in Float.random(in: -1...1, using: &generator) }
    let sample = Self.sample(numbers)
    for bits in [2, 4] {
      let code = sample.fixed(Self.affine(bits))
      #expect(Self.sample(numbers, pieces: 777).fixed(Self.affine(bits)) == code)
      let best =
        stride(from: 0.05, through: 1.0, by: 0.01).map { part -> Double in
          let scale = Float(16 * part) / Float((1 << bits) - 1)
          let zero = Int((Float(8 * part) / scale).rounded(.toNearestOrEven))
          return Self.error(
            numbers, ActivationCode(kind: .affine, bits: bits, scaling: .fixed(scale: scale, zero: zero)))
        }.min() ?? 0
      #expect(Self.error(numbers, code) < 1.05 * best, "\(bits) bits: \(code), the best \(best)")
    }
  }

  @Test func nothingButZerosHasAValidScale() {
    for numbers in [[], [Float](repeating: 0, count: 10)] {
      for code in [Self.affine(8), Self.affine(1), Self.bipolar(3)] {
        #expect(Self.sample(numbers).fixed(code).isValid)
      }
    }
  }

  @Test(arguments: [Float.nan, -.nan, .infinity, -.infinity], [0, 3, 40_001])
  func oneNumberThatIsNotFiniteIsSeen(number: Float, place: Int) {
    var numbers = [Float](repeating: 0.5, count: 40_010)
    var isFinite = Self.sample(numbers).isFinite
    #expect(isFinite)
    numbers[place] = number
    isFinite = Self.sample(numbers).isFinite
    #expect(!isFinite, "\(number) at \(place)")
  }
}
