/// Cuts a text as the patterns of tokenizers do, each of which is a few alternatives; the first that fits is taken. Each
/// function here takes the place where a piece begins and returns where it ends.
struct TextSplitter {
  let split: TextSplit
  let bytes: [UInt8]

  /// Calls `body` with each piece of a part of the text.
  func forEachPiece<Failure: Error>(
    _ range: Range<Int>, _ body: (Range<Int>) throws(Failure) -> Void
  ) throws(Failure) {
    switch split {
    case .digitsThenGPT2: try digitsAndPieces(range, body)
    case .words, .signs: try words(range, body)
    default: try pieces(range, body)
    }
  }

  private func digitsAndPieces<Failure: Error>(
    _ range: Range<Int>, _ body: (Range<Int>) throws(Failure) -> Void
  ) throws(Failure) {
    var begin = range.lowerBound
    var index = begin
    while index < range.upperBound {
      let scalar = TextScalar(bytes, at: index, end: range.upperBound)
      if CharacterClass(scalar.value) == .number {
        try pieces(begin..<index, body)
        begin = index + scalar.length
        try body(index..<begin)
      }
      index += scalar.length
    }
    try pieces(begin..<range.upperBound, body)
  }

  /// What is between white space; signs by themselves where they are cut off.
  private func words<Failure: Error>(
    _ range: Range<Int>, _ body: (Range<Int>) throws(Failure) -> Void
  ) throws(Failure) {
    var begin = range.lowerBound
    var index = begin
    while index < range.upperBound {
      let scalar = TextScalar(bytes, at: index, end: range.upperBound)
      let next = index + scalar.length
      let isSign = split == .signs && scalar.isSign
      if isSign || scalar.isSpace {
        if begin < index { try body(begin..<index) }
        if isSign { try body(index..<next) }
        begin = next
      }
      index = next
    }
    if begin < index { try body(begin..<index) }
  }

  private func pieces<Failure: Error>(
    _ range: Range<Int>, _ body: (Range<Int>) throws(Failure) -> Void
  ) throws(Failure) {
    var begin = range.lowerBound
    let end = range.upperBound
    while begin < end {
      let next =
        switch split {
        case .none, .words, .signs: end
        case .gpt2, .digitsThenGPT2: wordEnd(begin, end)
        case .llama3: lineEnd(begin, end, digits: 3)
        case .qwen2: lineEnd(begin, end, digits: 1)
        case .marks: markEnd(begin, end)
        }
      try body(begin..<next)
      begin = next
    }
  }

  private func markEnd(_ begin: Int, _ end: Int) -> Int {
    var index = begin + 1
    while index < end, !SpaceMark.stands(in: bytes, at: index) { index += 1 }
    return min(index, end)
  }

  private func kind(_ index: Int, _ end: Int) -> (kind: CharacterClass, length: Int)? {
    guard index < end else { return nil }
    let scalar = TextScalar(bytes, at: index, end: end)
    return (CharacterClass(scalar.value), scalar.length)
  }

  /// The end of a run of characters of one class.
  private func run(_ index: Int, _ end: Int, of wanted: CharacterClass, limit: Int = .max) -> Int {
    var (index, left) = (index, limit)
    while left > 0, let (kind, length) = kind(index, end), kind == wanted {
      index += length
      left -= 1
    }
    return index
  }

  /// `'s|'t|'re|'ve|'m|'ll|'d`. Where case does not count, the long s counts as an s.
  private func contraction(_ index: Int, _ end: Int, anyCase: Bool) -> Int? {
    guard bytes[index] == 0x27, index + 1 < end else { return nil }
    func letter(_ place: Int) -> UInt8 {
      guard place < end else { return 0 }
      let byte = bytes[place]
      return anyCase && (0x41...0x5a).contains(byte) ? byte | 0x20 : byte
    }
    switch (letter(index + 1), letter(index + 2)) {
    case (0x73, _), (0x74, _), (0x6d, _), (0x64, _): return index + 2
    case (0x72, 0x65), (0x76, 0x65), (0x6c, 0x6c): return index + 3
    case (0xc5, 0xbf) where anyCase: return index + 3
    default: return nil
    }
  }

  /// `'s|... | ?\p{L}+ | ?\p{N}+ | ?[^\s\p{L}\p{N}]+ | \s+(?!\S) | \s+`
  private func wordEnd(_ begin: Int, _ end: Int) -> Int {
    if let next = contraction(begin, end, anyCase: false) { return next }
    let word = bytes[begin] == 0x20 ? begin + 1 : begin
    if let kind = kind(word, end)?.kind, !kind.isSpace { return run(word, end, of: kind) }
    return spaceEnd(begin, end, takesLines: false)
  }

  /// `(?i:'s|...) | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N}{1,digits} | ?[^\s\p{L}\p{N}]+[\r\n]* | \s*[\r\n]+ | \s+(?!\S) | \s+`
  private func lineEnd(_ begin: Int, _ end: Int, digits: Int) -> Int {
    if let next = contraction(begin, end, anyCase: true) { return next }
    guard let (first, length) = kind(begin, end) else { return end }
    if first == .letter { return run(begin, end, of: .letter) }
    if first == .number { return run(begin, end, of: .number, limit: digits) }
    if first != .lineEnd {
      let word = run(begin + length, end, of: .letter)
      if word > begin + length { return word }
    }
    let sign = bytes[begin] == 0x20 ? begin + 1 : begin
    let signEnd = run(sign, end, of: .other)
    if signEnd > sign { return run(signEnd, end, of: .lineEnd) }
    return spaceEnd(begin, end, takesLines: true)
  }

  /// `\s*[\r\n]+` where asked for, `\s+(?!\S)`, `\s+`: all of the spaces, but for the last one before something else.
  private func spaceEnd(_ begin: Int, _ end: Int, takesLines: Bool) -> Int {
    var (index, last, lines) = (begin, begin, begin)
    while let (kind, length) = kind(index, end), kind.isSpace {
      last = index
      index += length
      if kind == .lineEnd { lines = index }
    }
    if takesLines, lines > begin { return lines }
    return index == end || last == begin ? index : last
  }
}
