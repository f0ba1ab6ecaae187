@testable import SoniqText

extension TokenizerDescription {
  mutating func add(_ piece: [UInt8], _ role: TokenRole = .normal, score: Float? = nil) {
    pieces.append(piece)
    roles.append(role)
    if let score { scores.append(score) }
  }

  mutating func add(_ piece: String, _ role: TokenRole = .normal, score: Float? = nil) {
    add(Array(piece.utf8), role, score: score)
  }

  /// All bytes, then what these merges make.
  static func bytes(_ merges: [(String, String)], split: TextSplit = .gpt2, flags: Flags = []) -> Self {
    var description = TokenizerDescription(algorithm: .byteMerges, split: split, flags: flags)
    for byte in UInt8.min...UInt8.max { description.add([byte]) }
    for (left, right) in merges {
      func id(_ piece: String) -> UInt32 {
        UInt32(
          (0..<description.pieces.count).first { Array(description.pieces[$0]) == Array(piece.utf8) } ?? 0)
      }
      description.merges.append(.init(left: id(left), right: id(right)))
      description.add(left + right)
    }
    return description
  }
}

extension Tokenizer {
  /// The texts of a text's tokens.
  func words(_ text: String, _ options: EncodeOptions = []) -> [String] {
    encode(Array(text.utf8), options).map { String(decoding: pieces[Int($0)], as: UTF8.self) }
  }
}
