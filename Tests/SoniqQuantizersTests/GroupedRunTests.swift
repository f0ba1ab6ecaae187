import SoniqCore
import SoniqGraph
import SoniqQuantizers
import SoniqTestSupport
import Testing

/// Runs with scales and offsets for groups of channels.
@Suite struct GroupedRunTests {
  private static func run(
    outputs: Int, channels: Int, groupLength: Int, isHalf: Bool, seed: UInt64
  ) -> QuantizedRun {
    var generator = SeededGenerator(seed: seed)
    let level = Level(
      weight: .symmetric(4),
      activation: ActivationCode(
        kind: .symmetric, bits: 8, scaling: .dynamicPerGroup(channels: groupLength)))
    let count = outputs * ((channels + groupLength - 1) / groupLength)
    func numbers() -> [Float] {
      (0..<count).map { _ in
        let number = Float.random(in: -1...1, using: &generator)
        return isHalf ? Binary16.value(Binary16.bits(number)) : number
      }
    }
    let codes = (0..<outputs * channels).map { _ in UInt8.random(in: 0...15, using: &generator) }
    return QuantizedRun(
      level: level, channels: channels, codes: codes,
      groups: CodeGroups(length: groupLength, scales: numbers(), offsets: numbers()))
  }

  @Test(arguments: [1, 16, 19], [false, true]) func keepsItsNumbers(outputs: Int, isHalf: Bool) throws {
    let store = ConstantStore()
    // Two groups and a part of a third.
    let run = Self.run(outputs: outputs, channels: 70, groupLength: 32, isHalf: isHalf, seed: 20_261_128)
    let matrix = try PackedMatrixBuilder(store: store).matrix(outputs: outputs, runs: [run])
    let level = matrix.levels[0]
    let groups = try #require(level.groups)
    #expect(groups.length == 32)
    #expect(groups.numbers == (isHalf ? .float16 : .float32))
    #expect(level.scales == nil)
    let packing = try #require(WeightPacking(code: run.level.weight, outputs: outputs, channels: 70))
    #expect(packing.unpack(level.weights.raw) == run.codes)
    let stated = try #require(run.groups)
    let offsets = try #require(groups.offsets)
    for (bytes, numbers) in [(groups.scales, stated.scales), (offsets, stated.offsets ?? [])] {
      for place in 0..<matrix.panelCount * 3 * 16 {
        let (panel, group, lane) = (place / 48, place / 16 % 3, place % 16)
        let output = panel * 16 + lane
        let stored =
          isHalf
          ? Binary16.value(bytes.bound(to: UInt16.self)[place]) : bytes.bound(to: Float.self)[place]
        #expect(stored == (output < outputs ? numbers[output * 3 + group] : 0))
      }
    }
    withExtendedLifetime(store) {}
  }

  @Test func refusesBadGroups() {
    let builder = PackedMatrixBuilder(store: ConstantStore())
    let good = Self.run(outputs: 3, channels: 64, groupLength: 32, isHalf: false, seed: 1)
    var length = good
    length.groups?.length = 24
    #expect(throws: QuantizationError.invalidLevel(index: 0)) {
      _ = try builder.matrix(outputs: 3, runs: [length])
    }
    var activation = good
    activation.level.activation = ActivationCode(kind: .affine, bits: 8)
    #expect(throws: QuantizationError.invalidLevel(index: 0)) {
      _ = try builder.matrix(outputs: 3, runs: [activation])
    }
    var scales = good
    scales.groups?.scales.removeLast()
    #expect(throws: QuantizationError.size(.scales, got: 5, expected: 6)) {
      _ = try builder.matrix(outputs: 3, runs: [scales])
    }
    var offsets = good
    offsets.groups?.offsets?[4] = .nan
    #expect(throws: QuantizationError.invalidNumber(.offsets, index: 4)) {
      _ = try builder.matrix(outputs: 3, runs: [offsets])
    }
  }
}
