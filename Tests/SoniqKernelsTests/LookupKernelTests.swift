import CKernelABI
import SoniqKernels
import SoniqTestSupport
import Testing

@Suite struct LookupKernelTests {
  /// One run of a table: random codes as a bit stream, random binary16 scales.
  struct Run {
    let kind: Int
    let bits: Int
    let zero: Int32
    let channels: Int
    let blockLength: Int
    let codes: [[Int32]]
    let scales: [UInt16]

    static let tableRows = 5
    var blocks: Int { (channels + blockLength - 1) / blockLength }
    var rowBytes: Int { (channels * bits + 7) / 8 }

    init(_ kind: Int, _ bits: Int, channels: Int, blockLength: Int, _ generator: inout SeededGenerator) {
      (self.kind, self.bits, self.channels, self.blockLength) = (kind, bits, channels, blockLength)
      zero = kind == SNQ_AFFINE ? Int32.random(in: 0..<(1 << Int32(bits)), using: &generator) : 0
      codes = (0..<Self.tableRows).map { _ in
        (0..<channels).map { _ in Int32.random(in: 0..<(1 << Int32(bits)), using: &generator) }
      }
      // Finite patterns, subnormal ones and both zeros included.
      let blocks = (channels + blockLength - 1) / blockLength
      scales = (0..<Self.tableRows * blocks).map { _ in
        let magnitude = UInt16.random(in: 0...0x7bff, using: &generator)
        return Bool.random(using: &generator) ? magnitude : magnitude & 0x3ff | 0x8000
      }
    }

    var stream: [UInt8] {
      codes.flatMap { row in
        var bytes = [UInt8](repeating: 0, count: rowBytes)
        for (index, code) in row.enumerated() {
          for bit in 0..<bits where code >> bit & 1 == 1 {
            bytes[(index * bits + bit) / 8] |= 1 << ((index * bits + bit) % 8)
          }
        }
        return bytes
      }
    }
    func value(_ row: Int, _ channel: Int) -> Float {
      let code = codes[row][channel]
      let integer = kind == SNQ_BIPOLAR ? 2 * code - ((1 << Int32(bits)) - 1) : code - zero
      let scale = Float(Float16(bitPattern: scales[row * blocks + channel / blockLength]))
      return Float(integer) * scale
    }
  }

  static func check(
    _ kernel: KernelRow<snq_lookup_function>, _ runs: [Run], scattered: Bool,
    _ generator: inout SeededGenerator
  ) {
    let channels = runs.reduce(0) { $0 + $1.channels }
    let order = (0..<UInt32(channels)).shuffled(using: &generator)
    let scatter = GuardedBuffer(order)
    let ids = GuardedBuffer<Int32>([4, 0, 3])
    let streams = runs.map { GuardedBuffer($0.stream) }
    let scales = runs.map { GuardedBuffer($0.scales) }
    let output = GuardedBuffer([Float](repeating: 9, count: 3 * channels))
    var args = snq_lookup_args()
    args.ids = UnsafePointer(ids.start)
    args.channels = UInt32(channels)
    args.scatter = scattered ? UnsafePointer(scatter.start) : nil
    args.levelCount = UInt32(runs.count)
    args.output = output.start
    args.outputStride = channels
    var begin = 0
    for (index, run) in runs.enumerated() {
      let level = snq_table_level(
        begin: UInt32(begin), channels: UInt32(run.channels), kind: UInt32(run.kind), bits: UInt32(run.bits),
        zero: run.zero, blockLength: UInt32(run.blockLength), codes: streams[index].start,
        rowStride: run.rowBytes, scales: scales[index].start)
      if index == 0 { args.levels.0 = level } else { args.levels.1 = level }
      begin += run.channels
    }
    withExtendedLifetime((scatter, ids, streams, scales)) {
      kernel.function(&args, 0, 1)
      kernel.function(&args, 1, 3)
    }
    for (row, id) in [4, 0, 3].enumerated() {
      let sorted = runs.flatMap { run in (0..<run.channels).map { run.value(id, $0) } }
      for (position, value) in sorted.enumerated() {
        let channel = scattered ? Int(order[position]) : position
        #expect(
          output.elements[row * channels + channel].bitPattern == value.bitPattern,
          "\(kernel.name) \(runs.map { ($0.kind, $0.bits, $0.channels) }) row \(row) channel \(channel)")
      }
    }
    #expect(output.isIntact)
  }

  @Test(arguments: InstructionSet.allCases)
  func followsTheDefinition(instructionSet: InstructionSet) throws {
    let kernel = try RowKernels.kernel(RowKernelRegistry.lookup, of: instructionSet)
    var generator = SeededGenerator(seed: 61)
    for channels in [1, 7, 16, 17, 33, 100] {
      for (kind, bits) in QuantizeKernelTests.codes {
        for blockLength in [8, 24, (channels + 7) / 8 * 8] {
          let run = Run(kind, bits, channels: channels, blockLength: blockLength, &generator)
          Self.check(kernel, [run], scattered: false, &generator)
          Self.check(kernel, [run], scattered: true, &generator)
        }
      }
    }
    let low = Run(SNQ_BIPOLAR, 4, channels: 100, blockLength: 104, &generator)
    let high = Run(SNQ_AFFINE, 8, channels: 284, blockLength: 32, &generator)
    Self.check(kernel, [low, high], scattered: false, &generator)
    Self.check(kernel, [low, high], scattered: true, &generator)
  }
}
