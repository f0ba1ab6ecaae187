import Testing

@testable import SoniqText

/// Merges of characters by a list, words, and the likeliest pieces; Tests/Text compares far more with the `tokenizers`
/// package.
@Suite struct TokenizerKindsTests {
  private func ranked(
    _ merges: [(String, String)], letters: String = "abc", split: TextSplit = .none,
    flags: TokenizerDescription.Flags = [.addsSpace]
  ) -> TokenizerDescription {
    var description = TokenizerDescription(algorithm: .rankedMerges, split: split, flags: flags)
    description.add("<unk>", .unknown)
    var ids = ["<unk>": 0]
    func add(_ piece: String) {
      ids[piece] = description.pieces.count
      description.add(piece)
    }
    for letter in "\u{2581}" + letters { add(String(letter)) }
    for (left, right) in merges {
      description.merges.append(.init(left: UInt32(ids[left] ?? 0), right: UInt32(ids[right] ?? 0)))
      add(left + right)
    }
    return description
  }

  @Test func charactersAreMergedInTheOrderOfTheList() throws {
    let merges = [("b", "c"), ("a", "b"), ("a", "bc"), ("\u{2581}", "abc")]
    let tokenizer = try Tokenizer(ranked(merges))
    #expect(tokenizer.words("abc ab") == ["\u{2581}abc", "\u{2581}", "ab"])
    #expect(tokenizer.decode(tokenizer.encode(Array("abc ab".utf8)).map { Int($0) }) == Array("abc ab".utf8))
  }

  @Test func whereSpacesAreAdded() throws {
    var description = ranked([], flags: [.addsSpace, .addsMissingSpace])
    description.add("<s>", .userDefined)
    let mark = "\u{2581}"
    #expect(try Tokenizer(description).words(" a<s>a") == [mark, "a", "<s>", mark, "a"])
    description.flags.insert(.addsFirstSpace)
    #expect(try Tokenizer(description).words("a<s>a") == [mark, "a", "<s>", "a"])
    #expect(try Tokenizer(description).words("<s>a") == ["<s>", "a"])
    description.flags = []
    #expect(try Tokenizer(description).words("a b") == ["a", mark, "b"])
  }

  @Test func neighboursThatAreUnknownMayBeOne() throws {
    var description = ranked([])
    #expect(try Tokenizer(description).encode(Array("éèa".utf8)) == [1, 0, 0, 2])
    description.flags.insert(.fusesUnknown)
    #expect(try Tokenizer(description).encode(Array("éèaé".utf8)) == [1, 0, 2, 0])
    description.roles[0] = .unused
    #expect(try Tokenizer(description).encode(Array("éa".utf8)) == [1, 2])
  }

  /// Words are merged by themselves where no token goes over their border, and together where one does.
  @Test func tokensThatGoOverSpaces() throws {
    let mark = "\u{2581}"
    let tokenizer = try Tokenizer(ranked([(mark, mark), ("a", mark + mark), (mark, "b")]))
    #expect(tokenizer.words("a  b c") == [mark, "a\u{2581}\u{2581}", "b", mark, "c"])
    #expect(!tokenizer.isApart(UInt8(ascii: "a")) && tokenizer.isApart(UInt8(ascii: "b")))
  }

  @Test func namesWithRules() throws {
    var description = TokenizerDescription.bytes([], flags: .normalizes)
    for (piece, rule) in [
      ("the", NameRule.wholeWord), ("<m>", [.takesSpaceBefore]), ("<n>", [.takesSpaceBehind]),
      ("e\u{301}", [.normalized]),
    ] {
      description.rules[description.pieces.count] = rule
      description.add(piece, .userDefined)
    }
    let tokenizer = try Tokenizer(description)
    #expect(tokenizer.words("a the.") == ["a", " ", "the", "."])
    #expect(tokenizer.words("athe") == ["a", "t", "h", "e"])
    #expect(tokenizer.words("the_") == ["t", "h", "e", "_"])
    #expect(tokenizer.encode(Array("thé".utf8)).count == 3)
    #expect(tokenizer.encode(Array("a \n<m> <n>  b".utf8)) == [97, 257, 32, 258, 98].map { UInt32($0) })
    #expect(tokenizer.encode(Array("\u{e9}".utf8)) == [259])
  }

  private func words() -> TokenizerDescription {
    var description = TokenizerDescription(
      algorithm: .wordPieces, split: .signs, flags: [.cleans, .spacesHan, .stripsAccents, .lowercases])
    description.add("[UNK]", .unknown)
    description.add("[CLS]", .control)
    for piece in ["un", "unhap", "##happy", "##py", "e", "!", "\u{4eba}", "i"] { description.add(piece) }
    return description
  }

  @Test func wordsAreCutFromTheLeft() throws {
    let tokenizer = try Tokenizer(words())
    #expect(tokenizer.words("unhappy") == ["unhap", "##py"])
    #expect(tokenizer.words("UN\u{301} \u{c9}!!") == ["un", "e", "!", "!"])
    #expect(tokenizer.words("e\u{4eba}e\u{0}\u{ad}\u{130}") == ["e", "\u{4eba}", "[UNK]"])
    #expect(tokenizer.words("une un") == ["[UNK]", "un"])
    #expect(tokenizer.words(String(repeating: "e", count: 101)) == ["[UNK]"])
    let ids = tokenizer.encode(Array("[CLS] unhappy e!".utf8), .parseSpecial).map { Int($0) }
    #expect(tokenizer.decode(ids, .skipSpecial) == Array("unhappy e!".utf8))
    #expect(tokenizer.decode(ids) == Array("[CLS] unhappy e!".utf8))
    #expect(tokenizer.decode([6], .continues) == Array(" e".utf8))
  }

