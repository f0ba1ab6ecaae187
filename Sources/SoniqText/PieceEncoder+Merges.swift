/// Merges within a piece of a text.
extension PieceEncoder {
  mutating func mergeBytes(_ text: [UInt8], _ range: Range<Int>) throws(Exhausted) {
    if range.count == 1 || description.flags.contains(.takesWholePieces),
      let id = tokenizer.index.find(text, range, in: tokenizer.pieces)
    {
      return sink.append(UInt32(id))
    }
    try queue.clear(room: range.count, &room)
    for place in range {
      // A byte without a token is left out, unless something stands for what is not known.
      guard let id = tokenizer.byteIds[Int(text[place])] ?? tokenizer.unknownId else { continue }
      queue.append(place..<place + 1, id: id)
    }
    mergeInOrder()
  }

  mutating func mergeCharacters(_ text: [UInt8], _ range: Range<Int>) throws(Exhausted) {
    try queue.clear(room: range.count, &room)
    if description.algorithm == .scoredMerges {
      mergeByScore(text, range)
    } else if description.flags.contains(.takesWholePieces),
      let id = tokenizer.index.find(text, range, in: tokenizer.pieces)
    {
      sink.append(UInt32(id))
    } else {
      appendCharacters(text, range)
      mergeInOrder()
    }
  }

  private mutating func mergeInOrder() {
    let merges = tokenizer.merges
    queue.run { left, right in
      merges.find(left.id, right.id).map { (rank: Int64($0.rank), result: $0.result) }
    }
    for symbol in queue.symbols where !symbol.isGone { sink.append(symbol.id) }
  }

  /// Characters as tokens: their own, those of their bytes, or the one for what is not known.
  private mutating func appendCharacters(_ text: [UInt8], _ range: Range<Int>) {
    var place = range.lowerBound
    var isUnknown = false
    while place < range.upperBound {
      let next = place + TextScalar(text, at: place, end: range.upperBound).length
      defer { place = next }
      if let id = tokenizer.index.find(text, place..<next, in: tokenizer.pieces) {
        queue.append(place..<next, id: UInt32(id))
        isUnknown = false
      } else if let ids = tokenizer.fallback(text, place..<next) {
        for (index, id) in ids.enumerated() { queue.append(place + index..<place + index + 1, id: id) }
        isUnknown = false
      } else if let unknown = tokenizer.unknownId {
        if isUnknown, description.flags.contains(.fusesUnknown) {
          queue.extendLast(to: next)
        } else {
          queue.append(place..<next, id: unknown)
        }
        isUnknown = true
      }
    }
  }

  private mutating func mergeByScore(_ text: [UInt8], _ range: Range<Int>) {
    TextScalar.forEach(text, range) { _, place in queue.append(place, id: 0) }
    let tokenizer = self.tokenizer
    let (index, pieces) = (tokenizer.index, tokenizer.pieces)
    let scores = tokenizer.description.scores
    queue.run { left, right in
      let joined = Int(left.begin)..<Int(right.end)
      guard joined.count <= index.longest, let id = index.find(text, joined, in: pieces) else { return nil }
      return (rank: Self.order(scores[id]), result: UInt32(id))
    }
    for symbol in queue.symbols where !symbol.isGone {
      if let id = index.find(text, symbol.range, in: pieces) {
        sink.append(UInt32(id))
      } else {
        appendUnknown(text, symbol.range)
      }
    }
  }

  /// What has no token: the tokens of its bytes, or the one for what is not known.
  mutating func appendUnknown(_ text: [UInt8], _ range: Range<Int>) {
    if tokenizer.hasAllBytes || range.allSatisfy({ tokenizer.byteIds[Int(text[$0])] != nil }) {
      for place in range { if let id = tokenizer.byteIds[Int(text[place])] { sink.append(id) } }
    } else if let unknown = tokenizer.unknownId {
      sink.append(unknown)
    }
  }

  /// Greater scores first, as integers in the order of floats.
  private static func order(_ score: Float) -> Int64 {
    let bits = Int64(Int32(bitPattern: (score == 0 ? 0 : score).bitPattern))
    return -(bits < 0 ? Int64(Int32.min) - bits : bits)
  }
}
