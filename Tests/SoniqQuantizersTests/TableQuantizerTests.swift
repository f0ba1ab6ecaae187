import SoniqCore
import SoniqGraph
import SoniqQuantizers
import Testing

@Suite struct TableQuantizerTests {
  /// Value of one channel, decoded from the bytes as docs/format.md says.
  static func value(_ level: TableLevel, row: Int, channel: Int) -> Float {
    let bytes = level.codes.raw
    var code = 0
    for bit in 0..<level.code.bits {
      let place = channel * level.code.bits + bit
      code |= Int(bytes[row * level.rowStride + place / 8] >> UInt8(place % 8) & 1) << bit
    }
    let scale = level.scales.bound(to: UInt16.self)[row * level.blockCount + channel / level.blockLength]
    return Float(level.code.integer(code)) * Binary16.value(scale)
  }

  @Test(arguments: MatrixQuantizerTests.codes, [0, 8, 16]) func rowsComeBack(code: WeightCode, block: Int)
    throws
  {
    let (rows, channels) = (4, 37)
    let weights = MatrixQuantizerTests.weights(rows * channels, seed: 5)
    let run = try weights.withUnsafeBufferPointer {
      try TableQuantizer(code: code, blockLength: block).quantize(weights: $0, rows: rows, channels: channels)
    }
    let store = ConstantStore()
    let table = try PackedMatrixBuilder(store: store).table(rows: rows, runs: [run])
    let level = try #require(table.levels.first)
    #expect(level.blockCount == (block == 0 ? 1 : (channels + block - 1) / block))
    for row in 0..<rows {
      for channel in 0..<channels {
        let scale = Binary16.value(run.scales[row * level.blockCount + channel / level.blockLength])
        let wanted = weights[row * channels + channel]
        let nearest = (0..<code.codeCount).map { abs(wanted - scale * Float(code.integer($0))) }.min() ?? 0
        let got = abs(Self.value(level, row: row, channel: channel) - wanted)
        #expect(got <= nearest + scale * 1e-5)
      }
    }
  }

  @Test func zeroRowsAreZero() throws {
    let zeros = [Float](repeating: 0, count: 16)
    for code in MatrixQuantizerTests.codes {
      let run = try zeros.withUnsafeBufferPointer {
        try TableQuantizer(code: code, blockLength: 0).quantize(weights: $0, rows: 1, channels: 16)
      }
      let store = ConstantStore()
      let table = try PackedMatrixBuilder(store: store).table(rows: 1, runs: [run])
      for channel in 0..<16 { #expect(Self.value(table.levels[0], row: 0, channel: channel) == 0) }
    }
  }

  @Test func binary16RoundTrips() {
    for bits in UInt16(0)...UInt16(0x7c00) {
      #expect(Binary16.bits(Binary16.value(bits)) == bits)
      #expect(Binary16.bits(-Binary16.value(bits)) == bits | 0x8000)
    }
    for bits in stride(from: UInt32(0), to: 0x7f80_0000, by: 104_729) {
      let value = Float(bitPattern: bits)
      #expect(Binary16.bits(value) == Float16(value).bitPattern)
    }
  }
}
