import SoniqCore
import SoniqGraph
import SoniqQuantizers
import SoniqTestSupport
import Testing

@Suite struct PackedMatrixBuilderTests {
  static func run(_ code: WeightCode, outputs: Int, channels: Int, seed: UInt64) -> QuantizedRun {
    var generator = SeededGenerator(seed: seed)
    let level = Level(weight: code, activation: ActivationCode(kind: .affine, bits: 8))
    return QuantizedRun(
      level: level, channels: channels,
      codes: (0..<outputs * channels).map { _ in
        UInt8.random(in: 0...UInt8(code.codeCount - 1), using: &generator)
      },
      scales: (0..<outputs).map { _ in Float.random(in: 0.1...1, using: &generator) })
  }

  @Test(arguments: [1, 15, 16, 17, 33]) func levelsKeepTheirCodes(outputs: Int) throws {
    let store = ConstantStore()
    let runs = [
      Self.run(.bipolar(4), outputs: outputs, channels: 9, seed: 1),
      Self.run(.symmetric(8), outputs: outputs, channels: 6, seed: 2),
    ]
    let gather = (0..<15).map { UInt32(14 - $0) }
    let matrix = try PackedMatrixBuilder(store: store).matrix(
      outputs: outputs, runs: runs, gather: gather, bias: [Float](repeating: 2, count: outputs))
    #expect(matrix.inputs == 15)
    for (level, run) in zip(matrix.levels, runs) {
      let packing = try #require(
        WeightPacking(code: run.level.weight, outputs: outputs, channels: run.channels))
      #expect(packing.unpack(level.weights.raw) == run.codes)
      let scales = try #require(level.scales)
      #expect(Array(scales.bound(to: Float.self).prefix(outputs)) == run.scales)
      #expect(scales.count == matrix.panelCount * 64)
      #expect(level.storedSums.count == matrix.panelCount * 64)
    }
    #expect(matrix.gather.map { Array($0.bound(to: UInt32.self)) } == gather)
    #expect(matrix.bias?.bound(to: Float.self).suffix(1).first == (outputs % 16 == 0 ? 2 : 0))
  }

  @Test func refusesBadParts() throws {
    let builder = PackedMatrixBuilder(store: ConstantStore())
    let good = Self.run(.bipolar(2), outputs: 3, channels: 4, seed: 3)
    var codes = good
    codes.codes[5] = 4
    #expect(throws: QuantizationError.codeOutOfRange(level: 0, index: 5, code: 4)) {
      _ = try builder.matrix(outputs: 3, runs: [codes])
    }
    var scales = good
    scales.scales[1] = .infinity
    #expect(throws: QuantizationError.invalidNumber(.scales, index: 1)) {
      _ = try builder.matrix(outputs: 3, runs: [scales])
    }
    #expect(throws: QuantizationError.notAPermutation(.gather, position: 3)) {
      _ = try builder.matrix(outputs: 3, runs: [good], gather: [0, 1, 2, 2])
    }
    #expect(throws: QuantizationError.size(.bias, got: 2, expected: 3)) {
      _ = try builder.matrix(outputs: 3, runs: [good], bias: [1, 2])
    }
    #expect(throws: QuantizationError.size(.levels, got: 0, expected: 1)) {
      _ = try builder.matrix(outputs: 3, runs: [])
    }
    let deep = Self.run(.symmetric(8), outputs: 1, channels: 65_800, seed: 4)
    #expect(
      throws: QuantizationError.tooManyChannels(level: 0, got: 65_800, limit: deep.level.maximumChannels)
    ) { _ = try builder.matrix(outputs: 1, runs: [deep]) }
  }

  @Test func floatMatrixKeepsItsWeights() throws {
    let weights = MatrixQuantizerTests.weights(17 * 5, seed: 9)
    let store = ConstantStore()
    let matrix = try weights.withUnsafeBufferPointer {
      try store.floatMatrix(weights: $0, outputs: 17, inputs: 5, bias: nil)
    }
    #expect(matrix.rowMajor == weights)
    #expect(matrix.panels.count == 32 * 5 * 4)
  }
}
