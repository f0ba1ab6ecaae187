/// How a text becomes tokens.
package enum TokenizerAlgorithm: UInt8, Sendable, Hashable, CaseIterable {
  /// Bytes that are merged in the order of a list, within the pieces that a `TextSplit` makes.
  case byteMerges = 1
  /// Characters that are merged to the piece of greatest score, over all of a text (SentencePiece).
  case scoredMerges = 2
  /// Characters that are merged in the order of a list (SentencePiece, as Hugging Face's files have it).
  case rankedMerges = 3
  /// Words that are cut into the longest pieces from the left (WordPiece).
  case wordPieces = 4
  /// The pieces that are likeliest together (SentencePiece's unigram).
  case likelyPieces = 5

  package var hasMerges: Bool { self == .byteMerges || self == .rankedMerges }
  /// Whether spaces are U+2581.
  var marksSpaces: Bool { self != .byteMerges && self != .wordPieces }
  var splits: [TextSplit] {
    switch self {
    case .byteMerges: [.none, .gpt2, .llama3, .qwen2, .digitsThenGPT2]
    case .scoredMerges: [.none]
    case .rankedMerges: [.none, .marks]
    case .wordPieces: [.signs]
    case .likelyPieces: [.none, .marks, .words]
    }
  }
}

/// Where a text is cut before its pieces are merged.
package enum TextSplit: UInt8, Sendable, Hashable, CaseIterable {
  case none = 0
  /// Words with the space before them, numbers, others.
  case gpt2 = 1
  /// Numbers in pieces of at most three digits, a sign before a word is part of it, line ends stay together.
  case llama3 = 2
  /// As llama3, each digit alone.
  case qwen2 = 3
  /// Each digit alone, what is between them as gpt2.
  case digitsThenGPT2 = 4
  /// Before each U+2581.
  case marks = 5
  /// At white space, which is dropped.
  case words = 6
  /// The same, and each sign alone.
  case signs = 7
}

/// What a token is for.
package enum TokenRole: UInt8, Sendable, Hashable, CaseIterable {
  case normal = 0
  /// Stands for what no token does.
  case unknown = 1
  /// Steers the model; made of text only where the caller asks for it.
  case control = 2
  /// A text that is always this token.
  case userDefined = 3
  /// No text gives it.
  case unused = 4
  /// One byte, whatever its text is.
  case byte = 5
}

/// How the name of a special token is found in a text.
package struct NameRule: OptionSet, Sendable, Hashable {
  package var rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }
  /// In the normalised text; else in the text as it is.
  package static let normalized = NameRule(rawValue: 1)
  /// Only between characters that are part of no word.
  package static let wholeWord = NameRule(rawValue: 2)
  /// White space before it is part of it.
  package static let takesSpaceBefore = NameRule(rawValue: 4)
  package static let takesSpaceBehind = NameRule(rawValue: 8)
}

/// What a file says of a tokenizer. Tokens are named by their ids, places in `pieces`.
package struct TokenizerDescription: Sendable, Equatable {
  package struct Flags: OptionSet, Sendable, Hashable {
    package var rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    /// A piece of the text that is a token is that token, without merging.
    package static let takesWholePieces = Flags(rawValue: 1)
    /// The text is brought to Unicode's normal form C first.
    package static let normalizes = Flags(rawValue: 2)
    /// A space is set before the text, and behind each special token.
    package static let addsSpace = Flags(rawValue: 4)
    /// With `addsSpace`: not where there is one.
    package static let addsMissingSpace = Flags(rawValue: 8)
    /// With `addsSpace`: only at the beginning of the text.
    package static let addsFirstSpace = Flags(rawValue: 16)
    /// Neighbours that are unknown are one token.
    package static let fusesUnknown = Flags(rawValue: 32)
    /// Control characters are dropped, white space becomes spaces.
    package static let cleans = Flags(rawValue: 64)
    /// Spaces are set around Han characters.
    package static let spacesHan = Flags(rawValue: 128)
    package static let stripsAccents = Flags(rawValue: 256)
    package static let lowercases = Flags(rawValue: 512)
    /// White space at the end of the text is dropped, and at its beginning.
    package static let stripsEnd = Flags(rawValue: 1024)
    package static let stripsStart = Flags(rawValue: 2048)
    /// Two and more spaces become one.
    package static let joinsSpaces = Flags(rawValue: 4096)
    package static let all = Flags(rawValue: 8191)
  }
  package struct Merge: Sendable, Hashable {
    package var left: UInt32
    package var right: UInt32
    package init(left: UInt32, right: UInt32) { (self.left, self.right) = (left, right) }
  }
  package var algorithm: TokenizerAlgorithm
  package var split: TextSplit
  package var flags: Flags
  /// Of `byteMerges` the bytes that a token stands for, else its text.
  package var pieces = PieceList()
  package var roles: [TokenRole] = []
  /// Of special tokens, by id; of the others, and those that are not in it, nothing.
  package var rules: [Int: NameRule] = [:]
  /// Of `scoredMerges`: one a piece, finite.
  package var scores: [Float] = []
  /// Of `likelyPieces`: the logarithms of probabilities, one a piece, finite.
  package var likelihoods: [Double] = []
  /// Of `byteMerges` and `rankedMerges`: the first is merged first.
  package var merges: [Merge] = []
  /// Set before and behind a text when the caller asks for it.
  package var prefix: [UInt32] = []
  package var suffix: [UInt32] = []
  /// What characters are written as, as SentencePiece has it (`CharacterMap`); empty: as they are.
  package var characterMap: [UInt8] = []

  package init(algorithm: TokenizerAlgorithm, split: TextSplit = .none, flags: Flags = []) {
    (self.algorithm, self.split, self.flags) = (algorithm, split, flags)
  }
}

package enum TokenizerLimits {
  package static let pieces = 1 << 22
  /// Of one piece.
  package static let pieceBytes = 1 << 12
  /// Of all pieces.
  package static let bytes = 1 << 24
  package static let merges = 1 << 22
  /// Of prefix or suffix.
  package static let affix = 64
  /// Of a character map.
  package static let mapBytes = 1 << 22
  /// Memory in which the name of one token is normalised: some thousand bytes of text.
  static let nameRoom = 1 << 19
  /// How much longer normalising may make all names together.
  static let growth = 8
  /// Of a text.
  package static let textBytes = 1 << 28
  /// Of a word that becomes `wordPieces`, in characters: a longer one is unknown.
  static let wordCharacters = 100
}
