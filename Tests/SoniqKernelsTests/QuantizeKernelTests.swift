import CKernelABI
import SoniqKernels
import SoniqTestSupport
import Testing

/// One run of channels and how it is quantised.
struct QuantizeLevel {
  var kind: Int
  var bits: Int
  var fixed: (scale: Float, zero: Int32)?
  var channels: Int
  var padded: Int

  var maximumCode: Int32 { (1 << Int32(bits)) - 1 }

  /// Codes (padding included) and parameters by the definition in CKernelABI.h.
  func oracle(_ values: [Float]) -> (codes: [UInt8], params: snq_row_params) {
    let top = Float(maximumCode)
    var params = snq_row_params(scale: fixed?.scale ?? 0, constant: fixed?.zero ?? 0, codeSum: 0)
    func least(_ a: Float, _ b: Float) -> Float { a < b ? a : b }
    func greatest(_ a: Float, _ b: Float) -> Float { a > b ? a : b }
    func guarded(_ x: Float) -> Float { x.isNormal && x > 0 ? x : 1 }
    let code: (Float) -> Float
    if kind == SNQ_AFFINE {
      if fixed == nil {
        let low = laneReduction(values, { least($1, $0) }, least)
        params.scale = guarded((laneReduction(values, { greatest($1, $0) }, greatest) - low) / top)
        params.constant = Int32(least(greatest(-low * (1 / params.scale), 0), top).rounded(.toNearestOrEven))
      }
      let zero = Float(params.constant)
      let inverse = 1 / params.scale
      code = { least(greatest($0 * inverse, -zero), top - zero).rounded(.toNearestOrEven) + zero }
    } else {
      if fixed == nil {
        let magnitudes = values.map(\.magnitude)
        let step =
          bits == 1
          ? laneReduction(magnitudes, +, +) / Float(channels)
          : laneReduction(magnitudes, { greatest($1, $0) }, greatest) / top
        params.scale = guarded(step)
      }
      params.constant = maximumCode
      let inverse = 0.5 / params.scale
      code = {
        let middle = Float(1 << (bits - 1))
        return least(greatest(middle.addingProduct($0, inverse), 0), top).rounded(.down)
      }
    }
    var codes = values.map { UInt8(code($0)) }
    params.codeSum = codes.reduce(0) { $0 + Int32($1) }
    codes += [UInt8](repeating: 0, count: padded - channels)
    return (codes, params)
  }
}

@Suite struct QuantizeKernelTests {
  /// Runs two rows through guarded buffers and compares codes, parameters and untouched gaps.
  static func check(
    _ kernel: KernelRow<snq_quantize_function>, _ levels: [QuantizeLevel], _ values: [[Float]],
    gather: [UInt32]?
  ) {
    let channels = levels.reduce(0) { $0 + $1.channels }
    let stride = channels + 3
    let input = GuardedBuffer(values[0] + [7, 7, 7] + values[1])
    let order = gather.map { GuardedBuffer($0) }
    let scratch = GuardedBuffer([Float](repeating: 0, count: gather == nil ? 0 : channels))
    let codes = levels.map { GuardedBuffer([UInt8](repeating: 0xee, count: 2 * ($0.padded + 2))) }
    let params = GuardedBuffer([snq_row_params](repeating: snq_row_params(), count: 2 * levels.count))
    var args = snq_quantize_args()
    args.input = UnsafePointer(input.start)
    args.inputStride = stride
    args.channels = UInt32(channels)
    args.gather = order.map { UnsafePointer($0.start) }
    args.scratch = gather == nil ? nil : scratch.start
    args.levelCount = UInt32(levels.count)
    var begin = 0
    for (index, level) in levels.enumerated() {
      let entry = snq_activation_level(
        begin: UInt32(begin), channels: UInt32(level.channels), paddedChannels: UInt32(level.padded),
        kind: UInt32(level.kind), bits: UInt32(level.bits), isStatic: level.fixed == nil ? 0 : 1,
        scale: level.fixed?.scale ?? 0, zero: level.fixed?.zero ?? 0, codes: codes[index].start,
        codeStride: level.padded + 2, rows: params.start + index, rowStride: levels.count)
      if index == 0 { args.levels.0 = entry } else { args.levels.1 = entry }
      begin += level.channels
    }
    kernel.function(&args, 0, 1)
    kernel.function(&args, 1, 2)
    for row in 0..<2 {
      let sorted = gather.map { $0.map { values[row][Int($0)] } } ?? values[row]
      var begin = 0
      for (index, level) in levels.enumerated() {
        let expected = level.oracle(Array(sorted[begin..<begin + level.channels]))
        let first = row * (level.padded + 2)
        let actual = codes[index].elements
        let label = "\(kernel.name) \(level) row \(row) level \(index)"
        #expect(Array(actual[first..<first + level.padded]) == expected.codes, "\(label)")
        #expect(actual[first + level.padded] == 0xee, "\(label): wrote past the padding")
        let found = params.elements[row * levels.count + index]
        #expect(found.scale.bitPattern == expected.params.scale.bitPattern, "\(label)")
        #expect(found.constant == expected.params.constant, "\(label)")
        #expect(found.codeSum == expected.params.codeSum, "\(label)")
        begin += level.channels
      }
    }
    #expect(input.isIntact && scratch.isIntact && params.isIntact && codes.allSatisfy { $0.isIntact })
  }

