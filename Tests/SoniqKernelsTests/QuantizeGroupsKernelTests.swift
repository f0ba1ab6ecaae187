import CKernelABI
import SoniqKernels
import SoniqTestSupport
import Testing

/// One run of channels and how it is quantised.
struct GroupActivationLevel {
  var channels: Int
  var padded: Int
  var bits: Int
  var groupLength: Int
  var rowGroupLength: Int
  var fixed: Float?

  var shape: GroupShape {
    GroupShape(
      rows: 1, channels: channels, outputs: 1, groupLength: groupLength, rowGroupLength: rowGroupLength)
  }

  /// Codes (padding included), sums and scales by the definition in group_matmul.h.
  func oracle(_ values: [Float]) -> (codes: [Int8], sums: [Int32], scales: [Float]) {
    let top = Float((1 << (bits - 1)) - 1)
    var scales: [Float] = []
    var codes: [Int8] = []
    var sums = [Int32](repeating: 0, count: shape.groups)
    let length = rowGroupLength == 0 ? channels : rowGroupLength
    for first in stride(from: 0, to: channels, by: length) {
      let run = values[first..<min(channels, first + length)]
      var greatest: Float = 0
      for value in run where value.magnitude > greatest { greatest = value.magnitude }
      let drawn = greatest / top
      let step = fixed ?? (drawn.isNormal ? drawn : 1)
      scales.append(step)
      for value in run {
        let scaled = value * (1 / step)
        let code = scaled.isNaN ? -top : min(max(scaled, -top), top).rounded(.toNearestOrEven)
        sums[shape.group(codes.count)] += Int32(code)
        codes.append(Int8(code))
      }
    }
    return (codes + [Int8](repeating: 0, count: padded - channels), sums, scales)
  }
}

@Suite struct QuantizeGroupsKernelTests {
  /// Runs two rows through guarded buffers and compares codes, sums, scales and untouched gaps.
  static func check(
    _ kernel: KernelRow<snq_quantize_groups_function>, _ levels: [GroupActivationLevel], _ values: [[Float]],
    gather: [UInt32]?
  ) {
    let channels = levels.reduce(0) { $0 + $1.channels }
    let input = GuardedBuffer(values[0] + [7, 7, 7] + values[1])
    let order = gather.map { GuardedBuffer($0) }
    let scratch = GuardedBuffer([Float](repeating: 0, count: gather == nil ? 0 : channels))
    let codes = levels.map { GuardedBuffer([Int8](repeating: 0x6e, count: 2 * ($0.padded + 2))) }
    let sums = levels.map { GuardedBuffer([Int32](repeating: 77, count: 2 * ($0.shape.groups + 1))) }
    let scales = levels.map { GuardedBuffer([Float](repeating: 77, count: 2 * ($0.shape.rowGroups + 1))) }
    var args = snq_quantize_groups_args()
    args.input = UnsafePointer(input.start)
    args.inputStride = channels + 3
    args.channels = UInt32(channels)
    args.gather = order.map { UnsafePointer($0.start) }
    args.scratch = gather == nil ? nil : scratch.start
    args.levelCount = UInt32(levels.count)
    var begin = 0
    let entries = levels.enumerated().map { index, level in
      defer { begin += level.channels }
      return snq_group_activation_level(
        begin: UInt32(begin), channels: UInt32(level.channels), paddedChannels: UInt32(level.padded),
        bits: UInt32(level.bits), groupLength: UInt32(level.groupLength),
        rowGroupLength: UInt32(level.rowGroupLength), isStatic: level.fixed == nil ? 0 : 1,
        scale: level.fixed ?? 0, codes: codes[index].start, codeStride: level.padded + 2,
        groupSums: sums[index].start, groupSumStride: level.shape.groups + 1, rowScales: scales[index].start,
        rowScaleStride: level.shape.rowGroups + 1)
    }
    withUnsafeMutableBytes(of: &args.levels) { $0.copyBytes(from: entries.withUnsafeBytes { Array($0) }) }
    kernel.function(&args, 0, 1)
    kernel.function(&args, 1, 2)
    for row in 0..<2 {
      let sorted = gather.map { $0.map { values[row][Int($0)] } } ?? values[row]
      var begin = 0
      for (index, level) in levels.enumerated() {
        let expected = level.oracle(Array(sorted[begin..<begin + level.channels]))
        let label = "\(kernel.name) \(level) row \(row) level \(index)"
        func part<Element>(_ buffer: GuardedBuffer<Element>, _ count: Int) -> [Element] {
          let stride = buffer.count / 2
          return Array(buffer.elements[row * stride..<row * stride + count])
        }
        #expect(part(codes[index], level.padded + 2) == expected.codes + [0x6e, 0x6e], "\(label)")
        #expect(part(sums[index], level.shape.groups + 1) == expected.sums + [77], "\(label)")
        #expect(
          part(scales[index], level.shape.rowGroups + 1).map(\.bitPattern)
            == (expected.scales + [77]).map(\.bitPattern), "\(label)")
        begin += level.channels
      }
    }
    #expect(input.isIntact && scratch.isIntact)
    #expect((codes.allSatisfy { $0.isIntact }) && (sums.allSatisfy { $0.isIntact }))
    #expect(scales.allSatisfy { $0.isIntact })
  }

  @Test(arguments: InstructionSet.allCases)
  func followsTheDefinition(instructionSet: InstructionSet) throws {
    let kernel = try RowKernels.kernel(RowKernelRegistry.quantizeGroups, of: instructionSet)
    var generator = SeededGenerator(seed: 51)
    for channels in RowKernels.channelCounts {
      for content in RowKernels.Content.allCases {
        let values = (0..<2).map { _ in content.values(channels, &generator) }
        for groupLength in [0, 16, 32, 64, 128] {
          for factor in [0, 1, 3] where factor == 0 || groupLength > 0 {
            var level = GroupActivationLevel(
              channels: channels, padded: (channels + 31) / 32 * 32,
              bits: .random(in: 2...8, using: &generator),
              groupLength: groupLength, rowGroupLength: groupLength * factor)
            Self.check(kernel, [level], values, gather: nil)
            level.fixed = Float.random(in: 0.001...0.5, using: &generator)
            Self.check(kernel, [level], values, gather: nil)
          }
        }
      }
    }
  }

  @Test(arguments: InstructionSet.allCases)
  func takesFourLevelsAndAGather(instructionSet: InstructionSet) throws {
    let kernel = try RowKernels.kernel(RowKernelRegistry.quantizeGroups, of: instructionSet)
    var generator = SeededGenerator(seed: 52)
    for runs in [[1, 1], [16, 33, 16], [5, 30, 64, 100], [200, 33, 4, 7], [96]] {
      for content in [RowKernels.Content.ordinary, .extremes, .notFinite] {
        let channels = runs.reduce(0, +)
        let values = (0..<2).map { _ in content.values(channels, &generator) }
        let order = (0..<UInt32(channels)).shuffled(using: &generator)
        let levels = runs.enumerated().map { index, run in
          GroupActivationLevel(
            channels: run, padded: (run + 7) / 8 * 8, bits: 8 - index, groupLength: [32, 64, 16, 0][index],
            rowGroupLength: [64, 64, 0, 0][index])
        }
        Self.check(kernel, levels, values, gather: order)
        Self.check(kernel, levels, values, gather: nil)
      }
    }
  }
}
