import CKernelABI
import SoniqKernels
import SoniqTestSupport
import Testing

/// Numbers added to the scores of attention.
@Suite struct AttentionBiasTests {
  /// What such numbers look like.
  enum Numbers: CaseIterable {
    /// Some in sight of the scores.
    case ordinary
    /// Masks as exporters write them: 0, or what hides a key.
    case hiding
    /// A row of them may be hidden whole.
    case mostlyHidden
    case extremes, notFinite, onlyNaN, lowest, highest

    func number(_ generator: inout SeededGenerator) -> Float {
      let hiding: [Float] = [-.infinity, -.greatestFiniteMagnitude, -1e30, -1e9, -10_000]
      switch self {
      case .ordinary: return Float.random(in: -4...4, using: &generator)
      case .hiding: return Bool.random(using: &generator) ? 0 : hiding.randomElement(using: &generator) ?? 0
      case .mostlyHidden:
        return Int.random(in: 0..<30, using: &generator) == 0
          ? 0 : [-Float.infinity, -.greatestFiniteMagnitude].randomElement(using: &generator) ?? 0
      case .extremes: return RowKernels.extremes.randomElement(using: &generator) ?? 0
      case .notFinite:
        let isOrdinary = Bool.random(using: &generator)
        return isOrdinary ? 1 : RowKernels.notFinite.randomElement(using: &generator) ?? 0
      case .onlyNaN: return .nan
      case .lowest: return -.greatestFiniteMagnitude
      case .highest: return .greatestFiniteMagnitude
      }
    }
  }

  private func scratchBytes(_ mode: AttentionMode, _ attention: AttentionCase) -> Int {
    mode.scratchBytes(attention.sequence, attention.headDim)
  }

  private func output(
    _ attention: AttentionCase, _ mode: AttentionMode, _ kernel: KernelRow<snq_attention_function>? = nil
  ) -> [Float] {
    attention.run(
      (kernel ?? mode.family.reference).function, scratchBytes: scratchBytes(mode, attention))
  }

  @Test(arguments: RowKernels.faster, AttentionMode.allCases)
  func equalsPortable(instructionSet: InstructionSet, mode: AttentionMode) throws {
    let kernel = try RowKernels.kernel(mode.family, of: instructionSet)
    var generator = SeededGenerator(seed: 171)
    var count = 0
    for (sequence, headDim) in AttentionKernelTests.sizes {
      for (masked, causal) in AttentionKernelTests.modes {
        for numbers in Numbers.allCases {
          // Five in turn, against four modes and eight numbers: each meets each.
          let axes = BiasCase.Axes.allCases[count % 5]
          count += 1
          let attention = AttentionCase(
            sequence, headDim, .ordinary, masked: masked, causal: causal, &generator
          )
          .biased(axes) { numbers.number(&generator) }
          let isEqual =
            output(attention, mode, kernel).map(\.comparableBits)
            == output(attention, mode).map(\.comparableBits)
          #expect(isEqual, "S \(sequence) d \(headDim) \(axes) \(numbers) \(masked) \(causal)")
        }
      }
    }
  }

  @Test(arguments: RowKernels.faster, AttentionMode.allCases)
  func equalsPortableWithOddInputs(instructionSet: InstructionSet, mode: AttentionMode) throws {
    let kernel = try RowKernels.kernel(mode.family, of: instructionSet)
    var generator = SeededGenerator(seed: 172)
    for content in RowKernels.Content.allCases {
      for numbers in Numbers.allCases {
        for sequence in [19, 70] {
          let attention = AttentionCase(sequence, 20, content, masked: true, causal: false, &generator)
            .biased(.all) { numbers.number(&generator) }
          let isEqual =
            output(attention, mode, kernel).map(\.comparableBits)
            == output(attention, mode).map(\.comparableBits)
          #expect(isEqual, "S \(sequence) \(content) \(numbers)")
        }
      }
    }
  }

  /// Against softmax in double precision, with the tolerances of attention without numbers added.
  @Test(arguments: AttentionMode.allCases, [Numbers.ordinary, .hiding])
  func isAccurate(mode: AttentionMode, numbers: Numbers) {
    var generator = SeededGenerator(seed: 173)
    var count = 0
    for (sequence, headDim) in AttentionKernelTests.sizes {
      for (masked, causal) in AttentionKernelTests.modes {
        // Five in turn, against four modes: each meets each.
        let axes = BiasCase.Axes.allCases[count % 5]
        count += 1
        let attention = AttentionCase(
          sequence, headDim, .ordinary, masked: masked, causal: causal, &generator
        )
        .biased(axes) { numbers.number(&generator) }
        let (worst, mean) = errors(output(attention, mode), attention)
        let label = "S \(sequence) d \(headDim) \(axes) \(masked) \(causal) worst \(worst) mean \(mean)"
        #expect(worst <= (mode == .float ? 1e-5 : 0.2), "\(label)")
        #expect(mean <= (mode == .float ? 1e-6 : 0.02), "\(label)")
      }
    }
  }