  static let codes: [(kind: Int, bits: Int)] =
    (1...8).map { (SNQ_AFFINE, $0) } + (1...7).map { (SNQ_BIPOLAR, $0) }

  @Test(arguments: InstructionSet.allCases)
  func followsTheDefinition(instructionSet: InstructionSet) throws {
    let kernel = try RowKernels.kernel(RowKernelRegistry.quantize, of: instructionSet)
    var generator = SeededGenerator(seed: 41)
    for channels in RowKernels.channelCounts {
      for content in RowKernels.Content.allCases {
        let values = (0..<2).map { _ in content.values(channels, &generator) }
        for (kind, bits) in channels > 64
          ? [Self.codes[7], Self.codes[3], Self.codes[8], Self.codes[9]] : Self.codes
        {
          let padded = (channels + 31) / 32 * 32
          var level = QuantizeLevel(kind: kind, bits: bits, channels: channels, padded: padded)
          Self.check(kernel, [level], values, gather: nil)
          let zero = kind == SNQ_AFFINE ? Int32.random(in: 0...level.maximumCode, using: &generator) : 0
          level.fixed = (scale: Float.random(in: 0.001...0.5, using: &generator), zero: zero)
          Self.check(kernel, [level], values, gather: nil)
        }
      }
    }
  }

  @Test(arguments: InstructionSet.allCases)
  func takesTwoLevelsAndAGather(instructionSet: InstructionSet) throws {
    let kernel = try RowKernels.kernel(RowKernelRegistry.quantize, of: instructionSet)
    var generator = SeededGenerator(seed: 42)
    for (first, second) in [(1, 1), (16, 16), (5, 30), (33, 4), (100, 284)] {
      for content in [RowKernels.Content.ordinary, .extremes, .notFinite] {
        let values = (0..<2).map { _ in content.values(first + second, &generator) }
        let order = (0..<UInt32(first + second)).shuffled(using: &generator)
        let levels = [
          QuantizeLevel(kind: SNQ_BIPOLAR, bits: 4, channels: first, padded: (first + 7) / 8 * 8),
          QuantizeLevel(kind: SNQ_AFFINE, bits: 8, channels: second, padded: (second + 3) / 4 * 4),
        ]
        Self.check(kernel, levels, values, gather: order)
        Self.check(kernel, levels, values, gather: nil)
      }
    }
  }

  /// The maps that a packer writes: the channels in order, some of them moved to the end.
  @Test(arguments: InstructionSet.allCases)
  func gathersRunsOfNeighbours(instructionSet: InstructionSet) throws {
    let kernel = try RowKernels.kernel(RowKernelRegistry.quantize, of: instructionSet)
    var generator = SeededGenerator(seed: 43)
    for channels in [15, 16, 17, 31, 32, 33, 47, 48, 100, 384] {
      for moved in [0, 1, 2, channels / 24, channels / 2] {
        let last = Set((0..<channels).shuffled(using: &generator).prefix(moved))
        let order = ((0..<channels).filter { !last.contains($0) } + last.sorted()).map { UInt32($0) }
        let values = (0..<2).map { _ in RowKernels.Content.ordinary.values(channels, &generator) }
        let level = QuantizeLevel(kind: SNQ_AFFINE, bits: 8, channels: channels, padded: channels)
        Self.check(kernel, [level], values, gather: order)
      }
    }
  }
}
