import SoniqCore
import SoniqQuantizers
import SoniqTestSupport
import Testing

@Suite struct MatrixQuantizerTests {
  static let codes: [WeightCode] =
    (1...7).map { .bipolar($0) } + (1...8).map { .symmetric($0) } + [
      WeightCode(kind: .affine, bits: 2, zero: 1)
    ]

  static func weights(_ count: Int, seed: UInt64) -> [Float] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in
      (0..<4).reduce(Float(0)) { sum, _ in sum + Float.random(in: -0.1...0.1, using: &generator) }
    }
  }

  static func error(_ run: QuantizedRun, _ weights: [Float]) -> Double {
    var error = 0.0
    for (index, code) in run.codes.enumerated() {
      let value = run.scales[index / run.channels] * Float(run.level.weight.integer(Int(code)))
      error += Double((weights[index] - value) * (weights[index] - value))
    }
    return error
  }

  @Test(arguments: codes) func codesAreTheNearest(code: WeightCode) throws {
    let (outputs, channels) = (5, 37)
    let weights = Self.weights(outputs * channels, seed: 7)
    let level = Level(weight: code, activation: ActivationCode(kind: .affine, bits: 8))
    let run = try weights.withUnsafeBufferPointer {
      try MatrixQuantizer(level: level).quantize(weights: $0, outputs: outputs, channels: channels)
    }
    for (index, chosen) in run.codes.enumerated() {
      let scale = run.scales[index / channels]
      let distances = (0..<code.codeCount).map { abs(weights[index] - scale * Float(code.integer($0))) }
      let nearest = try #require(distances.min())
      #expect(distances[Int(chosen)] <= nearest + scale * 1e-5, "code \(code), index \(index)")
    }
  }

  @Test(arguments: codes) func searchedScaleBeatsTheMaximum(code: WeightCode) throws {
    let weights = Self.weights(640, seed: 11)
    let level = Level(weight: code, activation: ActivationCode(kind: .affine, bits: 8))
    let run = try weights.withUnsafeBufferPointer {
      try MatrixQuantizer(level: level).quantize(weights: $0, outputs: 1, channels: 640)
    }
    let largest = try #require(weights.map { abs($0) }.max())
    let integers = [abs(code.integer(0)), abs(code.integer(code.codeCount - 1))].filter { $0 > 0 }
    var byMaximum = run
    byMaximum.scales = [largest / Float(try #require(integers.min()))]
    byMaximum.codes = weights.map { WeightGrid(code).nearestCode($0, scale: byMaximum.scales[0]) }
    #expect(Self.error(run, weights) <= Self.error(byMaximum, weights) * 1.000_01)
  }

  @Test(arguments: codes) func weightsOnAGridAreKept(code: WeightCode) throws {
    let scale: Float = 1 / 128
    let weights = (0..<70).map { scale * Float(code.integer($0 * 5 % code.codeCount)) }
    // The integer of the largest magnitude of either sign, which fixes the scale.
    let extremes = [0, code.codeCount - 1].map { scale * Float(code.integer($0)) }
    let row = extremes + weights
    let level = Level(weight: code, activation: ActivationCode(kind: .affine, bits: 8))
    let run = try row.withUnsafeBufferPointer {
      try MatrixQuantizer(level: level).quantize(weights: $0, outputs: 1, channels: row.count)
    }
    #expect(run.scales == [scale])
    #expect(Self.error(run, row) == 0)
  }

  @Test func importanceMovesTheScale() throws {
    let weights: [Float] = [1, 1, 1, 1, 1, 1, 1, 10]
    let level = Level(weight: .bipolar(1), activation: ActivationCode(kind: .affine, bits: 8))
    let quantizer = try MatrixQuantizer(level: level)
    let (plain, weighted) = try weights.withUnsafeBufferPointer { buffer in
      (
        try quantizer.scales(weights: buffer, outputs: 1, channels: 8),
        try quantizer.scales(
          weights: buffer, outputs: 1, channels: 8, importance: [1, 1, 1, 1, 1, 1, 1, 0])
      )
    }
    #expect(abs(plain[0] - 17.0 / 8) < 1e-5)
    #expect(abs(weighted[0] - 1) < 1e-6)
  }

  @Test func refusesWhatIsNotFinite() throws {
    let level = Level(weight: .symmetric(8), activation: ActivationCode(kind: .affine, bits: 8))
    let weights: [Float] = [0, 1, .nan, 3]
    weights.withUnsafeBufferPointer { buffer in
      #expect(throws: QuantizationError.invalidNumber(.weights, index: 2)) {
        _ = try MatrixQuantizer(level: level).quantize(weights: buffer, outputs: 2, channels: 2)
      }
      #expect(throws: QuantizationError.size(.weights, got: 4, expected: 6)) {
        _ = try MatrixQuantizer(level: level).quantize(weights: buffer, outputs: 2, channels: 3)
      }
    }
  }

  @Test func zeroRowsHaveAUsableScale() throws {
    let zeros = [Float](repeating: 0, count: 16)
    for code in Self.codes {
      let level = Level(weight: code, activation: ActivationCode(kind: .affine, bits: 8))
      let run = try zeros.withUnsafeBufferPointer {
        try MatrixQuantizer(level: level).quantize(weights: $0, outputs: 2, channels: 8)
      }
      #expect(run.scales.allSatisfy { $0.isNormal && $0 > 0 })
      #expect(Self.error(run, zeros) < 1e-30)
    }
  }
}
