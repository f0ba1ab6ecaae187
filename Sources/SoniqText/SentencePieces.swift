/// SentencePiece writes spaces as U+2581.
enum SpaceMark {
  static let bytes: [UInt8] = [0xe2, 0x96, 0x81]

  static func mark(
    _ text: some Collection<UInt8>, startsWithSpace: Bool, _ room: inout ByteRoom
  ) throws(ByteRoom.Exhausted) -> [UInt8] {
    let spaces = text.count { $0 == 0x20 }
    let count = text.count + spaces * (bytes.count - 1) + (startsWithSpace ? bytes.count : 0)
    guard count <= GrowingBytes.limit else { throw ByteRoom.Exhausted() }
    try room.need(count)
    var result: [UInt8] = []
    result.reserveCapacity(count)
    if startsWithSpace { result += bytes }
    for byte in text {
      if byte == 0x20 { result += bytes } else { result.append(byte) }
    }
    return result
  }

  static func stands(in text: [UInt8], at place: Int) -> Bool {
    text[place] == bytes[0] && place + 3 <= text.count && text[place + 1] == bytes[1]
      && text[place + 2] == bytes[2]
  }

  static func unmark(_ piece: ArraySlice<UInt8>, into result: inout [UInt8]) {
    var index = piece.startIndex
    while index < piece.endIndex {
      if piece[index...].starts(with: bytes) {
        result.append(0x20)
        index += bytes.count
      } else {
        result.append(piece[index])
        index += 1
      }
    }
  }
}

/// Tokens of single bytes: `<0x0A>`.
package enum ByteToken {
  private static let digits: [UInt8] = Array("0123456789ABCDEF".utf8)

  static func name(_ byte: UInt8) -> String {
    "<0x" + String(decoding: [digits[Int(byte >> 4)], digits[Int(byte & 15)]], as: UTF8.self) + ">"
  }

  package static func byte(_ piece: ArraySlice<UInt8>) -> UInt8? {
    guard piece.count == 6, piece.starts(with: Array("<0x".utf8)), piece.last == 0x3e,
      let high = digits.firstIndex(of: piece[piece.startIndex + 3]),
      let low = digits.firstIndex(of: piece[piece.startIndex + 4])
    else { return nil }
    return UInt8(16 * high + low)
  }
}
