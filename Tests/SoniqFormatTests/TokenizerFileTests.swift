import SoniqCore
import SoniqGraph
import SoniqText
import Testing

@testable import SoniqFormat

/// The table of a tokenizer: what is written is read, and whatever is wrong with it is an error with field and place.
@Suite struct TokenizerFileTests {
  static let samples = [
    SampleTokenizers.bytes(), SampleTokenizers.scored(), SampleTokenizers.ranked(), SampleTokenizers.words(),
    SampleTokenizers.likely(),
  ]

  /// What reading says of these bytes, with a checksum that fits.
  private static func read(_ bytes: [UInt8]) throws(FormatError) -> Tokenizer? {
    let buffer = AlignedBuffer(copying: bytes)
    var model = ModelDescription(graph: Graph(), metadata: [], owner: [buffer])
    model.tokenizer = TokenizerSection(
      bytes: ConstantBytes(start: UnsafeRawPointer(buffer.start), count: bytes.count), offset: 1000)
    return try TokenizerCoding.tokenizer(of: model)
  }

  @Test(arguments: samples) func whatIsWrittenIsRead(description: TokenizerDescription) throws {
    let bytes = try ModelWriter.serialize(SampleModels.tokens(description))
    #expect(bytes[12] == 3)
    try bytes.withUnsafeBytes { raw in
      let model = try ModelFile.read(bytes: raw, options: ReadOptions(verifyData: true))
      #expect(try TokenizerCoding.read(model) == description)
      #expect(try ModelWriter.serialize(model) == bytes)
      try ModelFile.verify(bytes: raw)
    }
  }

  @Test func aModelWithoutOneHasNone() throws {
    #expect(try TokenizerCoding.tokenizer(of: SampleModels.small()) == nil)
  }

