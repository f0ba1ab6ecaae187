@_spi(_Unicode) import Swift

/// Encodes parts of a text between special tokens; its queue serves all of them.
struct PieceEncoder {
  private let tokenizer: Tokenizer
  private var queue = MergeQueue()

  init(_ tokenizer: Tokenizer) { self.tokenizer = tokenizer }

  mutating func encode(_ text: [UInt8], into ids: inout [UInt32]) {
    guard !text.isEmpty else { return }
    let description = tokenizer.description
    let text = description.flags.contains(.normalizes) ? NormalForm.composed(text) : text
    switch description.algorithm {
    case .byteMerges:
      TextSplitter(split: description.split, bytes: text).forEachPiece(0..<text.count) { range in
        mergeBytes(text, range, into: &ids)
      }
    case .scoredMerges:
      mergeCharacters(
        SpaceMark.mark(text, startsWithSpace: description.flags.contains(.addsSpace)), into: &ids)
    }
  }

  private mutating func mergeBytes(_ text: [UInt8], _ range: Range<Int>, into ids: inout [UInt32]) {
    if range.count == 1 || tokenizer.description.flags.contains(.takesWholePieces),
      let id = tokenizer.index.find(text, range, in: tokenizer.pieces)
    {
      return ids.append(UInt32(id))
    }
    queue.clear()
    for place in range {
      // A byte without a token is left out, unless something stands for what is not known.
      guard let id = tokenizer.byteIds[Int(text[place])] ?? tokenizer.unknownId else { continue }
      queue.append(place..<place + 1, id: id)
    }
    let merges = tokenizer.merges
    queue.run { left, right in
      merges.find(left.id, right.id).map { (rank: Int64($0.rank), result: $0.result) }
    }
    for symbol in queue.symbols where !symbol.isGone { ids.append(symbol.id) }
  }

  private mutating func mergeCharacters(_ text: [UInt8], into ids: inout [UInt32]) {
    queue.clear()
    var place = 0
    while place < text.count {
      let next = place + TextScalar(text, at: place, end: text.count).length
      queue.append(place..<next, id: 0)
      place = next
    }
    let tokenizer = self.tokenizer
    let (index, pieces) = (tokenizer.index, tokenizer.pieces)
    let scores = tokenizer.description.scores
    queue.run { left, right in
      guard right.end - left.begin <= index.longest,
        let id = index.find(text, left.begin..<right.end, in: pieces)
      else { return nil }
      return (rank: Self.order(scores[id]), result: UInt32(id))
    }
    for symbol in queue.symbols where !symbol.isGone {
      if let id = index.find(text, symbol.begin..<symbol.end, in: pieces) {
        ids.append(UInt32(id))
      } else {
        appendBytes(text, symbol.begin..<symbol.end, into: &ids)
      }
    }
  }

  /// A character without a token: the tokens of its bytes, or the one for what is not known.
  private func appendBytes(_ text: [UInt8], _ range: Range<Int>, into ids: inout [UInt32]) {
    let bytes = range.map { tokenizer.byteIds[Int(text[$0])] }
    if bytes.allSatisfy({ $0 != nil }) {
      ids += bytes.compactMap { $0 }
    } else if let unknown = tokenizer.unknownId {
      ids.append(unknown)
    }
  }

  /// Greater scores first, as integers in the order of floats.
  private static func order(_ score: Float) -> Int64 {
    let bits = Int64(Int32(bitPattern: (score == 0 ? 0 : score).bitPattern))
    return -(bits < 0 ? Int64(Int32.min) - bits : bits)
  }
}

/// Unicode's normal form C.
enum NormalForm {
  /// Text without a character from U+0300 on is in this form; so is what is no UTF-8, which stays as it is.
  static func composed(_ text: [UInt8]) -> [UInt8] {
    guard text.contains(where: { $0 >= 0xcc }), let string = String(validating: text, as: UTF8.self) else {
      return text
    }
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    for scalar in string._nfc { result += UTF8.encode(scalar).map(Array.init) ?? [] }
    return result
  }
}
