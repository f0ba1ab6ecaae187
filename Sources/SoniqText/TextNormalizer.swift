@_spi(_Unicode) import Swift

/// What is done to a text before it is cut.
struct TextNormalizer: Sendable {
  private let flags: TokenizerDescription.Flags
  private let map: CharacterMap?
  private let marksSpaces: Bool

  init(_ description: TokenizerDescription) throws(TokenizerError) {
    flags = description.flags
    map = description.characterMap.isEmpty ? nil : try CharacterMap(description.characterMap)
    // Where only a missing space is added, that is done to each piece between special tokens.
    marksSpaces = description.algorithm.marksSpaces && !flags.contains(.addsMissingSpace)
  }

  /// * isFirst: nothing stands before it.
  func normalize(
    _ text: [UInt8], isFirst: Bool, _ room: inout ByteRoom
  ) throws(ByteRoom.Exhausted) -> [UInt8] {
    var text = text
    if let map { text = try map.apply(text, &room) }
    if flags.contains(.cleans) || flags.contains(.spacesHan) { text = try cleaned(text, &room) }
    if flags.contains(.normalizes) { text = try NormalForm.composed(text, &room) }
    if flags.contains(.stripsAccents) { text = try NormalForm.withoutAccents(text, &room) }
    if flags.contains(.lowercases) { text = try lowercased(text, &room) }
    text = try stripped(text, &room)
    if flags.contains(.joinsSpaces) { text = try joined(text, &room) }
    guard marksSpaces, !text.isEmpty else { return text }
    let addsSpace = flags.contains(.addsSpace) && (isFirst || !flags.contains(.addsFirstSpace))
    return try SpaceMark.mark(text, startsWithSpace: addsSpace, &room)
  }

  private func cleaned(_ text: [UInt8], _ room: inout ByteRoom) throws(ByteRoom.Exhausted) -> [UInt8] {
    var result = GrowingBytes()
    try TextScalar.forEach(text, text.indices) { (scalar, range) throws(ByteRoom.Exhausted) in
      if flags.contains(.cleans) {
        if Self.isDropped(scalar) { return }
        if scalar.isSpace { return try result.append(0x20, &room) }
      }
      let isHan = flags.contains(.spacesHan) && Self.isHan(scalar.value)
      if isHan { try result.append(0x20, &room) }
      try result.append(contentsOf: text[range], &room)
      if isHan { try result.append(0x20, &room) }
    }
    return result.bytes
  }

  private static func isDropped(_ character: TextScalar) -> Bool {
    switch character.value {
    case 0x09, 0x0a, 0x0d, 0x20..<0x7f: return false
    case 0xfffd: return true
    default: break
    }
    switch character.scalar?.properties.generalCategory {
    case .control, .format, .privateUse: return true
    default: return false
    }
  }

  private static func isHan(_ value: UInt32) -> Bool {
    switch value {
    case 0x4e00...0x9fff, 0x3400...0x4dbf, 0x20000...0x2a6df, 0x2a700...0x2b81f, 0x2b920...0x2ceaf,
      0xf900...0xfaff, 0x2f800...0x2fa1f:
      true
    default: false
    }
  }

  private func lowercased(_ text: [UInt8], _ room: inout ByteRoom) throws(ByteRoom.Exhausted) -> [UInt8] {
    var result = GrowingBytes()
    try TextScalar.forEach(text, text.indices) { (scalar, range) throws(ByteRoom.Exhausted) in
      if (0x41...0x5a).contains(scalar.value) {
        try result.append(UInt8(scalar.value | 0x20), &room)
      } else if scalar.value >= 0x80, let mapping = scalar.scalar?.properties.lowercaseMapping {
        try result.append(contentsOf: mapping.utf8, &room)
      } else {
        try result.append(contentsOf: text[range], &room)
      }
    }
    return result.bytes
  }

  private func stripped(_ text: [UInt8], _ room: inout ByteRoom) throws(ByteRoom.Exhausted) -> [UInt8] {
    guard flags.contains(.stripsEnd) || flags.contains(.stripsStart) else { return text }
    var (begin, end) = (0, text.count)
    while flags.contains(.stripsStart), begin < end {
      let scalar = TextScalar(text, at: begin, end: end)
      guard scalar.isSpace else { break }
      begin += scalar.length
    }
    while flags.contains(.stripsEnd), end > begin {
      let scalar = TextScalar(text, before: end)
      guard scalar.isSpace else { break }
      end -= scalar.length
    }
    if begin == 0 && end == text.count { return text }
    try room.need(end - begin)
    return Array(text[begin..<end])
  }

  private func joined(_ text: [UInt8], _ room: inout ByteRoom) throws(ByteRoom.Exhausted) -> [UInt8] {
    var result = GrowingBytes()
    for (place, byte) in text.enumerated() where byte != 0x20 || place == 0 || text[place - 1] != 0x20 {
      try result.append(byte, &room)
    }
    return result.bytes
  }
}

/// Unicode's normal forms, for texts of UTF-8; others stay as they are.
enum NormalForm {
  /// Form C. Text without a character from U+0300 on is in it.
  static func composed(_ text: [UInt8], _ room: inout ByteRoom) throws(ByteRoom.Exhausted) -> [UInt8] {
    guard text.contains(where: { $0 >= 0xcc }), TextScalar.isText(text) else { return text }
    var result = GrowingBytes()
    try forEachPart(text, &room) { (part, room) throws(ByteRoom.Exhausted) in
      for scalar in part._nfc { try result.append(scalar, &room) }
    }
    return result.bytes
  }

  /// Form D without the marks that take no room of their own.
  static func withoutAccents(_ text: [UInt8], _ room: inout ByteRoom) throws(ByteRoom.Exhausted) -> [UInt8] {
    guard text.contains(where: { $0 >= 0x80 }), TextScalar.isText(text) else { return text }
    var result = GrowingBytes()
    try forEachPart(text, &room) { (part, room) throws(ByteRoom.Exhausted) in
      for scalar in part._nfd where scalar.properties.generalCategory != .nonspacingMark {
        try result.append(scalar, &room)
      }
    }
    return result.bytes
  }

  private static let partBytes = 1 << 12

  /// Parts that end before an ASCII character, which nothing before it changes: what a normal form holds at once is not
  /// more than a part.
  private static func forEachPart(
    _ text: [UInt8], _ room: inout ByteRoom,
    _ body: (String, inout ByteRoom) throws(ByteRoom.Exhausted) -> Void
  ) throws(ByteRoom.Exhausted) {
    var begin = 0
    var longest = 0
    while begin < text.count {
      var end = min(begin + partBytes, text.count)
      while end < text.count, text[end] >= 0x80 { end += 1 }
      if end - begin > longest {
        longest = max(end - begin, 2 * longest)
        // A copy, and the characters between two that begin anew, in lists that grow.
        try room.need(64 * longest)
      }
      try body(String(decoding: text[begin..<end], as: UTF8.self), &room)
      begin = end
    }
  }
}
