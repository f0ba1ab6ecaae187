import CKernelABI
import SoniqKernels
import SoniqTestSupport
import Testing

/// The prepared forms: the portable kernel against their definition, the others against the portable one.
@Suite struct PrepareKernelTests {
  /// The code of a channel read back from a prepared row.
  private static func code(
    _ form: ActivationForm, _ row: UnsafePointer<UInt8>, channel: Int, paddedChannels: Int, bits: Int
  ) -> Int {
    let (group, half, byte, place) = (channel / 32, channel % 32 / 16, channel % 16 / 4, channel % 4)
    switch form {
    case .codes: return Int(row[channel])
    case .bitPlanes:
      return (0..<bits).reduce(0) { code, plane in
        let word = row[plane * paddedChannels / 8 + group * 4 + byte]
        return code | Int(word >> UInt8(half * 4 + place) & 1) << plane
      }
    case .tables: return Int(row[group * 128 + half * 64 + byte * 16 + 1 << place])
    case .halfTables:
      let entry = group * 256 + half * 64 + byte * 16 + 1 << place
      return Int(row[entry]) | Int(row[entry + 128]) << 4
    }
  }

  private static func codes(_ count: Int, bits: Int, _ generator: inout SeededGenerator) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 0...UInt8((1 << bits) - 1), using: &generator) }
  }

  @Test(arguments: ActivationForm.allCases.filter { $0 != .codes })
  func portableKernelFollowsTheDefinition(form: ActivationForm) {
    var generator = SeededGenerator(seed: 70)
    for bits in form.activationBits {
      let codes = GuardedBuffer(Self.codes(96, bits: bits, &generator))
      let prepared = PreparedRows(
        form, codes: codes.start, codeStride: 96, rows: 1, paddedChannels: 96, activationBits: bits)
      for channel in 0..<96 {
        let code = Self.code(
          form, prepared.bytes.start, channel: channel, paddedChannels: 96, bits: bits)
        #expect(code == Int(codes.start[channel]), "\(form) \(bits) bits, channel \(channel)")
      }
    }
  }

  /// Every entry of a table is the sum of the entries of its bits.
  @Test(arguments: [ActivationForm.tables, .halfTables])
  func tablesAreSums(form: ActivationForm) {
    var generator = SeededGenerator(seed: 71)
    let bits = form.activationBits.upperBound
    let codes = GuardedBuffer(Self.codes(64, bits: bits, &generator))
    let prepared = PreparedRows(
      form, codes: codes.start, codeStride: 64, rows: 1, paddedChannels: 64, activationBits: bits)
    for table in 0..<prepared.stride / 16 {
      let entries = prepared.bytes.start + table * 16
      for entry in 0..<16 {
        let sum = (0..<4).reduce(0) { $0 + (entry >> $1 & 1) * Int(entries[1 << $1]) }
        #expect(Int(entries[entry]) == sum, "\(form) table \(table) entry \(entry)")
      }
    }
  }

  @Test(
    arguments: RowKernelRegistry.prepare.faster.map(\.name), ActivationForm.allCases.filter { $0 != .codes })
  func fasterKernelsEqualThePortableOne(name: String, form: ActivationForm) throws {
    let kernel = try #require(RowKernelRegistry.prepare.faster.first { $0.name == name })
    try RowKernels.requireRuns(kernel)
    var generator = SeededGenerator(seed: 72)
    for channels in [32, 64, 96, 128, 416, 1024] {
      for rows in [1, 3] {
        for bits in form.activationBits {
          // An odd stride: rows of every alignment, the last of which ends at the guard page.
          let stride = channels + 1
          let codes = GuardedBuffer(
            Self.codes(stride * (rows - 1) + channels, bits: bits, &generator))
          func prepared(_ kernel: KernelRow<snq_prepare_function>) -> PreparedRows {
            PreparedRows(
              form, codes: codes.start, codeStride: stride, rows: rows, paddedChannels: channels,
              activationBits: bits, kernel: kernel)
          }
          let (expected, actual) = (prepared(RowKernelRegistry.prepare.reference), prepared(kernel))
          // What lies behind the prepared channels of a row is nobody's.
          let used = Self.usedBytes(form, channels: channels, bits: bits)
          for row in 0..<rows {
            let start = row * expected.stride
            let place = (start..<start + used).first {
              expected.bytes.start[$0] != actual.bytes.start[$0]
            }
            #expect(place == nil, "\(name) \(form) \(bits) bits, \(channels) channels, row \(row)")
          }
          #expect(actual.bytes.isIntact && codes.isIntact)
        }
      }
    }
  }

  private static func usedBytes(_ form: ActivationForm, channels: Int, bits: Int) -> Int {
    switch form {
    case .codes: channels
    case .bitPlanes: channels / 8 * bits
    case .tables: channels * 4
    case .halfTables: channels * 8
    }
  }
}
