import SoniqCore
import SoniqTestSupport
import Testing

@testable import SoniqQuantizers

@Suite struct WeightRangeTests {
  private static func quantized(
    _ code: WeightCode, _ range: WeightRange, seed: UInt64
  ) throws -> (weights: [Float], run: QuantizedRun) {
    var generator = SeededGenerator(seed: seed)
    let weights = (0..<16 * 100).map { _ in Float.random(in: -3...3, using: &generator) }
    let quantizer = try MatrixQuantizer(
      level: Level(weight: code, activation: ActivationCode(kind: .affine, bits: 8)), range: range)
    let run = try weights.withUnsafeBufferPointer {
      try quantizer.quantize(weights: $0, outputs: 16, channels: 100)
    }
    return (weights, run)
  }

  /// Two products of a code of 255 add up in 16 bits, and rounding is that of 7 bits.
  @Test func halfOfTheRange() throws {
    let (weights, run) = try Self.quantized(.symmetric(8), .half, seed: 61)
    let integers = run.codes.map { run.level.weight.integer(Int($0)) }
    #expect(integers.allSatisfy { (-64...63).contains($0) })
    #expect((integers.max() ?? 0) > 55 && (integers.min() ?? 0) < -55)
    for index in weights.indices where (-63...62).contains(integers[index]) {
      let scale = run.scales[index / 100]
      #expect(abs(weights[index] - Float(integers[index]) * scale) <= scale * 0.5001)
    }
  }

  @Test(arguments: [WeightCode.symmetric(8), .bipolar(7), .bipolar(4), .bipolar(1)])
  func otherCodesAndTheWholeRangeStayAsTheyAre(code: WeightCode) throws {
    let whole = try Self.quantized(code, .whole, seed: 62).run
    if code.bits == 8 {
      #expect(whole.codes.contains { abs(code.integer(Int($0))) > 100 })
    } else {
      let half = try Self.quantized(code, .half, seed: 62).run
      #expect(half.codes == whole.codes && half.scales == whole.scales)
    }
  }
}
