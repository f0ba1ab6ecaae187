/// Words that are cut from the left, and pieces that are likeliest together.
extension PieceEncoder {
  /// The mark of pieces that go on with a word.
  static let continues: [UInt8] = Array("##".utf8)

  mutating func cutWord(_ text: [UInt8], _ range: Range<Int>) throws(Exhausted) {
    guard let found = try wordPieces(text, range) else {
      if let unknown = tokenizer.unknownId { sink.append(unknown) }
      return
    }
    for id in found { sink.append(id) }
  }

  /// The longest piece at each place; nil where there is none, or the word is too long.
  private mutating func wordPieces(_ text: [UInt8], _ range: Range<Int>) throws(Exhausted) -> [UInt32]? {
    let limit = TokenizerLimits.wordCharacters
    guard range.count <= 4 * limit, characterCount(text, range) <= limit else { return nil }
    // What was taken already makes room for the mark.
    var word = Self.continues + text[range]
    let mark = Self.continues.count
    var ids: [UInt32] = []
    var begin = mark
    while begin < word.count {
      let isFirst = begin == mark
      if !isFirst { word.replaceSubrange(begin - mark..<begin, with: Self.continues) }
      var longest: (id: Int, end: Int)?
      let place = isFirst ? begin : begin - mark
      tokenizer.index.forEachBeginning(word, place..<word.count, in: tokenizer.pieces) { id, end in
        if end > begin, tokenizer.description.roles[id] == .normal { longest = (id, end) }
      }
      guard let longest else { return nil }
      ids.append(UInt32(longest.id))
      begin = longest.end
    }
    return ids
  }

  private func characterCount(_ text: [UInt8], _ range: Range<Int>) -> Int {
    var count = 0
    TextScalar.forEach(text, range) { _, _ in count += 1 }
    return count
  }

  mutating func choosePieces(_ text: [UInt8], _ range: Range<Int>) throws(Exhausted) {
    try path.clear(room: range.count, &room)
    let (index, pieces, roles) = (tokenizer.index, tokenizer.pieces, tokenizer.description.roles)
    let likelihoods = tokenizer.description.likelihoods
    var place = range.lowerBound
    while place < range.upperBound {
      let next = place + TextScalar(text, at: place, end: range.upperBound).length
      let (from, first) = (place - range.lowerBound, next - range.lowerBound)
      var hasCharacter = false
      index.forEachBeginning(text, place..<range.upperBound, in: pieces) { id, end in
        guard roles[id] == .normal || roles[id] == .userDefined else { return }
        path.reach(end - range.lowerBound, from: from, UInt32(id), likelihoods[id])
        if end == next { hasCharacter = true }
      }
      if !hasCharacter { path.reach(first, from: from, LikelyPath.unknown, tokenizer.unknownLikelihood) }
      place = next
    }
    path.finish()
    var step = 0
    while let (begin, end, id) = path.step(at: step) {
      let piece = range.lowerBound + begin..<range.lowerBound + end
      if id == LikelyPath.unknown { appendUnknown(text, piece) } else { sink.append(id) }
      step = end
    }
  }
}

/// The likeliest way to each place of a text.
struct LikelyPath {
  private struct Node {
    var likelihood = 0.0
    /// Where the last step to it begins; while the way is followed back, where the next one ends.
    var other: Int32 = -1
    var id: UInt32 = 0
  }
  static let unknown = UInt32.max
  private var nodes: [Node] = []
  private var capacity = 0
  private var last = 0

  /// Forgets all places; there are so many and the one behind them then.
  mutating func clear(room count: Int, _ room: inout ByteRoom) throws(ByteRoom.Exhausted) {
    last = count
    if count >= capacity {
      nodes = []
      capacity = max(count + 1, 2 * capacity, 256)
      try room.need(capacity * MemoryLayout<Node>.stride)
      nodes = [Node](repeating: Node(), count: capacity)
    }
    for place in 0...count { nodes[place] = Node() }
  }

  mutating func reach(_ place: Int, from begin: Int, _ id: UInt32, _ likelihood: Double) {
    let sum = likelihood + nodes[begin].likelihood
    guard nodes[place].other < 0 || sum > nodes[place].likelihood else { return }
    nodes[place] = Node(likelihood: sum, other: Int32(truncatingIfNeeded: begin), id: id)
  }

  /// Turns the way round; neighbours that are unknown become one step.
  mutating func finish() {
    var end = last
    var (otherEnd, otherId) = (-1, UInt32(0))
    while end >= 0 {
      let node = nodes[end]
      (nodes[end].other, nodes[end].id) = (Int32(truncatingIfNeeded: otherEnd), otherId)
      guard end > 0 else { break }
      let begin = Int(node.other)
      // The step before this one goes on to where this one ends.
      let goesOn = node.id == Self.unknown && otherId == Self.unknown && otherEnd > end
      if !goesOn { otherEnd = end }
      otherId = node.id
      end = begin
    }
  }

  /// The step that begins at a place; nil at the end.
  func step(at begin: Int) -> (begin: Int, end: Int, id: UInt32)? {
    guard begin < last, nodes[begin].other > begin else { return nil }
    return (begin, Int(nodes[begin].other), nodes[begin].id)
  }
}
