import SoniqCore
import SoniqGraph
import Testing

@testable import SoniqFormat

@Suite struct RoundTripTests {
  @Test(arguments: SampleModel.allCases)
  func everythingComesBack(sample: SampleModel) throws {
    let model = sample.make()
    let bytes = try ModelWriter.serialize(model)
    try bytes.withUnsafeBytes { raw in
      let read = try ModelFile.read(bytes: raw, options: ReadOptions(verifyData: true))
      #expect(ModelText.describe(read) == ModelText.describe(model))
      try ModelFile.verify(bytes: raw)
      #expect(try ModelWriter.serialize(read) == bytes)
    }
  }
}
