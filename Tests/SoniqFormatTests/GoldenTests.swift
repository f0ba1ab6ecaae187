import SoniqCore
import Foundation
import SoniqGraph
import Testing

@testable import SoniqFormat

/// One file per released version of the format must load for ever; see Golden/README.md.
@Suite struct GoldenTests {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Golden")
  /// What version 2 added, a file for each part. Its bytes are fixed when it is released.
  static let version2: [SampleModel] = [.tensors, .convolutions, .attention, .sums, .bias, .branches]
  /// What version 3 added.
  static let version3: [SampleModel] = [
    .levels, .tied, .decoder, .sizes, .outputs, .types, .images, .states, .codedStates,
    .narrowStates, .recurrence, .functions, .scatter, .sampled, .sorted, .byteTokens,
    .scoredTokens, .rankedTokens, .wordTokens, .likelyTokens,
  ]
  static func file(_ sample: SampleModel, _ suffix: String) -> URL {
    folder.appending(path: "version\(version3.contains(sample) ? 3 : 2)-\(sample).\(suffix)")
  }
  static let version1 = folder.appending(path: "version1.soniq")
  static let version1Text = folder.appending(path: "version1.txt")
  /// The first input of the fuzzer, Tests/Fuzz/model.c.
  static let fuzzSeed = folder.deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fuzz/seeds/model/small.soniq")
  static let regenerates = ProcessInfo.processInfo.environment["SONIQ_REGENERATE_GOLDEN"] != nil

  /// The hash of the file as released: nobody changes it unnoticed.
  static let version1Hash: UInt64 = 0x71ab_a079_341c_cb0b

  @Test func version1Loads() throws {
    let bytes = try Data(contentsOf: Self.version1)
    #expect(bytes.withUnsafeBytes { XXHash64.hash($0) } == Self.version1Hash)
    let model = try ModelFile.open(path: Self.version1.path, options: ReadOptions(verifyData: true))
    try ModelFile.verify(path: Self.version1.path)
    let text = try String(contentsOf: Self.version1Text, encoding: .utf8)
    #expect(ModelText.describe(model) == text)
  }

  /// The writer still makes the same bytes, from the model that was read and from its source.
  @Test func version1IsReproduced() throws {
    let bytes = try [UInt8](Data(contentsOf: Self.version1))
    let model = try ModelFile.open(path: Self.version1.path)
    #expect(try ModelWriter.serialize(model) == bytes)
    #expect(try ModelWriter.serialize(SampleModels.complete()) == bytes)
  }

  @Test(arguments: version2 + version3)
  func laterPartsLoadAndAreReproduced(sample: SampleModel) throws {
    let file = Self.file(sample, "soniq")
    let bytes = try [UInt8](Data(contentsOf: file))
    let model = try ModelFile.open(path: file.path, options: ReadOptions(verifyData: true))
    try ModelFile.verify(path: file.path)
    #expect(
      ModelText.describe(model) == (try String(contentsOf: Self.file(sample, "txt"), encoding: .utf8)))
    #expect(Self.version3.contains(sample) == (bytes[12] == 3))
    #expect(try ModelWriter.serialize(model) == bytes)
    #expect(try ModelWriter.serialize(sample.make()) == bytes)
  }

  @Test func fuzzSeedIsAModel() throws { try ModelFile.verify(path: Self.fuzzSeed.path) }

  @Test(.enabled(if: regenerates)) func regenerate() throws {
    let model = SampleModels.complete()
    try ModelWriter.write(model, toPath: Self.version1.path)
    try Data(ModelText.describe(model).utf8).write(to: Self.version1Text)
    try ModelWriter.write(SampleModels.small(), toPath: Self.fuzzSeed.path)
    for sample in Self.version2 + Self.version3 {
      try ModelWriter.write(sample.make(), toPath: Self.file(sample, "soniq").path)
      try Data(ModelText.describe(sample.make()).utf8).write(to: Self.file(sample, "txt"))
    }
    let hash = try Data(contentsOf: Self.version1).withUnsafeBytes { XXHash64.hash($0) }
    print("version1Hash: 0x\(String(hash, radix: 16))")
  }
}
