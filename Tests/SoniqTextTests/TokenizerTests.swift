import Testing

@testable import SoniqText

@Suite struct TokenizerTests {
  @Test func bytesAreMergedInTheOrderOfTheList() throws {
    let tokenizer = try Tokenizer(.bytes([("b", "c"), ("a", "b"), ("a", "bc"), (" ", "abc")]))
    #expect(tokenizer.words("abc abc ab") == ["abc", " abc", " ", "ab"])
  }

  @Test func equalPairsAreMergedFromTheLeft() throws {
    let tokenizer = try Tokenizer(.bytes([("a", "a"), ("aa", "aa")]))
    #expect(tokenizer.words("aaaaaaa") == ["aaaa", "aa", "a"])
  }

  @Test func wholePiecesAreTakenWhereTheFileSaysSo() throws {
    let merges = [("b", "c"), ("a", "b"), ("ab", "c")]
    #expect(try Tokenizer(.bytes(merges)).words("abc") == ["a", "bc"])
    #expect(try Tokenizer(.bytes(merges, flags: .takesWholePieces)).words("abc") == ["abc"])
  }

  @Test func textIsComposedWhereTheFileSaysSo() throws {
    let text = Array("e\u{301} \u{212b}".utf8)
    let composed = try Tokenizer(.bytes([], flags: .normalizes))
    #expect(composed.decode(composed.encode(text).map { Int($0) }) == Array("\u{e9} \u{c5}".utf8))
    let plain = try Tokenizer(.bytes([]))
    #expect(plain.decode(plain.encode(text).map { Int($0) }) == text)
  }

  @Test func specialTokens() throws {
    var description = TokenizerDescription.bytes([])
    description.add("<s>", .control)
    description.add("<s>>", .userDefined)
    description.add("\n\n", .userDefined)
    (description.prefix, description.suffix) = ([256], [256, 256])
    let tokenizer = try Tokenizer(description)
    #expect(tokenizer.words("a<s>b\n\n\n<s>>") == ["a", "<", "s", ">", "b", "\n\n", "\n", "<s>>"])
    #expect(tokenizer.words("a<s>", .parseSpecial) == ["a", "<s>"])
    #expect(tokenizer.words("<s>>", .parseSpecial) == ["<s>>"], "the longest one")
    #expect(tokenizer.words("", .addSpecial) == ["<s>", "<s>", "<s>"])
    let ids = tokenizer.encode(Array("<s>a".utf8), .parseSpecial).map { Int($0) }
    #expect(tokenizer.decode(ids) == Array("<s>a".utf8))
    #expect(tokenizer.decode(ids, .skipSpecial) == Array("a".utf8))
    #expect(tokenizer.id(ofPiece: Array("<s>".utf8)) == 256)
    #expect(tokenizer.id(ofPiece: Array("<t>".utf8)) == nil)
  }

  private func scored(addsSpace: Bool = true) throws -> Tokenizer {
    var description = TokenizerDescription(algorithm: .scoredMerges, flags: addsSpace ? .addsSpace : [])
    description.add("<unk>", .unknown, score: 0)
    description.add("<s>", .control, score: 0)
    for byte in UInt8.min...UInt8.max { description.add(ByteToken.name(byte), .byte, score: 0) }
    let pieces = [
      ("\u{2581}", -9), ("a", -8), ("b", -7), ("ab", -3), ("ba", -2), ("\u{2581}ab", -4), ("aba", -1),
      ("c", -5),
    ]
    for (piece, score) in pieces { description.add(piece, score: Float(score)) }
    return try Tokenizer(description)
  }

  @Test func theGreatestScoreIsMergedFirst() throws {
    #expect(try scored().words("aba c") == ["\u{2581}", "aba", "\u{2581}", "c"])
    #expect(try scored().words("ab") == ["\u{2581}ab"])
    #expect(try scored(addsSpace: false).words("ab") == ["ab"])
  }

  @Test func bytesStandForOtherCharacters() throws {
    let tokenizer = try scored()
    #expect(tokenizer.words("é") == ["\u{2581}", "<0xC3>", "<0xA9>"])
    for text in [Array("aba é ab".utf8), [0xff, 0x61, 0xe2, 0x96], [0x20, 0x20, 0x61]] {
      #expect(tokenizer.decode(tokenizer.encode(text).map { Int($0) }) == text)
    }
    let ids = tokenizer.encode(Array("ab".utf8)).map { Int($0) }
    #expect(tokenizer.decode(ids, .continues) == Array(" ab".utf8))
  }

  @Test func whatHasNoTokenIsUnknown() throws {
    var description = TokenizerDescription(algorithm: .scoredMerges)
    description.add("<unk>", .unknown, score: 0)
    description.add("a", score: -1)
    #expect(try Tokenizer(description).encode(Array("aéa".utf8)) == [1, 0, 1])
    description.roles[0] = .unused
    #expect(try Tokenizer(description).encode(Array("aéa".utf8)) == [1, 1])
  }

  /// Quadratic work would take hours.
  @Test(arguments: ["a", "ab", " ", "\u{301}", "e\u{301}", "1", "<", "\n"])
  func oneLongWord(unit: String) throws {
    let text = Array(String(repeating: unit, count: 100_000).utf8)
    var description = TokenizerDescription.bytes(
      [("a", "a"), ("aa", "aa"), ("a", "b"), (" ", " "), ("\n", "\n")], split: .llama3, flags: [])
    description.add("<<<<<<<<s>", .control)
    let bytes = try Tokenizer(description)
    #expect(bytes.decode(bytes.encode(text, .parseSpecial).map { Int($0) }) == text)
    let pieces = try scored()
    #expect(pieces.decode(pieces.encode(text).map { Int($0) }) == text)
  }

  @Test func contradictionsAreErrors() {
    var description = TokenizerDescription.bytes([("a", "b")])
    description.merges[0].left = 0
    #expect(throws: TokenizerError("merges[0]", "what the two make together is no token")) {
      try Tokenizer(description)
    }
    description.merges[0].left = 257
    #expect(throws: TokenizerError("merges[0]", "there is no token 257")) { try Tokenizer(description) }
    description.merges = []
    description.prefix = [999]
    #expect(throws: TokenizerError("prefix[0]", "there is no token 999")) { try Tokenizer(description) }
    description.prefix = []
    description.roles.removeLast()
    #expect(throws: TokenizerError("roles", "256 for 257 pieces")) { try Tokenizer(description) }
  }

  @Test func theAlphabetOfBytes() {
    #expect(ByteAlphabet.bytes(Array("Ġa!Ċ".utf8)) == Array(" a!\n".utf8))
    #expect(ByteAlphabet.bytes(Array("€".utf8)) == nil)
  }
}
