import SoniqCore
import SoniqText

/// The tokenizer of a GGUF file.
struct GGUFTokenizer {
  private static let start = "tokenizer.ggml."
  /// What files call the way that a text is cut, and whether pieces that are tokens are taken whole.
  private static let splits: [(split: TextSplit, names: [String])] = [
    (.gpt2, ["gpt-2", "olmo"]), (.llama3, ["llama-bpe", "llama3", "llama-v3", "dbrx", "smaug-bpe"]),
    (.qwen2, ["qwen2"]), (.digitsThenGPT2, ["smollm", "refact", "starcoder"]),
  ]
  private static let wholePieces = ["llama-bpe", "llama3", "llama-v3"]

  private let keys: GGUFKeys
  private var description: TokenizerDescription

  /// * vocabulary: rows of the table of words; the model may have more of them than tokens.
  static func read(_ keys: GGUFKeys, vocabulary: Int) throws(PackError) -> FoundTokenizer {
    guard let model = try keys.text(start + "model") else { return .none }
    var reader: GGUFTokenizer
    switch model {
    case "gpt2":
      let pre = try keys.text(start + "pre") ?? ""
      guard let split = splits.first(where: { $0.names.contains(pre) })?.split else {
        let known = splits.flatMap(\.names).sorted().joined(separator: ", ")
        return .unknown("key \(start)pre: \"\(pre)\" is not known; known: \(known)")
      }
      reader = GGUFTokenizer(keys, TokenizerDescription(algorithm: .byteMerges, split: split))
      if wholePieces.contains(pre) { reader.description.flags.insert(.takesWholePieces) }
      if split == .qwen2 { reader.description.flags.insert(.normalizes) }
      try reader.readPieces(vocabulary)
      try reader.readMerges()
      try reader.setAffixes(beginsByDefault: split == .llama3 && wholePieces.contains(pre))
    case "llama":
      guard !keys.has(start + "precompiled_charsmap") else {
        return .unknown("key \(start)precompiled_charsmap: normalising by a table is not known")
      }
      reader = GGUFTokenizer(keys, TokenizerDescription(algorithm: .scoredMerges))
      if try keys.flag(start + "add_space_prefix") ?? true { reader.description.flags.insert(.addsSpace) }
      try reader.readPieces(vocabulary)
      reader.description.scores = try keys.reals(start + "scores", count: reader.description.pieces.count)
      try reader.setAffixes(beginsByDefault: true)
    default: return .unknown("key \(start)model: \"\(model)\" is not known; known: gpt2, llama")
    }
    do throws(TokenizerError) { _ = try Tokenizer(reader.description) } catch {
      throw keys.fault(start + error.field, error.message)
    }
    return .tokenizer(reader.description)
  }

  private init(_ keys: GGUFKeys, _ description: TokenizerDescription) {
    (self.keys, self.description) = (keys, description)
  }

  private mutating func readPieces(_ vocabulary: Int) throws(PackError) {
    let key = Self.start + "tokens"
    guard let count = try keys.count(key) else { throw keys.fault(key, "missing") }
    guard count <= TokenizerLimits.pieces else {
      throw keys.fault(key, "\(count) tokens, more than \(TokenizerLimits.pieces)")
    }
    guard count <= vocabulary else {
      throw keys.fault(key, "\(count) tokens, but the model has \(vocabulary) rows for them")
    }
    let types = Self.start + "token_type"
    let roles =
      keys.has(types) ? try keys.sizes(types, count: count, in: 1...6) : [Int](repeating: 1, count: count)
    let isOfBytes = description.algorithm == .byteMerges
    for (id, piece) in try keys.texts(key).enumerated() {
      guard piece.count <= TokenizerLimits.pieceBytes else {
        throw keys.fault(key, "token \(id) has \(piece.count) bytes, more than \(TokenizerLimits.pieceBytes)")
      }
      var role = Self.role(roles[id])
      var bytes = Array(piece)
      if isOfBytes, role == .normal {
        // Texts beyond the alphabet of bytes stand in vocabularies, but nothing makes them.
        if let decoded = ByteAlphabet.bytes(bytes) { bytes = decoded } else { role = .unused }
      }
      description.pieces.append(bytes)
      description.roles.append(role)
    }
  }

  private static func role(_ type: Int) -> TokenRole {
    switch type {
    case 2: .unknown
    case 3: .control
    case 4: .userDefined
    case 5: .unused
    case 6: .byte
    default: .normal
    }
  }

  private mutating func readMerges() throws(PackError) {
    let key = Self.start + "merges"
    let pieces = description.pieces
    let roles = description.roles
    let index = PieceIndex(pieces, ids: (0..<pieces.count).lazy.filter { roles[$0] == .normal })
    for (rank, merge) in try keys.texts(key).enumerated() {
      guard rank < TokenizerLimits.merges else {
        throw keys.fault(key, "more than \(TokenizerLimits.merges)")
      }
      // The first byte is of the left piece, whatever it is.
      guard let space = merge.dropFirst().firstIndex(of: 0x20) else {
        throw keys.fault(key, "number \(rank) has no space between two pieces")
      }
      var ids: [UInt32] = []
      for part in [merge[..<space], merge[(space + 1)...]] {
        guard let bytes = ByteAlphabet.bytes(Array(part)),
          let id = index.find(bytes, 0..<bytes.count, in: pieces)
        else {
          throw keys.fault(key, "number \(rank): \"\(String(decoding: part, as: UTF8.self))\" is no token")
        }
        ids.append(UInt32(id))
      }
      description.merges.append(.init(left: ids[0], right: ids[1]))
    }
  }

  private mutating func setAffixes(beginsByDefault: Bool) throws(PackError) {
    if try keys.flag(Self.start + "add_bos_token") ?? beginsByDefault {
      description.prefix = [try special("bos_token_id")]
    }
    if try keys.flag(Self.start + "add_eos_token") ?? false {
      description.suffix = [try special("eos_token_id")]
    }
  }

  private func special(_ name: String) throws(PackError) -> UInt32 {
    UInt32(try keys.size(Self.start + name, in: 0...max(0, description.pieces.count - 1)))
  }
}
