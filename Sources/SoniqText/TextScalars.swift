/// What the pieces of a text are told apart by.
enum CharacterClass {
  case letter, number, space, lineEnd, other

  var isSpace: Bool { self == .space || self == .lineEnd }

  /// Categories are those of Swift's library, which is linked statically: one version of Unicode for each build.
  init(_ value: UInt32) {
    switch value {
    case 0x41...0x5a, 0x61...0x7a: self = .letter
    case 0x30...0x39: self = .number
    case 0x0a, 0x0d: self = .lineEnd
    case 0x20, 0x09, 0x0b, 0x0c: self = .space
    case 0..<0x80: self = .other
    default:
      guard let scalar = Unicode.Scalar(value) else { self = .other; return }
      switch scalar.properties.generalCategory {
      case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: self = .letter
      case .decimalNumber, .letterNumber, .otherNumber: self = .number
      default: self = scalar.properties.isWhitespace ? .space : .other
      }
    }
  }
}

/// One character of UTF-8, or one byte that is part of none.
struct TextScalar {
  /// More than any character's where the byte is part of none: it is of class `other`.
  static let invalid: UInt32 = 0x11_0000
  var value: UInt32
  var length: Int

  /// * index: in `bytes`, and below `end`, behind which nothing is read.
  init(_ bytes: [UInt8], at index: Int, end: Int) {
    let first = UInt32(bytes[index])
    (value, length) = (first, 1)
    guard first >= 0x80 else { return }
    let count = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
    value = Self.invalid
    guard (0xc2...0xf4).contains(first), end - index >= count else { return }
    var result = first & (0x7f >> UInt32(count))
    for place in index + 1..<index + count {
      guard bytes[place] & 0xc0 == 0x80 else { return }
      result = result << 6 | UInt32(bytes[place] & 0x3f)
    }
    let isShort = count == 3 && result < 0x800 || count == 4 && result < 0x10000
    guard !isShort, Unicode.Scalar(result) != nil else { return }
    (value, length) = (result, count)
  }
}