  private func likely(bytes: Bool = false) -> TokenizerDescription {
    var description = TokenizerDescription(
      algorithm: .likelyPieces, split: .words, flags: [.addsSpace, .addsMissingSpace])
    let pieces = [
      ("\u{2581}", -2.0), ("a", -1), ("b", -1), ("ab", -1.5), ("\u{2581}a", -2.5), ("\u{2581}ab", -4),
    ]
    description.add("<unk>", .unknown)
    for (piece, _) in pieces { description.add(piece) }
    description.likelihoods = [0] + pieces.map(\.1)
    if bytes {
      for byte in UInt8.min...UInt8.max {
        description.add(ByteToken.name(byte), .byte)
        description.likelihoods.append(-9)
      }
    }
    return description
  }

  @Test func theLikeliestPieces() throws {
    let tokenizer = try Tokenizer(likely())
    #expect(tokenizer.words("ab") == ["\u{2581}", "ab"], "-3.5 is more than -4")
    #expect(tokenizer.words(" a \n ab ") == ["\u{2581}a", "\u{2581}", "ab"])
    #expect(tokenizer.words("aéèb") == ["\u{2581}a", "<unk>", "b"])
    let bytes = try Tokenizer(likely(bytes: true))
    #expect(bytes.words("éb") == ["\u{2581}", "<0xC3>", "<0xA9>", "b"])
    #expect(bytes.decode(bytes.encode(Array("aéb ab".utf8)).map { Int($0) }) == Array("aéb ab".utf8))
  }

  @Test func stripsAndJoins() throws {
    var description = likely()
    (description.split, description.flags) = (.none, [.addsSpace, .stripsStart, .stripsEnd, .joinsSpaces])
    #expect(try Tokenizer(description).words("\u{a0} a   b \n") == ["\u{2581}a", "\u{2581}", "b"])
    #expect(try Tokenizer(description).words(" \n ") == [])
  }

  // MARK: Memory

  private func memory(_ tokenizer: Tokenizer, _ text: String, limit: Int = .max) -> (ids: Int?, asked: Int) {
    let asked = Counter()
    let ids = tokenizer.encode(
      Array(text.utf8), into: UnsafeMutableBufferPointer(start: nil, count: 0), allowance: 1 << 18
    ) {
      asked.bytes += $0
      return asked.bytes <= limit
    }
    return (ids, asked.bytes)
  }

  private final class Counter { var bytes = 0 }

  private func kinds() throws -> [Tokenizer] {
    try [
      Tokenizer(.bytes([("a", "b")], split: .llama3, flags: .normalizes)), Tokenizer(ranked([("a", "b")])),
      Tokenizer(words()), Tokenizer(likely()),
    ]
  }

  @Test func textsNeedWhatTheirLongestWordNeeds() throws {
    for tokenizer in try kinds() {
      let text = String(repeating: "ab bé ", count: 200_000)
      let (ids, asked) = memory(tokenizer, text)
      #expect(try #require(ids) >= 400_000)
      #expect(asked < 32 * text.utf8.count)
      #expect(memory(tokenizer, "ab ab").asked == 0)
    }
  }

  @Test func whereThereIsNoMemoryThereAreNoIds() throws {
    for tokenizer in try kinds() {
      let text = String(repeating: "abé", count: 300_000)
      let (ids, asked) = memory(tokenizer, text)
      #expect(ids != nil && asked > 0)
      for part in 0..<4 { #expect(memory(tokenizer, text, limit: asked * part / 4).ids == nil) }
    }
  }

  @Test func whatIsStrippedIsACopyThatIsAskedFor() throws {
    var description = likely()
    description.flags = []
    let text = " " + String(repeating: "ab", count: 2_000_000)
    let (plain, asked) = try memory(Tokenizer(description), text)
    description.flags = .stripsStart
    let (stripped, more) = try memory(Tokenizer(description), text)
    #expect(plain != nil && stripped != nil && more >= asked + 3_000_000)
  }

  /// A map that writes a letter as a long text: trie, leaf and text, as the format of SentencePiece has them.
  private func map(_ letter: UInt8, to count: Int) -> [UInt8] {
    var units = [UInt32](repeating: 0, count: 512)
    let node = 256 ^ Int(letter)
    units[0] = 256 << 10
    units[node] = 1 << 10 | 1 << 8 | UInt32(letter)
    let words = [UInt32(4 * units.count)] + units
    let head = words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
    return head + [UInt8](repeating: UInt8(ascii: "b"), count: count) + [0]
  }

  @Test func namesDoNotGrowWithoutBound() throws {
    var description = likely()
    description.rules[description.pieces.count] = .normalized
    description.add(String(repeating: "a", count: 4000), .userDefined)
    description.likelihoods.append(0)
    description.characterMap = map(UInt8(ascii: "a"), to: 2)
    #expect(try Tokenizer(description).words("a").last == "b")
    for count in [10, 1000, 1 << 20] {
      description.characterMap = map(UInt8(ascii: "a"), to: count)
      let error = #expect(throws: TokenizerError.self) { try Tokenizer(description) }
      #expect(
        error?.field == "pieces[7]" && error?.message == "is too long when it is normalised", "\(count)")
    }
  }
}
