import SoniqCore
import SoniqTestSupport
import Testing

@Suite struct WeightPackingTests {
  static let codes: [WeightCode] =
    (1...7).map { .bipolar($0) } + (1...8).map { .symmetric($0) } + [
      WeightCode(kind: .affine, bits: 2, zero: 1)
    ]

  @Test(arguments: codes, [1, 3, 4, 5, 8, 31, 32, 33, 95])
  func roundTrip(code: WeightCode, channels: Int) throws {
    for outputs in [1, 15, 16, 17, 40] {
      var generator = SeededGenerator(seed: UInt64(outputs * 1000 + channels))
      let codes = (0..<outputs * channels).map { _ in
        UInt8.random(in: 0...UInt8(code.codeCount - 1), using: &generator)
      }
      let packing = try #require(WeightPacking(code: code, outputs: outputs, channels: channels))
      let buffer = AlignedBuffer(byteCount: packing.byteCount)
      let bytes = UnsafeMutableRawBufferPointer(start: buffer.start, count: buffer.count)
      codes.withUnsafeBufferPointer { packing.pack($0, into: bytes) }
      #expect(packing.unpack(UnsafeRawBufferPointer(bytes)) == codes, "seed \(generator.seed)")
    }
  }

  @Test func oneByteTile() throws {
    let packing = try #require(WeightPacking(code: .symmetric(8), outputs: 2, channels: 5))
    let buffer = AlignedBuffer(byteCount: packing.byteCount)
    let codes: [UInt8] = [128, 129, 127, 0, 255, 1, 2, 3, 4, 5]
    codes.withUnsafeBufferPointer {
      packing.pack($0, into: UnsafeMutableRawBufferPointer(start: buffer.start, count: buffer.count))
    }
    let stored = buffer.bound(to: Int8.self)
    #expect(packing.byteCount == 128)
    #expect(Array(stored[0..<8]) == [0, 1, -1, -128, -127, -126, -125, -124])
    #expect(Array(stored[64..<69]) == [127, 0, 0, 0, -123])
  }

  @Test func planesAreMostSignificantFirst() throws {
    let packing = try #require(WeightPacking(code: .bipolar(2), outputs: 1, channels: 32))
    let buffer = AlignedBuffer(byteCount: packing.byteCount)
    var codes = [UInt8](repeating: 0, count: 32)
    codes[5] = 2  // high bit only: plane 0, byte 1, low nibble bit 1
    codes[20] = 1  // low bit only: plane 1, byte 1, high nibble bit 0
    codes.withUnsafeBufferPointer {
      packing.pack($0, into: UnsafeMutableRawBufferPointer(start: buffer.start, count: buffer.count))
    }
    let bytes = buffer.bound(to: UInt8.self)
    #expect(Array(bytes[0..<4]) == [0, 2, 0, 0])
    #expect(Array(bytes[64..<68]) == [0, 16, 0, 0])
  }

  @Test func storedSumsUseTheStoredInteger() throws {
    let codes: [UInt8] = [0, 255, 128]
    let bytes = try #require(WeightPacking(code: .symmetric(8), outputs: 1, channels: 3))
    #expect(codes.withUnsafeBufferPointer { bytes.storedSums($0) }.first == -1)
    let bits: [UInt8] = [0, 1, 1]
    let planes = try #require(WeightPacking(code: .bipolar(1), outputs: 1, channels: 3))
    #expect(bits.withUnsafeBufferPointer { planes.storedSums($0) }.first == 2)
  }

  @Test func refusesWhatCannotBePacked() {
    #expect(WeightPacking(code: .bipolar(8), outputs: 1, channels: 1) == nil)
    #expect(WeightPacking(code: .bipolar(1), outputs: 0, channels: 1) == nil)
    #expect(WeightPacking(code: .bipolar(1), outputs: .max, channels: 2) == nil)
    #expect(WeightPacking(code: .bipolar(1), outputs: 1, channels: .max) == nil)
  }
}
