import CKernelABI
import SoniqKernels
import SoniqTestSupport
import Testing

/// Every kernel that takes codes against the portable one, byte for byte.
@Suite struct TakeCodesKernelTests {
  private struct Case {
    let channels: Int
    let gather: [UInt32]?
    let counts: [Int]
    let rows: Int
    let source: GuardedBuffer<UInt8>
    let zeros: [Int32]
  }

  private struct Result: Equatable {
    var codes: [[UInt8]] = []
    var sums: [Int32] = []
    var constants: [Int32] = []
    var isIntact = true
  }

  private func run(_ kernel: KernelRow<snq_take_codes_function>, _ taken: Case) -> Result {
    let strides = taken.counts.map { ($0 + 31) / 32 * 32 }
    let targets = strides.map { GuardedBuffer([UInt8](repeating: 0xee, count: taken.rows * $0)) }
    let parameters = GuardedBuffer(
      [snq_row_params](repeating: snq_row_params(), count: taken.rows * taken.counts.count))
    var args = snq_take_codes_args()
    args.codes = UnsafePointer(taken.source.start)
    args.codeStride = taken.channels
    args.channels = UInt32(taken.channels)
    args.levelCount = UInt32(taken.counts.count)
    var begin = 0
    let levels = taken.counts.indices.map { index -> snq_activation_level in
      var level = snq_activation_level()
      (level.begin, level.channels) = (UInt32(begin), UInt32(taken.counts[index]))
      level.paddedChannels = UInt32((taken.counts[index] + 7) / 8 * 8)
      level.kind = UInt32(index == 0 ? SNQ_AFFINE : SNQ_BIPOLAR)
      level.bits = UInt32(8 - index)
      level.codes = targets[index].start
      level.codeStride = strides[index]
      level.rows = parameters.start + index
      level.rowStride = taken.counts.count
      begin += taken.counts[index]
      return level
    }
    args.levels.0 = levels[0]
    if levels.count > 1 { args.levels.1 = levels[1] }
    taken.zeros.withUnsafeBufferPointer { zeros in
      args.zeros = zeros.baseAddress
      (taken.gather ?? []).withUnsafeBufferPointer { order in
        args.gather = taken.gather == nil ? nil : order.baseAddress
        // In two calls: rows know nothing of each other.
        let middle = UInt32(taken.rows / 2)
        kernel.function(&args, 0, middle)
        kernel.function(&args, middle, UInt32(taken.rows))
      }
    }
    let rows = UnsafeBufferPointer(start: parameters.start, count: taken.rows * taken.counts.count)
    return Result(
      codes: zip(targets, strides).map { target, stride in
        Array(UnsafeBufferPointer(start: target.start, count: taken.rows * stride))
      },
      sums: rows.map(\.codeSum), constants: rows.map(\.constant),
      isIntact: targets.allSatisfy { $0.isIntact } && parameters.isIntact && taken.source.isIntact)
  }

  @Test(
    arguments: [1, 5, 15, 16, 17, 24, 31, 32, 48, 63, 64, 65, 100, 128, 130, 256, 300],
    ["ordered", "any order", "one level", "without a list"])
  func equalsPortable(channels: Int, order: String) {
    let seed = UInt64(channels * 10 + order.count)
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<4 {
      let rows = Int.random(in: 1...9, using: &generator)
      var gather: [UInt32]? = (0..<UInt32(channels)).shuffled(using: &generator)
      var counts = [Int.random(in: 0...channels, using: &generator)]
      counts.append(channels - counts[0])
      switch order {
      case "ordered":
        gather = gather.map { $0[..<counts[0]].sorted() + $0[counts[0]...].sorted() }
      case "one level": counts = [channels]
      case "without a list": gather = nil
      default: break
      }
      let source = GuardedBuffer(
        (0..<rows * channels).map { _ in UInt8.random(in: 0...255, using: &generator) })
      let taken = Case(
        channels: channels, gather: gather, counts: counts, rows: rows, source: source,
        zeros: (0..<rows * counts.count).map { Int32($0) })
      let expected = run(RowKernelRegistry.takeCodes.reference, taken)
      #expect(expected.isIntact)
      for kernel in RowKernelRegistry.takeCodes.rows where Capabilities.underTest.runs(kernel) {
        #expect(run(kernel, taken) == expected, "\(kernel.name), seed \(seed), \(counts), \(rows) rows")
      }
    }
  }
}
