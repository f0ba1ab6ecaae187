/// What characters are written as: SentencePiece's `precompiled_charsmap`. A trie in one array (a "double array"), whose
/// leaves are places of texts that end with a byte 0.
struct CharacterMap: Sendable {
  private var units: [UInt32] = []
  private var texts: [UInt8] = []
  /// Longer ones are looked up character by character.
  private static let clusterBytes = 5

  /// * bytes: the size of the trie as 32 bits, the trie, the texts.
  init(_ bytes: [UInt8]) throws(TokenizerError) {
    func word(_ place: Int) -> UInt32 {
      (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[place + $1]) << (8 * UInt32($1)) }
    }
    guard bytes.count >= 4 else { throw TokenizerError("characterMap", "\(bytes.count) bytes, too few") }
    let size = Int(word(0))
    guard size % 4 == 0, size >= 4, size <= bytes.count - 4 else {
      throw TokenizerError("characterMap", "its trie has \(size) bytes of \(bytes.count - 4)")
    }
    units.reserveCapacity(size / 4)
    for index in 0..<size / 4 { units.append(word(4 + 4 * index)) }
    texts = Array(bytes[(4 + size)...])
  }

  /// Clusters of characters as a reader sees them (graphemes) are looked up, and characters where a cluster is long or
  /// not there.
  func apply(_ text: [UInt8], _ room: inout ByteRoom) throws(ByteRoom.Exhausted) -> [UInt8] {
    var result = GrowingBytes()
    guard TextScalar.isText(text) else {
      try applyToCharacters(text, 0..<text.count, &result, &room)
      return result.bytes
    }
    try room.need(text.count + 32)
    let string = String(decoding: text, as: UTF8.self)
    var begin = 0
    var index = string.startIndex
    while index < string.endIndex {
      let next = string.index(after: index)
      let end = begin + string.utf8.distance(from: index, to: next)
      if end - begin <= Self.clusterBytes, let found = find(text, begin..<end) {
        try result.append(contentsOf: found, &room)
      } else {
        try applyToCharacters(text, begin..<end, &result, &room)
      }
      (index, begin) = (next, end)
    }
    return result.bytes
  }

  private func applyToCharacters(
    _ text: [UInt8], _ range: Range<Int>, _ result: inout GrowingBytes, _ room: inout ByteRoom
  ) throws(ByteRoom.Exhausted) {
    try TextScalar.forEach(text, range) { (_, place) throws(ByteRoom.Exhausted) in
      try result.append(contentsOf: find(text, place) ?? text[place], &room)
    }
  }

  /// What the shortest beginning of the text is written as that is in the trie.
  private func find(_ text: [UInt8], _ range: Range<Int>) -> ArraySlice<UInt8>? {
    var node = Self.offset(units[0])
    for place in range {
      let byte = UInt32(text[place])
      guard byte != 0 else { return nil }
      node ^= Int(byte)
      guard node < units.count else { return nil }
      let unit = units[node]
      guard unit & 0x8000_00ff == byte else { return nil }
      node ^= Self.offset(unit)
      if unit >> 8 & 1 == 1 {
        guard node < units.count else { return nil }
        return leaf(Int(units[node] & 0x7fff_ffff))
      }
    }
    return nil
  }

  private func leaf(_ begin: Int) -> ArraySlice<UInt8>? {
    guard begin < texts.count else { return nil }
    let end = texts[begin...].firstIndex(of: 0) ?? texts.count
    return texts[begin..<end]
  }

  private static func offset(_ unit: UInt32) -> Int { Int(unit >> 10) << Int((unit & 0x200) >> 6) }
}
