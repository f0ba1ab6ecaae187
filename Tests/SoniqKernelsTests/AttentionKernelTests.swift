import CKernelABI
import SoniqKernels
import SoniqTestSupport
import Testing

@Suite struct AttentionKernelTests {
  /// (masked, causal)
  static let modes = [(false, false), (true, false), (false, true), (true, true)]
  static let sizes = [
    (1, 4), (2, 8), (3, 12), (15, 16), (16, 20), (17, 32), (33, 32), (40, 64), (7, 100), (5, 256),
  ]

  @Test(arguments: RowKernels.faster, AttentionMode.allCases)
  func equalsPortable(instructionSet: InstructionSet, mode: AttentionMode) throws {
    let kernel = try RowKernels.kernel(mode.family, of: instructionSet)
    var generator = SeededGenerator(seed: 71)
    for (sequence, headDim) in Self.sizes {
      let bytes = mode.scratchBytes(sequence, headDim)
      for content in RowKernels.Content.allCases {
        for (masked, causal) in Self.modes {
          let attention = AttentionCase(
            sequence, headDim, content, masked: masked, causal: causal, &generator)
          let expected = attention.run(mode.family.reference.function, scratchBytes: bytes).map(
            \.comparableBits)
          let actual = attention.run(kernel.function, scratchBytes: bytes).map(\.comparableBits)
          let label = "S \(sequence) d \(headDim) \(content) masked \(masked) causal \(causal)"
          #expect(actual == expected, "\(label)")
        }
      }
    }
  }

  @Test(arguments: RowKernels.faster, AttentionMode.allCases)
  func equalsPortableOnLongSequences(instructionSet: InstructionSet, mode: AttentionMode) throws {
    let kernel = try RowKernels.kernel(mode.family, of: instructionSet)
    var generator = SeededGenerator(seed: 72)
    for (sequence, (masked, causal)) in zip([255, 300, 290, 260], Self.modes) {
      let bytes = mode.scratchBytes(sequence, 32)
      let attention = AttentionCase(sequence, 32, .ordinary, masked: masked, causal: causal, &generator)
      let expected = attention.run(mode.family.reference.function, scratchBytes: bytes).map(\.comparableBits)
      #expect(attention.run(kernel.function, scratchBytes: bytes).map(\.comparableBits) == expected)
    }
  }

  /// Against softmax in double precision. Values lie in -3...3: 1e-5 for float; for integers 0.2 at worst
  /// (sharp softmax over few keys, where an error of a score moves a whole value) and 0.02 on average.
  @Test(arguments: AttentionMode.allCases)
  func isAccurate(mode: AttentionMode) {
    var generator = SeededGenerator(seed: 73)
    for (sequence, headDim) in Self.sizes {
      for (masked, causal) in Self.modes {
        let attention = AttentionCase(
          sequence, headDim, .ordinary, masked: masked, causal: causal, &generator)
        let output = attention.run(
          mode.family.reference.function, scratchBytes: mode.scratchBytes(sequence, headDim))
        var errors: [Double] = []
        for row in 0..<attention.batch * sequence {
          for head in 0..<attention.heads {
            let truth = attention.truth(batch: row / sequence, head: head, position: row % sequence)
            let first = row * attention.width + head * headDim
            errors += truth.indices.map { abs(Double(output[first + $0]) - truth[$0]) }
          }
        }
        let worst = errors.max() ?? .infinity
        let mean = errors.reduce(0, +) / Double(errors.count)
        let label = "\(mode) S \(sequence) d \(headDim) worst \(worst) mean \(mean) seed \(generator.seed)"
        #expect(worst <= (mode == .float ? 1e-5 : 0.2), "\(label)")
        #expect(mean <= (mode == .float ? 1e-6 : 0.02), "\(label)")
      }
    }
  }

