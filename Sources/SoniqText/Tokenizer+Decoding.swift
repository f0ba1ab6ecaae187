extension Tokenizer {
  /// The bytes of tokens; single ones may end within a character. Ids that are no token's are an error of the caller.
  package func decode(_ ids: some Sequence<Int>, _ options: DecodeOptions = []) -> [UInt8] {
    var bytes: [UInt8] = []
    let isBegin = !options.contains(.continues)
    var isStart =
      isBegin && description.flags.contains(.addsSpace) && description.algorithm.marksSpaces
    for id in ids where id >= 0 && id < count {
      let role = description.roles[id]
      let isName = role == .control || role == .unknown
      if isName, options.contains(.skipSpecial) { continue }
      let begin = bytes.count
      if description.algorithm == .wordPieces {
        appendWord(id, isFirst: isBegin && begin == 0, to: &bytes)
      } else if isName {
        bytes += pieces[id]
        isStart = false
      } else {
        append(id, role, to: &bytes)
      }
      if isStart, begin < bytes.count {
        if bytes[begin] == 0x20 { bytes.remove(at: begin) }
        isStart = false
      }
    }
    return bytes
  }

  private func append(_ id: Int, _ role: TokenRole, to bytes: inout [UInt8]) {
    guard description.algorithm.marksSpaces else { return bytes += pieces[id] }
    if role == .byte, let byte = ByteToken.byte(pieces[id]) { return bytes.append(byte) }
    SpaceMark.unmark(pieces[id], into: &bytes)
  }

  /// Words have a space between them, but for one before a sign that ends a sentence or a part of one.
  private func appendWord(_ id: Int, isFirst: Bool, to bytes: inout [UInt8]) {
    let piece = pieces[id]
    let mark = PieceEncoder.continues
    guard !isFirst, let first = piece.first else { return bytes += piece }
    if piece.starts(with: mark) { return bytes += piece.dropFirst(mark.count) }
    if ![0x21, 0x2c, 0x2e, 0x3f].contains(first) { bytes.append(0x20) }
    bytes += piece
  }
}
