import CKernelABI
import SoniqCore
import SoniqKernels
import SoniqTestSupport
import Testing

/// Every row of the registry against the definition, bit by bit.
@Suite struct MatmulKernelTests {
  /// The kernels of an instruction set; cancels the test, saying so, when this CPU cannot run them.
  static func kernels(of instructionSet: InstructionSet) throws -> [MatmulKernel] {
    try instructionSet.require()
    let kernels = MatmulKernelRegistry.rows.filter {
      $0.instructionSet == instructionSet && Capabilities.underTest.runs($0.row)
    }
    #expect(!kernels.isEmpty, "no \(instructionSet.name) kernel in the registry")
    return kernels + ExtensionTwins.all.filter { $0.original.instructionSet == instructionSet }.map(\.kernel)
  }

  static func accepting(_ kernels: [MatmulKernel], _ level: MatmulCase) -> [MatmulKernel] {
    let code = level.packing.code
    return kernels.filter {
      $0.accepts(weightBits: code.kernelBits, layout: code.layout, activationBits: level.activation.bits)
    }
  }

  /// Checks the case with all kernels that take it and returns the names of those that ran.
  static func check(
    _ level: MatmulCase?, _ kernels: [MatmulKernel], _ modes: [MatmulMode], _ ranges: [MatmulRange] = []
  ) throws -> Set<String> {
    let level = try #require(level)
    let accepting = accepting(kernels, level)
    guard !accepting.isEmpty else { return [] }
    let oracle = MatmulOracle(level)
    for kernel in accepting {
      for mode in modes {
        for range in ranges.isEmpty ? [level.wholeRange] : ranges {
          level.check(kernel, oracle, mode, range)
          if kernel.traits.contains(.wordSteps) { level.check(kernel, oracle, mode, range, withSteps: false) }
        }
      }
    }
    return Set(accepting.map(\.name))
  }

  @Test(arguments: InstructionSet.allCases)
  func everyPairOfCodes(instructionSet: InstructionSet) throws {
    let kernels = try Self.kernels(of: instructionSet)
    var generator = SeededGenerator(seed: 20)
    var ran: Set<String> = []
    for weight in IntegerCode.all + IntegerCode.bytes {
      for activation in IntegerCode.all {
        let level = MatmulCase(
          weight, activation, rows: .random(in: 1...5, using: &generator),
          channels: .random(in: 1...40, using: &generator), outputs: .random(in: 1...20, using: &generator),
          seed: generator.next())
        ran.formUnion(
          try Self.check(level, kernels, [MatmulMode.all.randomElement(using: &generator)].compactMap(\.self))
        )
      }
    }
    #expect(ran == Set(kernels.map(\.name)), "kernels that did not run")
  }

  static let shapeCodes = [
    IntegerCode(isBipolar: false, bits: 8, zero: 128), IntegerCode(isBipolar: true, bits: 4),
    IntegerCode(isBipolar: true, bits: 1), IntegerCode(isBipolar: false, bits: 2, zero: 1),
    IntegerCode(isBipolar: false, bits: 7, zero: 33),
    IntegerCode(isBipolar: true, bits: 7, layout: .bytes),
  ]

  /// Activations for every form: halves of 8 bits, tables of 5 and 4, and bit planes.
  static let activationCodes = [
    IntegerCode(isBipolar: false, bits: 8, zero: 101), IntegerCode(isBipolar: false, bits: 5, zero: 9),
    IntegerCode(isBipolar: true, bits: 4), IntegerCode(isBipolar: true, bits: 1),
  ]

  @Test(arguments: InstructionSet.allCases, activationCodes)
  func everyShape(instructionSet: InstructionSet, activation: IntegerCode) throws {
    let kernels = try Self.kernels(of: instructionSet)
    var seed: UInt64 = 40
    for weight in Self.shapeCodes {
      let tile = weight.weightCode.layout.tileChannels
      for channels in Set([1, tile - 1, tile, tile + 1, 2 * tile, 95, 384].filter { $0 > 0 }) {
        for outputs in [1, 15, 16, 17, 33, 64, 100] {
          let rows = [1, 2, 3, 5, 6, 7, 13][Int(seed % 7)]
          seed += 1
          let level = MatmulCase(
            weight, activation, rows: rows, channels: channels, outputs: outputs, seed: seed)
          _ = try Self.check(level, kernels, [MatmulMode(mode: SNQ_START, withBias: true)])
        }
      }
    }
  }

