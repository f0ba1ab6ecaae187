/// Encodes the parts of a text between special tokens; its lists serve all of them.
struct PieceEncoder {
  typealias Exhausted = ByteRoom.Exhausted

  let tokenizer: Tokenizer
  var sink: TokenSink
  var room: ByteRoom
  var queue = MergeQueue()
  var path = LikelyPath()
  private let names: SpecialPieces

  var description: TokenizerDescription { tokenizer.description }

  /// * names: those that are found in a normalised text.
  init(_ tokenizer: Tokenizer, _ names: SpecialPieces, _ sink: TokenSink, _ room: ByteRoom) {
    (self.tokenizer, self.names, self.sink, self.room) = (tokenizer, names, sink, room)
  }

  /// * isFirst: nothing stands before it.
  mutating func encode(_ part: [UInt8], isFirst: Bool) throws(Exhausted) {
    guard !part.isEmpty else { return }
    let text = try tokenizer.normalizer.normalize(part, isFirst: isFirst, &room)
    var begin = 0
    while let match = names.next(text, from: begin) {
      try encodePiece(text, begin..<match.range.lowerBound, isFirst: isFirst && begin == 0)
      sink.append(match.id)
      begin = match.range.upperBound
    }
    try encodePiece(text, begin..<text.count, isFirst: isFirst && begin == 0)
  }

  /// A part of a normalised text.
  private mutating func encodePiece(_ text: [UInt8], _ range: Range<Int>, isFirst: Bool) throws(Exhausted) {
    guard !range.isEmpty else { return }
    let flags = description.flags
    let addsSpace = flags.contains(.addsSpace) && (isFirst || !flags.contains(.addsFirstSpace))
    switch description.algorithm {
    case .byteMerges:
      let spaced = try spaced(text, range, addsSpace)
      try split(spaced.text, spaced.range) { (encoder, text, piece) throws(Exhausted) in
        try encoder.mergeBytes(text, piece)
      }
    case .wordPieces:
      try split(text, range) { (encoder, text, piece) throws(Exhausted) in
        try encoder.cutWord(text, piece)
      }
    case .scoredMerges, .rankedMerges, .likelyPieces:
      guard flags.contains(.addsMissingSpace) else { return try encodeMarked(text, range) }
      guard description.split == .words else { return try mark(text, range, addsSpace) }
      try split(text, range) { (encoder, text, piece) throws(Exhausted) in
        try encoder.mark(text, piece, addsSpace)
      }
    }
  }

  /// With a space before it, where one is added.
  private mutating func spaced(
    _ text: [UInt8], _ range: Range<Int>, _ addsSpace: Bool
  ) throws(Exhausted) -> (text: [UInt8], range: Range<Int>) {
    let hasSpace = description.flags.contains(.addsMissingSpace) && text[range.lowerBound] == 0x20
    guard addsSpace, !hasSpace else { return (text, range) }
    try room.need(range.count + 1)
    var spaced: [UInt8] = []
    spaced.reserveCapacity(range.count + 1)
    spaced.append(0x20)
    spaced += text[range]
    return (spaced, spaced.indices)
  }

  /// Calls `body` with each piece.
  private mutating func split(
    _ text: [UInt8], _ range: Range<Int>,
    _ body: (inout PieceEncoder, [UInt8], Range<Int>) throws(Exhausted) -> Void
  ) throws(Exhausted) {
    let splitter = TextSplitter(split: description.split, bytes: text)
    try splitter.forEachPiece(range) { (piece) throws(Exhausted) in try body(&self, text, piece) }
  }

  /// Spaces become U+2581, one of which is set before the text unless it begins with one.
  private mutating func mark(_ text: [UInt8], _ range: Range<Int>, _ addsSpace: Bool) throws(Exhausted) {
    let begin = range.lowerBound
    let hasSpace = text[begin] == 0x20 || SpaceMark.stands(in: text, at: begin)
    let marked = try SpaceMark.mark(text[range], startsWithSpace: addsSpace && !hasSpace, &room)
    try encodeMarked(marked, 0..<marked.count)
    // There may be as many of them as words.
    room.giveBack(marked.count)
  }

  private mutating func encodeMarked(_ text: [UInt8], _ range: Range<Int>) throws(Exhausted) {
    let split = description.split
    let cut: TextSplit = split == .words ? .marks : split
    if description.algorithm == .likelyPieces {
      try TextSplitter(split: cut, bytes: text).forEachPiece(range) { (piece) throws(Exhausted) in
        try choosePieces(text, piece)
      }
      return
    }
    let splitter = TextSplitter(split: cut == .none ? .marks : cut, bytes: text)
    var begin = range.lowerBound
    try splitter.forEachPiece(range) { (piece) throws(Exhausted) in
      // Without a split, only where no token goes over the place: nothing is merged over it.
      let end = piece.upperBound
      guard cut != .none || end == range.upperBound || tokenizer.isApart(text[end - 1]) else { return }
      try mergeCharacters(text, begin..<end)
      begin = end
    }
  }
}
