import CKernelABI
import SoniqKernels
import SoniqTestSupport
import Testing

/// Every kernel for scales per group against the definition, bit by bit.
@Suite struct GroupMatmulKernelTests {
  /// The kernels of an instruction set; cancels the test, saying so, when this CPU cannot run them.
  static func kernels(of instructionSet: InstructionSet) throws -> [GroupMatmulKernel] {
    try instructionSet.require()
    let kernels = GroupMatmulRegistry.rows.filter {
      $0.row.instructionSet == instructionSet && Capabilities.underTest.runs($0.row)
    }
    #expect(!kernels.isEmpty, "no \(instructionSet.name) kernel in the registry")
    return kernels
      + ExtensionTwins.groups.filter { $0.original.row.instructionSet == instructionSet }.map(\.kernel)
  }

  static let modes = [
    MatmulMode(mode: SNQ_START), MatmulMode(mode: SNQ_START, withBias: true),
    MatmulMode(mode: SNQ_START, withBias: true, withOffset: true), MatmulMode(mode: SNQ_ACCUMULATE),
    MatmulMode(mode: SNQ_ACCUMULATE, withOffset: true),
  ]

  /// Codes with the layouts that hold them.
  static let codes: [(GroupCode, GroupLayout)] =
    [0, 7, 8, 15].map { (.affine(bits: 4, zero: $0), .nibbles) }
    + [(.bipolar(bits: 4), .nibbles), (.codebook(bits: 4), .nibbles), (.affine(bits: 3, zero: 4), .nibbles)]
    + [0, 1, 128, 255].map { (.affine(bits: 8, zero: $0), .unsignedBytes) }
    + [
      (.bipolar(bits: 7), .unsignedBytes), (.affine(bits: 6, zero: 32), .unsignedBytes),
      (.affine(bits: 5, zero: 16), .unsignedBytes),
    ] + (1...7).map { (.bipolar(bits: $0), .planes) } + (1...8).map { (.affine(bits: $0, zero: 1), .planes) }
    + [(.codebook(bits: 2), .planes), (.codebook(bits: 3), .nibbles)]

  /// Checks a case with all kernels that take it and returns the names of those that ran.
  @discardableResult
  static func check(
    _ level: GroupMatmulCase, _ kernels: [GroupMatmulKernel], _ modes: [MatmulMode],
    _ ranges: [MatmulRange] = []
  ) -> Set<String> {
    var hasCodebook = false
    if case .codebook = level.code { hasCodebook = true }
    let shape = GroupMatmulShape(
      layout: level.layout, groupLength: level.shape.groupLength, hasCodebook: hasCodebook)
    let accepting = kernels.filter { $0.accepts(shape) }
    guard !accepting.isEmpty else { return [] }
    let oracle = GroupMatmulOracle(level)
    for kernel in accepting {
      for mode in modes {
        for range in ranges.isEmpty ? [level.wholeRange] : ranges { level.check(kernel, oracle, mode, range) }
      }
    }
    return Set(accepting.map(\.name))
  }

  @Test(arguments: InstructionSet.allCases)
  func everyCodeScaleAndGroup(instructionSet: InstructionSet) throws {
    let kernels = try Self.kernels(of: instructionSet)
    var generator = SeededGenerator(seed: 20)
    var ran: Set<String> = []
    for (code, layout) in Self.codes {
      for scaleType in GroupScaleType.allCases {
        for groupLength in [0, 16, 32, 64, 128] {
          let shape = GroupShape(
            rows: .random(in: 1...40, using: &generator), channels: .random(in: 1...300, using: &generator),
            outputs: .random(in: 1...80, using: &generator), groupLength: groupLength,
            rowGroupLength: groupLength * Int.random(in: 0...3, using: &generator))
          let level = GroupMatmulCase(code, layout, shape, scaleType: scaleType, seed: generator.next())
          let mode = try #require(Self.modes.randomElement(using: &generator))
          ran.formUnion(Self.check(level, kernels, [mode]))
        }
      }
    }
    #expect(ran == Set(kernels.map(\.name)), "kernels that did not run")
  }

  static let shapeCodes: [(GroupCode, GroupLayout)] = [
    (.affine(bits: 4, zero: 8), .nibbles), (.bipolar(bits: 4), .nibbles), (.codebook(bits: 4), .nibbles),
    (.affine(bits: 8, zero: 128), .unsignedBytes), (.bipolar(bits: 7), .unsignedBytes),
    (.affine(bits: 2, zero: 1), .planes),
  ]

  /// Channels and outputs around the tile and the group.
  @Test(arguments: InstructionSet.allCases, [16, 32, 64, 128])
  func everyShape(instructionSet: InstructionSet, groupLength: Int) throws {
    let kernels = try Self.kernels(of: instructionSet)
    var seed: UInt64 = 40
    for (code, layout) in Self.shapeCodes {
      for channels in [1, 4, 5, 9, groupLength - 1, groupLength, groupLength + 1, 2 * groupLength, 200, 384] {
        for outputs in [1, 15, 16, 17, 33, 64, 100] {
          seed += 1
          let shape = GroupShape(
            rows: [1, 2, 3, 5, 6, 7, 34][Int(seed % 7)], channels: channels, outputs: outputs,
            groupLength: groupLength, rowGroupLength: groupLength * Int(seed % 3))
          Self.check(
            GroupMatmulCase(code, layout, shape, seed: seed), kernels,
            [MatmulMode(mode: SNQ_START, withBias: true)])
        }
      }
    }
  }