  /// Every number of rows meets every number of panels, whole and in parts.
  @Test(arguments: InstructionSet.allCases, activationCodes)
  func everyTileAndPart(instructionSet: InstructionSet, activation: IntegerCode) throws {
    let kernels = try Self.kernels(of: instructionSet)
    for weight in Self.shapeCodes {
      for rows in [1, 2, 3, 4, 5, 6, 7, 8, 13] {
        for outputs in [16, 31, 48, 63, 79, 97, 127, 144] {
          let level = try #require(
            MatmulCase(
              weight, activation, rows: rows, channels: 33, outputs: outputs,
              seed: UInt64(rows * 1000 + outputs)))
          let panels = level.packing.panelCount
          let ranges = [
            level.wholeRange, MatmulRange(rows: rows / 2..<rows, panels: 0..<(panels + 1) / 2),
            MatmulRange(rows: 0..<(rows + 1) / 2, panels: panels / 2..<panels),
          ]
          _ = try Self.check(level, kernels, [MatmulMode(mode: SNQ_ACCUMULATE)], ranges)
        }
      }
    }
  }

  @Test(arguments: InstructionSet.allCases)
  func everyModeAndExtremeCodes(instructionSet: InstructionSet) throws {
    let kernels = try Self.kernels(of: instructionSet)
    for weight in IntegerCode.all + IntegerCode.bytes {
      for pattern in CodePattern.allCases {
        for bits in [8, 5, 2] {
          let activation = IntegerCode(isBipolar: false, bits: bits, zero: (1 << bits) - 1)
          let level = MatmulCase(
            weight, activation, rows: 3, channels: 67, outputs: 18, seed: 9, pattern: pattern)
          _ = try Self.check(level, kernels, MatmulMode.all)
        }
      }
    }
  }

  /// Sums of few bits are widened just before they could overflow: every width of codes, at full deflection to
  /// both sides, for every row tile and more channels than any kernel holds in scratch memory.
  @Test(arguments: InstructionSet.allCases, 1...8)
  func fullDeflection(instructionSet: InstructionSet, activationBits: Int) throws {
    let kernels = try Self.kernels(of: instructionSet)
    let activation = IntegerCode(isBipolar: false, bits: activationBits, zero: 0)
    let codes = (1...8).map { IntegerCode(isBipolar: false, bits: $0, zero: 1 << ($0 - 1)) }
    for weight in codes + IntegerCode.bytes {
      for pattern in [CodePattern.allMaximum, .opposite] {
        for (rows, channels) in [(1, 2100), (3, 1100), (6, 300), (13, 270), (49, 33)] {
          let level = MatmulCase(
            weight, activation, rows: rows, channels: channels, outputs: 17, seed: 3, pattern: pattern)
          _ = try Self.check(level, kernels, [MatmulMode(mode: SNQ_INTEGER)])
        }
      }
    }
  }

  /// Products that add up in 16 bits two groups at a time, one at a time and not at all, in one panel.
  @Test(arguments: InstructionSet.allCases, [5, 6, 7, 8])
  func everyKindOfStep(instructionSet: InstructionSet, weightBits: Int) throws {
    let kernels = try Self.kernels(of: instructionSet).filter { $0.traits.contains(.wordSteps) }
    var counts = (doubles: 0, singles: 0, wides: 0)
    for activation in [
      IntegerCode(isBipolar: false, bits: 8, zero: 101), IntegerCode(isBipolar: true, bits: 7),
    ] {
      for (rows, channels, outputs) in [(1, 300, 16), (2, 77, 33), (7, 300, 48), (13, 41, 31), (103, 96, 17)]
      {
        for isBipolar in weightBits < 8 ? [true, false] : [false] {
          let level = MatmulCase(
            IntegerCode(
              isBipolar: isBipolar, bits: weightBits, zero: isBipolar ? 0 : 1 << (weightBits - 1),
              layout: .bytes), activation, rows: rows, channels: channels, outputs: outputs,
            seed: UInt64(rows + weightBits), pattern: .mild)
          _ = try Self.check(level, kernels, MatmulMode.all)
          if let steps = level?.steps.counts {
            counts = (
              counts.doubles + steps.doubles, counts.singles + steps.singles, counts.wides + steps.wides
            )
          }
        }
      }
    }
    #expect(
      counts.doubles > 0 && (weightBits < 7 || counts.singles > 0) && (weightBits < 8 || counts.wides > 0))
  }

  /// A second level fused into the call gives what a second call gives, for every pair of kernels.
  @Test(
    arguments: MatmulKernelRegistry.rows.filter { $0.traits.contains(.fusesLevels) }.map(\.name),
    [1, 3, 6, 13])
  func fusedLevelsEqualTwoCalls(name: String, rows: Int) throws {
    let kernel = try #require(MatmulKernelRegistry.rows.first { $0.name == name })
    try RowKernels.requireRuns(kernel.row)
    let bits = kernel.weightBits.upperBound
    let activationBits = kernel.form.activationBits.upperBound
    let activation = IntegerCode(isBipolar: false, bits: activationBits, zero: 7)
    let nextKernels = MatmulKernelRegistry.rows.filter {
      $0.traits.contains(.fusesLevels) && $0.instructionSet == kernel.instructionSet
        && Capabilities.underTest.runs($0.row)
    }
    for nextKernel in nextKernels {
      let nextActivation = IntegerCode(
        isBipolar: false, bits: nextKernel.form.activationBits.upperBound, zero: 5)
      let nextBits = nextKernel.weightBits.lowerBound
      let nextCode = IntegerCode(isBipolar: false, bits: nextBits, zero: nextBits == 8 ? 128 : 1)
      for (outputs, withOffset, channels) in [
        (64, false, 9), (144, false, 3), (100, false, 8), (64, true, 4), (112, false, 7),
      ] {
        let firstCode = IntegerCode(isBipolar: bits < 8, bits: bits, zero: bits < 8 ? 0 : 128)
        let first = try #require(
          MatmulCase(firstCode, activation, rows: rows, channels: 384, outputs: outputs, seed: 5))
        let next = try #require(
          MatmulCase(nextCode, nextActivation, rows: rows, channels: channels, outputs: outputs, seed: 6))
        for mode in [SNQ_START, SNQ_ACCUMULATE] {
          let separate = first.outputs(
            kernel, mode: mode, followedBy: next, by: nextKernel, withOffset, isFused: false)
          let fused = first.outputs(
            kernel, mode: mode, followedBy: next, by: nextKernel, withOffset, isFused: true)
          #expect(fused == separate, "\(name) \(first) then \(nextKernel.name) \(next), mode \(mode)")
        }
      }
    }
  }

  /// The longest dot product that int32 holds, at full deflection to both sides.
  @Test(arguments: InstructionSet.allCases, [CodePattern.allMaximum, .opposite])
  func longestDotProduct(instructionSet: InstructionSet, pattern: CodePattern) throws {
    let kernels = try Self.kernels(of: instructionSet)
    for weight in Self.shapeCodes {
      for bits in [8, 5] {
        let activation = IntegerCode(isBipolar: false, bits: bits, zero: 0)
        let level = Level(weight: weight.weightCode, activation: ActivationCode(kind: .affine, bits: bits))
        // Narrow weights reach the limit only at sizes that a test need not have.
        let channels = min(level.maximumChannels, 66_052)
        let example = MatmulCase(
          weight, activation, rows: 1, channels: channels, outputs: 3, seed: 1, pattern: pattern)
        _ = try Self.check(example, kernels, [MatmulMode(mode: SNQ_INTEGER), MatmulMode(mode: SNQ_START)])
      }
    }
  }
}
