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

  /// The one before a place.
  init(_ bytes: [UInt8], before end: Int) {
    for length in 2...4 where end >= length {
      let scalar = TextScalar(bytes, at: end - length, end: end)
      if scalar.length == length {
        self = scalar
        return
      }
    }
    self.init(bytes, at: end - 1, end: end)
  }

  /// nil where the byte is part of no character.
  var scalar: Unicode.Scalar? { Unicode.Scalar(value) }

  var isSpace: Bool { CharacterClass(value).isSpace }

  /// What BERT cuts off: ASCII that is neither letter nor digit, and Unicode's punctuation.
  var isSign: Bool {
    switch value {
    case 0x21...0x2f, 0x3a...0x40, 0x5b...0x60, 0x7b...0x7e: return true
    case 0..<0x80: return false
    default: break
    }
    switch scalar?.properties.generalCategory {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
      .finalPunctuation, .otherPunctuation:
      return true
    default: return false
    }
  }

  /// As `\w` of patterns has it.
  var isOfWord: Bool {
    guard let properties = scalar?.properties else { return false }
    switch properties.generalCategory {
    case .decimalNumber, .connectorPunctuation, .nonspacingMark, .spacingMark, .enclosingMark: return true
    default: return properties.isAlphabetic || properties.isJoinControl
    }
  }

  /// Calls `body` with each character of a part of a text, and where it stands.
  @inline(__always) static func forEach<Failure: Error>(
    _ bytes: [UInt8], _ range: Range<Int>, _ body: (TextScalar, Range<Int>) throws(Failure) -> Void
  ) throws(Failure) {
    var begin = range.lowerBound
    while begin < range.upperBound {
      let scalar = TextScalar(bytes, at: begin, end: range.upperBound)
      try body(scalar, begin..<begin + scalar.length)
      begin += scalar.length
    }
  }

  static func isText(_ bytes: [UInt8]) -> Bool {
    var index = 0
    while index < bytes.count {
      let scalar = TextScalar(bytes, at: index, end: bytes.count)
      if scalar.value == invalid { return false }
      index += scalar.length
    }
    return true
  }
}