  /// Every number of rows meets every number of panels, whole and in parts.
  @Test(arguments: InstructionSet.allCases, [32, 64])
  func everyTileAndPart(instructionSet: InstructionSet, groupLength: Int) throws {
    let kernels = try Self.kernels(of: instructionSet)
    for (code, layout) in Self.shapeCodes {
      for rows in [1, 2, 3, 4, 5, 6, 7, 8, 13, 33, 40, 50] {
        for outputs in [16, 31, 48, 63, 79, 97, 144] {
          let shape = GroupShape(
            rows: rows, channels: 70, outputs: outputs, groupLength: groupLength, rowGroupLength: 64)
          let ranges = [
            MatmulRange(rows: 0..<rows, panels: 0..<shape.panels),
            MatmulRange(rows: rows / 2..<rows, panels: 0..<(shape.panels + 1) / 2),
            MatmulRange(rows: 0..<(rows + 1) / 2, panels: shape.panels / 2..<shape.panels),
          ]
          let level = GroupMatmulCase(
            code, layout, shape, scaleType: .float16, seed: UInt64(rows * 1000 + outputs))
          Self.check(level, kernels, [MatmulMode(mode: SNQ_ACCUMULATE)], ranges)
        }
      }
    }
  }

  /// Sums that are widened just before they could overflow, at full deflection to all sides, with more channels than
  /// any kernel holds in scratch memory.
  @Test(arguments: InstructionSet.allCases, CodePattern.allCases)
  func extremeCodes(instructionSet: InstructionSet, pattern: CodePattern) throws {
    let kernels = try Self.kernels(of: instructionSet)
    for (code, layout) in Self.codes {
      for groupLength in [16, 32, 128] {
        for (rows, channels) in [(1, 1100), (3, 530), (6, 300), (13, 140), (49, 33)] {
          let shape = GroupShape(
            rows: rows, channels: channels, outputs: 18, groupLength: groupLength, rowGroupLength: 0)
          let level = GroupMatmulCase(code, layout, shape, seed: 9, pattern: pattern)
          Self.check(level, kernels, [MatmulMode(mode: SNQ_START, withOffset: rows < 6)])
        }
      }
    }
  }

  /// One scale for all rows, as static activations have: a stride of 0.
  @Test(arguments: InstructionSet.allCases)
  func rowsShareAScale(instructionSet: InstructionSet) throws {
    for kernel in try Self.kernels(of: instructionSet) {
      for layout in kernel.layouts {
        for rows in [1, 5, 14] {
          let shape = GroupShape(rows: rows, channels: 96, outputs: 40, groupLength: 32, rowGroupLength: 0)
          let level = GroupMatmulCase(.affine(bits: 4, zero: 8), layout, shape, seed: 5)
          for row in 0..<rows { level.rowScales.start[row * level.rowScaleStride] = 0.375 }
          let own = Self.outputs(level, kernel, rowScaleStride: level.rowScaleStride)
          #expect(own == Self.outputs(level, kernel, rowScaleStride: 0), "\(kernel.name) \(level)")
        }
      }
    }
  }

  static func outputs(_ level: GroupMatmulCase, _ kernel: GroupMatmulKernel, rowScaleStride: Int) -> [UInt32]
  {
    let output = GuardedBuffer([Float](repeating: 0, count: level.shape.rows * level.outputStride))
    let scratchBytes = kernel.scratchBytes(groups: level.shape.groups)
    let scratch = GuardedBuffer([UInt8](repeating: 0, count: scratchBytes))
    var args = level.arguments(mode: SNQ_START, withBias: false, withOffset: false)
    args.rowScaleStride = rowScaleStride
    args.output = output.start
    args.scratch = scratch.start
    kernel.row.function(&args, 0, UInt32(level.shape.rows), 0, UInt32(level.shape.panels))
    return output.elements.map(\.bitPattern)
  }

  /// The registry offers something for every level, and what it chooses accepts it.
  @Test func choosesWhatAccepts() {
    for layout in GroupLayout.allCases {
      for groupLength in [0, 16, 32, 64, 128] {
        for hasCodebook in [false, true] {
          for limit in InstructionSet.allCases {
            let shape = GroupMatmulShape(layout: layout, groupLength: groupLength, hasCodebook: hasCodebook)
            let kernel = GroupMatmulRegistry.chosen(shape, on: Capabilities.underTest.capped(by: limit))
            #expect(kernel.accepts(shape) && Capabilities.underTest.capped(by: limit).runs(kernel.row))
          }
        }
      }
    }
  }
}
