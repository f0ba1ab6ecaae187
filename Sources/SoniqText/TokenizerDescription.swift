/// How a text becomes tokens.
package enum TokenizerAlgorithm: UInt8, Sendable, Hashable, CaseIterable {
  /// Bytes that are merged in the order of a list, within the pieces that a `TextSplit` makes.
  case byteMerges = 1
  /// Characters that are merged to the piece of greatest score, over all of a text (SentencePiece).
  case scoredMerges = 2
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
    package static let all: Flags = [.takesWholePieces, .normalizes, .addsSpace]
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
  /// Of `scoredMerges`: one a piece, finite.
  package var scores: [Float] = []
  /// Of `byteMerges`: the first is merged first.
  package var merges: [Merge] = []
  /// Set before and behind a text when the caller asks for it.
  package var prefix: [UInt32] = []
  package var suffix: [UInt32] = []

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
  /// Of a text.
  package static let textBytes = 1 << 28
}
