import SoniqText

/// The parts of `normalizer`, in the one order that is known.
struct FileNormalizer {
  private(set) var flags: TokenizerDescription.Flags = []
  /// Spaces become U+2581 here, not where the text is cut.
  private(set) var marksSpaces = false
  private(set) var characterMap: [UInt8] = []
  /// A part may not stand before one of a step that is done later.
  private var last = Step.map

  private enum Step: Int { case map, clean, compose, accents, letters, strip, join, mark }

  init(_ root: FileNode) throws(TokenizerFileFault) {
    for part in try root.parts("normalizer") { try add(part) }
  }

  private mutating func add(_ part: FileNode) throws(TokenizerFileFault) {
    switch try part.type() {
    case "NFC": try set(.normalizes, .compose, part)
    case "Lowercase": try set(.lowercases, .letters, part)
    case "BertNormalizer": try addBert(part)
    case "Precompiled":
      try step(.map, part)
      characterMap = try Base64.bytes(part.require("precompiled_charsmap"))
    case "Strip":
      if try part.flag("strip_left", default: true) { try set(.stripsStart, .strip, part) }
      if try part.flag("strip_right", default: true) { try set(.stripsEnd, .strip, part) }
    case "Prepend":
      guard try part.require("prepend").text() == "\u{2581}" else {
        throw part.unknown("prepend", "only U+2581 is known")
      }
      flags.insert(.addsSpace)
      // Before spaces are marked or behind that.
      try step(.mark, part)
    case "Replace": try addReplacement(part)
    case let other: throw part.unknown("type", "\"\(other)\" is not known")
    }
  }

  private mutating func step(_ step: Step, _ part: FileNode) throws(TokenizerFileFault) {
    guard step.rawValue >= last.rawValue else {
      throw part.unknown("type", "\"\(try part.type())\" in this place is not known")
    }
    last = step
  }

  private mutating func set(
    _ flag: TokenizerDescription.Flags, _ step: Step, _ part: FileNode
  ) throws(TokenizerFileFault) {
    flags.insert(flag)
    try self.step(step, part)
  }

  private mutating func addBert(_ part: FileNode) throws(TokenizerFileFault) {
    if try part.flag("clean_text", default: true) { try set(.cleans, .clean, part) }
    if try part.flag("handle_chinese_chars", default: true) { try set(.spacesHan, .clean, part) }
    let lowercases = try part.flag("lowercase", default: true)
    if try part.flag("strip_accents", default: lowercases) { try set(.stripsAccents, .accents, part) }
    if lowercases { try set(.lowercases, .letters, part) }
  }

  private mutating func addReplacement(_ part: FileNode) throws(TokenizerFileFault) {
    let pattern = try part.require("pattern")
    let content = try part.require("content").text()
    if pattern["String"]?.value.text == " ", content == "\u{2581}" {
      marksSpaces = true
      try step(.mark, part)
    } else if pattern["Regex"]?.value.text == " {2,}", content == "\u{2581}" || content == " " {
      try set(.joinsSpaces, .join, part)
    } else {
      throw part.unknown("pattern", "\(pattern.value.written()) is not known")
    }
  }
}

/// Bytes as letters, six bits each.
enum Base64 {
  static func bytes(_ node: FileNode) throws(TokenizerFileFault) -> [UInt8] {
    var bytes: [UInt8] = []
    var (bits, count) = (UInt32(0), 0)
    for letter in try node.text().utf8 where letter != UInt8(ascii: "=") {
      guard let value = value(letter) else { throw node.wrong("", "is not Base64") }
      bits = bits << 6 | value
      count += 6
      guard count >= 8 else { continue }
      count -= 8
      bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
    }
    guard bytes.count <= TokenizerLimits.mapBytes else {
      throw node.wrong("", "\(bytes.count) bytes, more than \(TokenizerLimits.mapBytes)")
    }
    return bytes
  }

  private static func value(_ letter: UInt8) -> UInt32? {
    switch letter {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(letter - UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(letter - UInt8(ascii: "a")) + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(letter - UInt8(ascii: "0")) + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
