import SoniqText

/// Texts to calibrate a language model on, as pieces of at most `length` tokens.
struct Passages {
  /// Tokens of a piece; the shortest that is worth a run.
  static let length = 256
  static let shortest = 16
  /// Of a text that one piece is taken from when there is more of it than is asked for.
  private static let partBytes = 4096

  private let file: MappedFile
  private let tokenizer: Tokenizer?
  private let vocabulary: Int

  /// * path: a text in UTF-8; a text, or an object with a text under "text", on each line (.jsonl); or token sequences as
  ///   `TokenSequences` reads them (.npz, .safetensors).
  /// * tokenizer: the model's own, where it has one.
  /// - Throws: `noInput`.
  init(path: String, tokenizer: Tokenizer?, vocabulary: Int) throws(PackError) {
    (self.tokenizer, self.vocabulary) = (tokenizer, vocabulary)
    file = try MappedFile(path: path)
  }

  /// * limit: of tokens; pieces are spread evenly over the texts.
  /// - Throws: `usage` for a text where there is no tokenizer, `data` for a file with no text or with odd tokens.
  func sequences(limit: Int) throws(PackError) -> TokenSequences {
    if file.path.hasSuffix(".npz") || file.path.hasSuffix(".safetensors") {
      let framing = TokenFraming(vocabularySize: vocabulary, first: 0, last: 0, maximumLength: Self.length)
      return try TokenSequences.read(path: file.path, framing: framing).limited(to: limit)
    }
    guard let tokenizer else {
      throw PackError(
        .usage, place: "--calibrate",
        "the model has no tokenizer that is known here: give token sequences (.npz with input_ids) in place of a text"
      )
    }
    let first = tokenizer.encode([], .addSpecial).map { Int32(bitPattern: $0) }
    let parts = try parts()
    let count = max(1, limit / Self.length)
    let isPlenty = parts.count > count
    let chosen = isPlenty ? (0..<count).map { parts[$0 * parts.count / count] } : parts
    var pieces: [[Int32]] = []
    for part in chosen {
      var tokens = tokenizer.encode(Array(part)).map { Int32(bitPattern: $0) }[...]
      repeat {
        let piece = first + tokens.prefix(Self.length - first.count)
        if piece.count >= Self.shortest { pieces.append(piece) }
        tokens = tokens.dropFirst(Self.length - first.count)
      } while !isPlenty && !tokens.isEmpty
    }
    guard !pieces.isEmpty else {
      throw PackError(.data, file: file.path, "holds no text of \(Self.shortest) tokens")
    }
    return TokenSequences(sequences: pieces, source: "\(pieces.count) passages given").limited(to: limit)
  }

  /// The texts in parts of about `partBytes`, which end where a line does if there is one.
  private func parts() throws(PackError) -> [ArraySlice<UInt8>] {
    var parts: [ArraySlice<UInt8>] = []
    for text in try texts() {
      var rest = text[...]
      while rest.count > Self.partBytes {
        let room = rest.prefix(Self.partBytes)
        // Behind the last line, else before the last character, which may be cut.
        let cut =
          room.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? room.lastIndex { $0 & 0xc0 != 0x80 }
          ?? room.endIndex
        let end = cut > rest.startIndex ? cut : room.endIndex
        parts.append(rest[..<end])
        rest = rest[end...]
      }
      if !rest.isEmpty { parts.append(rest) }
    }
    return parts
  }

  private func texts() throws(PackError) -> [[UInt8]] {
    guard file.path.hasSuffix(".jsonl") else { return [Array(file.bytes)] }
    var texts: [[UInt8]] = []
    for (index, line) in file.bytes.split(separator: UInt8(ascii: "\n")).enumerated() {
      guard line.contains(where: { $0 > 0x20 }) else { continue }
      let value: JSONValue
      do throws(JSONParser.Failure) {
        value = try JSONParser.parse(UnsafeRawBufferPointer(rebasing: line))
      } catch {
        throw PackError(.data, file: file.path, place: "text \(index + 1)", "is not JSON: \(error.message)")
      }
      guard let text = value.text ?? value["text"]?.text else {
        throw PackError(
          .data, file: file.path, place: "text \(index + 1)",
          "is no text, and no object with a text under \"text\"")
      }
      texts.append(Array(text.utf8))
    }
    return texts
  }
}