  @Test(arguments: samples) func everyTruncationIsAnError(description: TokenizerDescription) throws {
    let bytes = TokenizerCoding.bytes(of: description)
    #expect(try Self.read(bytes) != nil)
    for count in 0..<bytes.count {
      #expect(throws: FormatError.self, "\(count) of \(bytes.count) bytes") {
        try Self.read(Array(bytes[..<count]))
      }
    }
    #expect(throws: FormatError.self) { try Self.read(bytes + [0]) }
  }

  /// With a checksum that fits, a changed byte gives another tokenizer that works, or an error within the table.
  @Test(arguments: samples, [UInt8(1), 0x7f, 0x80, 0xff])
  func everyFlippedByte(description: TokenizerDescription, mask: UInt8) throws {
    var bytes = TokenizerCoding.bytes(of: description)
    for index in bytes.indices {
      bytes[index] ^= mask
      do throws(FormatError) {
        guard let tokenizer = try Self.read(bytes) else {
          Issue.record("no tokenizer, byte \(index)")
          return
        }
        let ids = tokenizer.encode(Array("<s>hello hi\n \u{e9}".utf8), [.addSpecial, .parseSpecial])
        #expect(ids.allSatisfy { $0 < tokenizer.count })
        _ = tokenizer.decode(ids.map { Int($0) })
      } catch {
        #expect((1000...1000 + bytes.count).contains(error.offset), "byte \(index)")
      }
      bytes[index] ^= mask
    }
  }

  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var code: FormatError.Code
    var field: String
    var offset: Int
    var bytes: [UInt8]
    /// Of `samples`.
    var sample = 0
    var testDescription: String { name }
  }
  private static let word: [UInt8] = [255, 255, 255, 255]
  static let cases = [
    Case(name: "algorithm", code: .unknownTag, field: "algorithm", offset: 0, bytes: [9]),
    Case(name: "split", code: .unknownTag, field: "split", offset: 1, bytes: [77]),
    Case(name: "reserved", code: .reservedNotZero, field: "reserved", offset: 3, bytes: [1]),
    Case(name: "flags", code: .outOfRange, field: "flags", offset: 4, bytes: [0, 64]),
    Case(name: "too many pieces", code: .limitExceeded, field: "pieces.count", offset: 8, bytes: word),
    Case(
      name: "more pieces than bytes", code: .truncated, field: "pieces.count", offset: 8, bytes: [0, 0, 1, 0]),
    Case(name: "too many merges", code: .limitExceeded, field: "merges.count", offset: 12, bytes: word),
    Case(name: "too long a prefix", code: .limitExceeded, field: "prefix.count", offset: 16, bytes: [65]),
    Case(name: "too long a suffix", code: .limitExceeded, field: "suffix.count", offset: 20, bytes: word),
    Case(name: "prefix", code: .indexOutOfRange, field: "prefix", offset: 24, bytes: [15]),
    Case(name: "suffix", code: .indexOutOfRange, field: "suffix", offset: 28, bytes: word),
    Case(name: "left", code: .indexOutOfRange, field: "merges[0].left", offset: 32, bytes: [15]),
    Case(name: "right", code: .indexOutOfRange, field: "merges[3].right", offset: 60, bytes: word),
    Case(
      name: "a merge without a token", code: .inconsistentData, field: "merges[0]", offset: 32, bytes: [3]),
    Case(name: "role", code: .unknownTag, field: "roles", offset: 64, bytes: [6]),
    Case(name: "length", code: .limitExceeded, field: "lengths", offset: 79, bytes: [1, 16]),
    Case(name: "too few bytes", code: .truncated, field: "pieces", offset: 79, bytes: [2]),
    Case(
      name: "score", code: .outOfRange, field: "scores", offset: 28, bytes: [0, 0, 0xc0, 0x7f], sample: 1
    ),
    Case(
      name: "splits for scores", code: .inconsistentData, field: "split", offset: 1, bytes: [1],
      sample: 1),
    Case(
      name: "marks for bytes", code: .inconsistentData, field: "split", offset: 1, bytes: [5]),
    Case(
      name: "a rule without a role", code: .unknownTag, field: "roles", offset: 41, bytes: [0xf6], sample: 2),
    Case(
      name: "a merge of characters without a token", code: .inconsistentData, field: "merges[1]", offset: 32,
      bytes: [4], sample: 2),
    Case(
      name: "merges of words", code: .truncated, field: "merges.count", offset: 12, bytes: [0, 1], sample: 3),
    Case(
      name: "likelihood", code: .outOfRange, field: "likelihoods", offset: 24,
      bytes: [0, 0, 0, 0, 0, 0, 0xf0, 0x7f], sample: 4),
    Case(
      name: "likelihoods beyond the end", code: .truncated, field: "likelihoods", offset: 8,
      bytes: [200], sample: 4),
    Case(
      name: "no map", code: .outOfRange, field: "characterMap.count", offset: 107, bytes: [0, 0],
      sample: 4),
    Case(
      name: "a map beyond the end", code: .truncated, field: "characterMap.count", offset: 109, bytes: [1],
      sample: 4),
    Case(
      name: "too large a map", code: .limitExceeded, field: "characterMap.count", offset: 110, bytes: [1],
      sample: 4),
    Case(
      name: "a trie beyond the map", code: .inconsistentData, field: "characterMap", offset: 113, bytes: [1],
      sample: 4),
  ]

  @Test(arguments: cases) func aWrongFieldIsNamed(wrong: Case) throws {
    var bytes = TokenizerCoding.bytes(of: Self.samples[wrong.sample])
    bytes.replaceSubrange(wrong.offset..<wrong.offset + wrong.bytes.count, with: wrong.bytes)
    let error = try #require(throws: FormatError.self) { try Self.read(bytes) }
    #expect(error.code == wrong.code)
    #expect(error.field == "tokenizer.\(wrong.field)")
    let places = wrong.code == .inconsistentData ? 1000...1000 : 1000...1000 + bytes.count
    #expect(places.contains(error.offset))
  }
}
