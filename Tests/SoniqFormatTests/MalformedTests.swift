import SoniqCore
import SoniqGraph
import Testing

@testable import SoniqFormat

/// The corpus of malformed files, all with right checksums: each is refused for the right reason.
@Suite struct MalformedTests {
  static let atOpen: [MalformedCase] =
    MalformedHeaders.header + MalformedHeaders.directory + MalformedTables.counts + MalformedTables.texts
    + MalformedTables.tags + MalformedTables.graphs + MalformedConstants.sizes + MalformedConstants.levels
    + MalformedConstants.numbers + MalformedTensors.attributes + MalformedLevels.records
    + MalformedLevels.tables + MalformedSizes.records
    + MalformedLevels.codes + MalformedLevels.groups + MalformedDecoders.attributes + MalformedOutputs.all
    + MalformedTypes.types + MalformedStates.all + MalformedRecurrences.all + MalformedScatters.all
    + MalformedSamples.all

  @Test(arguments: atOpen)
  func isRefused(malformed: MalformedCase) throws {
    let bytes = try malformed.bytes()
    let error = try #require(
      bytes.withUnsafeBytes { raw in
        Self.error { () throws(FormatError) in _ = try ModelFile.read(bytes: raw) }
      })
    #expect(error.code == malformed.code)
    #expect(error.field == malformed.field, "\(error)")
    #expect((0...bytes.count).contains(error.offset))
    #expect(error.message.contains("byte \(error.offset)"))
  }

  @Test(arguments: MalformedConstants.deep + MalformedLevels.deep)
  func isRefusedByVerification(malformed: MalformedCase) throws {
    let bytes = try malformed.bytes()
    try bytes.withUnsafeBytes { raw in
      let options = ReadOptions(verifyData: true)
      let opening = Self.error { () throws(FormatError) in
        _ = try ModelFile.read(bytes: raw, options: options)
      }
      #expect(opening == nil)
      let error = try #require(Self.error { () throws(FormatError) in try ModelFile.verify(bytes: raw) })
      #expect(error.code == malformed.code)
      #expect(error.field == malformed.field)
    }
  }

  @Test func samplesAreWellFormed() throws {
    for sample in SampleModel.allCases {
      let model = sample.make()
      #expect(try RawFile(model).build() == ModelWriter.serialize(model))
    }
  }

  /// The offset of an error is that of the very bytes.
  @Test func offsetsPointAtTheElement() throws {
    var file = try RawFile(SampleModels.small())
    file.set(section: 14, at: 4, to: Float.nan.bitPattern)
    let bytes = file.build()
    let error = try #require(
      bytes.withUnsafeBytes { raw in
        Self.error { () throws(FormatError) in _ = try ModelFile.read(bytes: raw) }
      })
    let element = Array(bytes[error.offset..<(error.offset + 4)])
    #expect(element == RawFile.littleEndian(Float.nan.bitPattern))
  }

  @Test func checksumsAreVerified() throws {
    for kind in 0..<12 {
      var bytes = try ModelWriter.serialize(SampleModels.small())
      let directory = try bytes.withUnsafeBytes { raw in
        let buffer = AlignedBuffer(copying: Array(raw))
        return try SectionDirectory(ConstantBytes(buffer).raw)
      }
      bytes[directory.sections[kind].offset] ^= 1
      let error = try #require(DamageTests.readError(bytes))
      #expect(error.code == .checksumMismatch)
      #expect(error.field == "directory[\(kind)].checksum")
    }
  }

  static func error(_ body: () throws(FormatError) -> Void) -> FormatError? {
    do throws(FormatError) {
      try body()
      return nil
    } catch { return error }
  }
}
