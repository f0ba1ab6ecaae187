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
