import SoniqCore
import SoniqGraph
import Testing

@testable import SoniqFormat

/// Every truncation and every flipped byte of a small model, of each version of the format.
@Suite struct DamageTests {
  @Test(arguments: [
    SampleModel.small, .tensors, .convolutions, .bias, .levels, .tied, .decoder, .sizes, .outputs, .types,
    .images, .states, .codedStates, .narrowStates, .recurrence, .scatter, .sampled, .sorted, .byteTokens,
    .scoredTokens,
  ])
  func everyTruncationIsAnError(sample: SampleModel) throws {
    let bytes = try ModelWriter.serialize(sample.make())
    for count in 0..<bytes.count {
      let error = Self.readError(Array(bytes[..<count]))
      #expect(error != nil, "\(count) of \(bytes.count) bytes")
      #expect((0...count).contains(error?.offset ?? -1))
    }
  }

  @Test func everyExtensionIsAnError() throws {
    let bytes = try ModelWriter.serialize(SampleModels.small())
    for count in 1...130 {
      #expect(Self.readError(bytes + [UInt8](repeating: 0, count: count)) != nil, "\(count) bytes more")
    }
  }

  /// With all checksums verified each flip is found; without, the model still passes all rules of graphs.
  @Test(
    arguments: [UInt8(0x01), 0x80, 0xff],
    [
      SampleModel.small, .tensors, .convolutions, .bias, .levels, .decoder, .sizes, .outputs, .types, .images,
      .states, .codedStates, .narrowStates, .recurrence, .scatter, .sampled, .sorted, .byteTokens,
      .scoredTokens,
    ])
  func everyFlippedByte(mask: UInt8, sample: SampleModel) throws {
    let original = try ModelWriter.serialize(sample.make())
    let buffer = AlignedBuffer(copying: original)
    let bytes = UnsafeMutableRawBufferPointer(start: buffer.start, count: buffer.count)
    for index in original.indices {
      bytes[index] ^= mask
      let raw = UnsafeRawBufferPointer(bytes)
      #expect(throws: FormatError.self, "byte \(index)") {
        try ModelFile.read(bytes: raw, options: ReadOptions(verifyData: true))
      }
      do throws(FormatError) {
        let model = try ModelFile.read(bytes: raw)
        #expect(throws: Never.self) { try model.graph.validate() }
      } catch {
        #expect((0...original.count).contains(error.offset))
      }
      bytes[index] ^= mask
    }
  }

  static func readError(_ bytes: [UInt8]) -> FormatError? {
    bytes.withUnsafeBytes { raw in
      do throws(FormatError) {
        _ = try ModelFile.read(bytes: raw, options: ReadOptions(verifyData: true))
        return nil
      } catch { return error }
    }
  }
}
