/// Messages for people, which hold names that a file or a host has chosen: no such name may end the line, drive a
/// terminal, turn the direction of the text round, or fill a log.
package enum PlainText {
  /// Bytes of a message. From a longer one the middle is left out: what it is about stands at both ends.
  package static let limit = 2048

  /// The text on one line of at most `limit` bytes: control and format characters as `\n` or `\u{1b}`.
  package static func message(_ text: String) -> String { shortened(escaped(text)) }

  /// The text on one line of any length.
  package static func escaped(_ text: String) -> String {
    if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }) { return text }
    var result = ""
    for scalar in text.unicodeScalars { append(scalar, to: &result) }
    return result
  }

  private static func append(_ scalar: Unicode.Scalar, to text: inout String) {
    guard isHidden(scalar.value) else { return text.unicodeScalars.append(scalar) }
    switch scalar {
    case "\n": text += "\\n"
    case "\r": text += "\\r"
    case "\t": text += "\\t"
    default: text += "\\u{\(String(scalar.value, radix: 16))}"
    }
  }

  /// Controls, line and paragraph separators, marks of direction, and others that show nothing.
  private static func isHidden(_ value: UInt32) -> Bool {
    switch value {
    case 0..<0x20, 0x7f..<0xa0, 0xad, 0x61c, 0x180e, 0x200b, 0x200e...0x200f, 0x2028...0x202e,
      0x2060...0x206f,
      0xfeff, 0xfff9...0xfffb, 0xe0000...0xe007f:
      true
    default: false
    }
  }

  private static func shortened(_ text: String) -> String {
    let count = text.utf8.count
    guard count > limit else { return text }
    let mark = " [...] "
    let half = (limit - mark.utf8.count) / 2
    return String(decoding: whole(text.utf8.prefix(half)), as: UTF8.self) + mark
      + String(decoding: text.utf8.suffix(half).drop { $0 & 0xc0 == 0x80 }, as: UTF8.self)
  }

  /// Without the first bytes of a character whose others are missing.
  private static func whole(_ bytes: Substring.UTF8View) -> Substring.UTF8View {
    guard let last = bytes.lastIndex(where: { $0 & 0xc0 != 0x80 }) else { return bytes }
    let lead = bytes[last]
    let length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
    return bytes[last...].count == length ? bytes : bytes[..<last]
  }
}