  /// The largest and the mean distance from the truth. Rows are left out in which every key is hidden: a number of
  /// -10,000 or less leaves little of a score in binary32.
  private func errors(_ output: [Float], _ attention: AttentionCase) -> (worst: Double, mean: Double) {
    var errors: [Double] = [0]
    for row in 0..<attention.batch * attention.sequence {
      let (entry, position) = (row / attention.sequence, row % attention.sequence)
      for head in 0..<attention.heads {
        let last = attention.isCausal ? position : attention.sequence - 1
        let seen = (0...last).filter { attention.mask?[entry * attention.sequence + $0] != 0 }
        let greatest = seen.compactMap { attention.bias?.number(entry, head, position, $0) }.max() ?? 0
        if greatest <= -10_000 { continue }
        let truth = attention.truth(batch: entry, head: head, position: position)
        let first = row * attention.width + head * attention.headDim
        errors += truth.indices.map { abs(Double(output[first + $0]) - truth[$0]) }
      }
    }
    return (errors.max() ?? .infinity, errors.reduce(0, +) / Double(errors.count))
  }

  /// Adding zeros changes nothing, with every kind of mask.
  @Test(arguments: [InstructionSet.portable] + RowKernels.faster, AttentionMode.allCases)
  func zerosChangeNothing(instructionSet: InstructionSet, mode: AttentionMode) throws {
    let kernel = try RowKernels.kernel(mode.family, of: instructionSet)
    var generator = SeededGenerator(seed: 174)
    for (masked, causal) in AttentionKernelTests.modes {
      for sequence in [1, 5, 33, 70] {
        let plain = AttentionCase(sequence, 32, .ordinary, masked: masked, causal: causal, &generator)
        let zeros = plain.biased(.all) { 0 }
        #expect(output(zeros, mode, kernel) == output(plain, mode, kernel), "\(masked) \(causal) \(sequence)")
      }
    }
  }

  /// A row whose every key is hidden by -infinity sees nothing: zeros. One whose numbers are all the same finite
  /// number, however large, is the mean of what it would leave.
  @Test(arguments: [InstructionSet.portable] + RowKernels.faster, AttentionMode.allCases)
  func rowsOfHiddenKeys(instructionSet: InstructionSet, mode: AttentionMode) throws {
    let kernel = try RowKernels.kernel(mode.family, of: instructionSet)
    var generator = SeededGenerator(seed: 175)
    let attention = AttentionCase(37, 32, .ordinary, masked: false, &generator)
    let hidden = output(attention.biased(.all) { -.infinity }, mode, kernel)
    #expect(hidden.allSatisfy { $0 == 0 })
    let largest = Float.greatestFiniteMagnitude
    for number in [-largest, largest, -2e30] as [Float] {
      let uniform = output(attention.biased(.rows) { number }, mode, kernel)
      for head in 0..<2 {
        for channel in 0..<32 {
          let column = head * 32 + channel
          let mean =
            (0..<37).map { attention.values[$0 * attention.stride + 2 * attention.width + column] }
            .reduce(0, +) / 37
          #expect(abs(uniform[5 * attention.width + column] - mean) < (mode == .float ? 1e-5 : 0.03))
        }
      }
    }
    // One key that is not hidden is all that a row sees.
    var sole = attention.biased(.all) { -largest }
    sole.bias?.numbers[3 * 37 + 20] = 0
    let seen = output(sole, mode, kernel)
    for channel in 0..<32 {
      let value = attention.values[20 * attention.stride + 2 * attention.width + channel]
      #expect(abs(seen[3 * attention.width + channel] - value) < (mode == .float ? 1e-5 : 0.03))
    }
  }

  /// Rows of a group of four are cleared one by one.
  @Test(arguments: AttentionMode.allCases)
  func everyRowIsHiddenByItself(mode: AttentionMode) {
    var generator = SeededGenerator(seed: 176)
    let attention = AttentionCase(10, 8, .ordinary, masked: false, &generator).biased(.all) { 0.5 }
    let plain = output(attention, mode)
    for blind in 0..<10 {
      var changed = attention
      for key in 0..<10 { changed.bias?.numbers[10 * blind + key] = -.infinity }
      let cleared = output(changed, mode)
      for position in 0..<10 {
        let row = position * attention.width..<position * attention.width + attention.headDim
        let wanted = position == blind ? [Float](repeating: 0, count: 8) : Array(plain[row])
        #expect(Array(cleared[row]) == wanted, "position \(position), hidden \(blind)")
      }
    }
  }

  /// The integers give numbers for whatever is added.
  @Test(arguments: Numbers.allCases) func integersStayFinite(numbers: Numbers) {
    var generator = SeededGenerator(seed: 177)
    for content in [RowKernels.Content.ordinary, .tiny, .notFinite, .onlyNaN, .zeros] {
      let attention = AttentionCase(33, 32, content, masked: true, &generator)
        .biased(.all) { numbers.number(&generator) }
      #expect(output(attention, .integer).allSatisfy { $0.isFinite }, "\(content)")
    }
  }
}
