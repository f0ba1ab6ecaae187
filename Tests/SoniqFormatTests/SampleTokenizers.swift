import SoniqCore
import SoniqGraph
import SoniqText

@testable import SoniqFormat

/// Tokenizers of few tokens that use every field.
enum SampleTokenizers {
  static func bytes() -> TokenizerDescription {
    var description = TokenizerDescription(
      algorithm: .byteMerges, split: .llama3, flags: [.takesWholePieces, .normalizes])
    for byte in "helo \n".utf8 { description.add([byte]) }
    for piece in ["he", "ll", "hell", "hello"] { description.add(Array(piece.utf8)) }
    description.add([0xff], .unused)
    description.add(Array("<s>".utf8), .control)
    description.add(Array("</s>".utf8), .control)
    description.add(Array("<tool>".utf8), .userDefined)
    description.add(Array("<unk>".utf8), .unknown)
    description.merges = [(0, 1), (2, 2), (6, 7), (8, 3)].map { .init(left: $0, right: $1) }
    (description.prefix, description.suffix) = ([11], [12])
    return description
  }

  static func scored() -> TokenizerDescription {
    var description = TokenizerDescription(algorithm: .scoredMerges, flags: .addsSpace)
    description.add(Array("<unk>".utf8), .unknown, score: 0)
    description.add(Array("<s>".utf8), .control, score: 0)
    description.add(Array("<0x0A>".utf8), .byte, score: 0)
    for (piece, score) in [("\u{2581}", -9), ("h", -8), ("i", -7.5), ("hi", -1), ("\u{2581}hi", -0.25)] {
      description.add(Array(piece.utf8), score: Float(score))
    }
    description.prefix = [1]
    return description
  }

  static func ranked() -> TokenizerDescription {
    var description = TokenizerDescription(
      algorithm: .rankedMerges, split: .marks,
      flags: [.addsSpace, .addsMissingSpace, .addsFirstSpace, .fusesUnknown])
    description.add(Array("<unk>".utf8), .unknown)
    description.add(Array("<mask>".utf8), .control)
    description.add(Array("hello".utf8), .userDefined)
    for piece in ["\u{2581}", "h", "i", "hi", "\u{2581}hi"] { description.add(Array(piece.utf8)) }
    description.rules = [1: .takesSpaceBefore, 2: [.normalized, .wholeWord, .takesSpaceBehind]]
    description.merges = [(4, 5), (3, 6)].map { .init(left: $0, right: $1) }
    return description
  }

  static func words() -> TokenizerDescription {
    var description = TokenizerDescription(
      algorithm: .wordPieces, split: .signs, flags: [.cleans, .spacesHan, .stripsAccents, .lowercases])
    description.add(Array("[UNK]".utf8), .unknown)
    description.add(Array("[CLS]".utf8), .control)
    description.add(Array("[SEP]".utf8), .control)
    for piece in ["he", "##l", "##lo", "hi", "e"] { description.add(Array(piece.utf8)) }
    (description.prefix, description.suffix) = ([1], [2])
    return description
  }

  static func likely() -> TokenizerDescription {
    var description = TokenizerDescription(
      algorithm: .likelyPieces, split: .words,
      flags: [.addsSpace, .addsMissingSpace, .stripsStart, .stripsEnd, .joinsSpaces])
    let pieces = [
      ("<unk>", 0), ("\u{2581}", -3.5), ("\u{2581}h", -4), ("el", -4.25), ("lo", -5), ("l", -6.125),
    ]
    for (id, (piece, likelihood)) in pieces.enumerated() {
      description.add(Array(piece.utf8), id == 0 ? .unknown : .normal)
      description.likelihoods.append(likelihood)
    }
    description.characterMap = characterMap()
    return description
  }

  /// Writes an E as el: a trie of one leaf, and its text.
  private static func characterMap() -> [UInt8] {
    var units = [UInt32](repeating: 0, count: 256)
    units[0] = 1 << 10  // its children stand at 1 xor their bytes
    let place = 1 ^ Int(UInt8(ascii: "E"))
    units[place] = UInt32(place ^ 2) << 10 | 1 << 8 | UInt32(UInt8(ascii: "E"))
    units[2] = 1 << 31  // the text at place 0
    var bytes: [UInt8] = []
    for word in [UInt32(4 * units.count)] + units {
      for shift in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: word >> UInt32(8 * shift))) }
    }
    return bytes + Array("el\0".utf8)
  }
}

extension TokenizerDescription {
  mutating func add(_ piece: [UInt8], _ role: TokenRole = .normal, score: Float? = nil) {
    pieces.append(piece)
    roles.append(role)
    if let score { scores.append(score) }
  }
}

extension SampleModels {
  /// A small model with a tokenizer.
  static func tokens(_ description: TokenizerDescription) -> ModelDescription {
    var model = outputs()
    model.setTokenizer(description)
    return model
  }
}