  /// Integer attention never gives NaN or infinity for finite or missing numbers of ordinary size.
  @Test(arguments: [RowKernels.Content.ordinary, .tiny, .notFinite, .onlyNaN, .zeros])
  func integerAttentionStaysFinite(content: RowKernels.Content) {
    var generator = SeededGenerator(seed: 74)
    let attention = AttentionCase(33, 32, content, masked: true, &generator)
    let output = attention.run(
      RowKernelRegistry.integerAttention.reference.function,
      scratchBytes: AttentionMode.integer.scratchBytes(33, 32))
    #expect(output.allSatisfy { $0.isFinite })
  }

  /// A key whose values are all zero keeps its share of the softmax and costs the others no accuracy.
  @Test func zeroValuesKeepTheirWeight() {
    var generator = SeededGenerator(seed: 75)
    var attention = AttentionCase(16, 32, .ordinary, masked: false, &generator)
    for head in 0..<2 {
      for channel in 0..<32 {
        attention.values[4 * attention.stride + 2 * attention.width + 32 * head + channel] = 0
      }
    }
    let output = attention.run(
      RowKernelRegistry.integerAttention.reference.function,
      scratchBytes: AttentionMode.integer.scratchBytes(16, 32))
    for position in 0..<16 {
      for (channel, truth) in attention.truth(batch: 0, head: 1, position: position).enumerated() {
        #expect(abs(Double(output[position * attention.width + 32 + channel]) - truth) < 0.06)
      }
    }
  }

  /// What comes after a position does not change one bit of it: the output is that of the shorter sequence.
  @Test(arguments: [InstructionSet.portable] + RowKernels.faster, AttentionMode.allCases)
  func laterPositionsAreNotSeen(instructionSet: InstructionSet, mode: AttentionMode) throws {
    let kernel = try RowKernels.kernel(mode.family, of: instructionSet)
    var generator = SeededGenerator(seed: 76)
    var whole = AttentionCase(70, 32, .ordinary, masked: false, causal: true, &generator)
    whole.batch = 1
    let output = whole.run(kernel.function, scratchBytes: mode.scratchBytes(70, 32))
    for length in [1, 2, 3, 4, 5, 16, 31, 32, 33, 64, 69] {
      var part = whole
      part.sequence = length
      part.isCausal = false
      let alone = part.run(kernel.function, scratchBytes: mode.scratchBytes(length, 32))
      let (from, to) = ((length - 1) * whole.width, length * whole.width)
      #expect(output[from..<to].map(\.bitPattern) == alone[from..<to].map(\.bitPattern), "position \(length)")
    }
  }

  /// Positions before the first valid key have nothing to look at.
  @Test(arguments: AttentionMode.allCases)
  func blindPositionsAreZero(mode: AttentionMode) {
    var generator = SeededGenerator(seed: 77)
    for blind in [1, 2, 3, 4, 6, 8] {
      var attention = AttentionCase(9, 8, .ordinary, masked: false, causal: true, &generator)
      attention.mask = (0..<18).map { $0 % 9 < blind ? 0 : 1 }
      let output = attention.run(mode.family.reference.function, scratchBytes: mode.scratchBytes(9, 8))
      for position in 0..<9 {
        let row = output[position * attention.width..<(position + 1) * attention.width]
        #expect(row.allSatisfy { $0 == 0 } == (position < blind), "position \(position) of \(blind)")
      }
    }
  }

  @Test func scratchSizesRefuseWhatDoesNotFit() {
    for (sequence, headDim) in [(0, 32), (1 << 20 + 1, 32), (16, 0), (16, 30), (16, 260)] {
      #expect(AttentionMode.integer.scratchBytes(sequence, headDim) == 0)
      #expect(AttentionMode.float.scratchBytes(sequence, headDim) == 0)
    }
    #expect(AttentionMode.integer.scratchBytes(65537, 32) == 0)
    #expect(AttentionMode.float.scratchBytes(1 << 20, 256) > 1 << 20)
    #expect(AttentionMode.integer.scratchBytes(65536, 256) > 65536 * 512)
  }
}
