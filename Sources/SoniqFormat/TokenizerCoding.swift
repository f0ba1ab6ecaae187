import CMemory
import SoniqCore
package import SoniqGraph
package import SoniqText

/// The table of a tokenizer. It is read when somebody asks for it, not when a model is opened.
package enum TokenizerCoding {
  /// In the word of the flags: a character map follows the pieces.
  private static let hasMap = Int(TokenizerDescription.Flags.all.rawValue) + 1
  /// The lower bits of a role's byte; those above are its rule.
  private static let roleBits = 4

  /// - Returns: nil where the model has none.
  /// - Throws: what is wrong with the table, and where.
  package static func read(_ model: ModelDescription) throws(FormatError) -> TokenizerDescription? {
    guard let section = model.tokenizer else { return nil }
    // For the copy, and the lists and hash tables that are made of it.
    guard let byteCount = checkedProduct(section.bytes.count, 64), snq_reserve_grow(byteCount) else {
      throw FormatError(.outOfMemory, offset: section.offset, field: "tokenizer")
    }
    // A private copy: what is checked here cannot change before it is used.
    let copy = [UInt8](section.bytes.raw)
    return try copy.withRawBytes { (bytes) throws(FormatError) in
      if let expected = section.checksum {
        let checksum = XXHash64.hash(bytes)
        guard checksum == expected else {
          throw FormatError(
            .checksumMismatch, offset: section.offset, field: "tokenizer", got: .bits(expected),
            expected: .bits(checksum))
        }
      }
      var cursor = ByteCursor(bytes, start: section.offset, table: "tokenizer")
      let description = try read(&cursor)
      try cursor.requireEnd()
      return description
    }
  }

  /// - Returns: nil where the model has none.
  /// - Throws: as `read`, and `inconsistentData` where the tokens contradict each other.
  package static func tokenizer(of model: ModelDescription) throws(FormatError) -> Tokenizer? {
    guard let description = try read(model) else { return nil }
    do throws(TokenizerError) { return try Tokenizer(description) } catch {
      throw FormatError(
        .inconsistentData, offset: model.tokenizer?.offset ?? 0, field: "tokenizer.\(error.field)",
        got: .text(error.message))
    }
  }

  /// The bytes of the table.
  package static func bytes(of description: TokenizerDescription) -> [UInt8] {
    var sink = ByteSink()
    sink.byte(Int(description.algorithm.rawValue))
    sink.byte(Int(description.split.rawValue))
    sink.zeros(2)
    let map = description.characterMap
    sink.word(Int(description.flags.rawValue) | (map.isEmpty ? 0 : hasMap))
    for count in [
      description.pieces.count, description.merges.count, description.prefix.count, description.suffix.count,
    ] {
      sink.word(count)
    }
    for id in description.prefix + description.suffix { sink.word(Int(id)) }
    for merge in description.merges {
      sink.word(Int(merge.left))
      sink.word(Int(merge.right))
    }
    for score in description.scores { sink.float(score) }
    for likelihood in description.likelihoods { sink.double(likelihood) }
    for (id, role) in description.roles.enumerated() {
      sink.byte(Int(role.rawValue) | Int(description.rules[id]?.rawValue ?? 0) << roleBits)
    }
    for id in 0..<description.pieces.count {
      let count = description.pieces[id].count
      sink.byte(count & 255)
      sink.byte(count >> 8)
    }
    sink.bytes += description.pieces.bytes
    if !map.isEmpty {
      sink.word(map.count)
      sink.bytes += map
    }
    return sink.bytes
  }

  private static func read(_ cursor: inout ByteCursor) throws(FormatError) -> TokenizerDescription {
    let algorithm = try cursor.tag(TokenizerAlgorithm.self, "algorithm")
    let split = try cursor.tag(TextSplit.self, "split")
    try cursor.reserved(2)
    let flags = try cursor.word("flags", in: 0...2 * hasMap - 1)
    var description = TokenizerDescription(
      algorithm: algorithm, split: split, flags: .init(rawValue: UInt32(flags & (hasMap - 1))))
    let count = try cursor.count("pieces.count", limit: TokenizerLimits.pieces, size: 3)
    let mergeCount = try cursor.count("merges.count", limit: TokenizerLimits.merges, size: 8)
    let prefixCount = try cursor.count("prefix.count", limit: TokenizerLimits.affix, size: 4)
    let suffixCount = try cursor.count("suffix.count", limit: TokenizerLimits.affix, size: 4)
    description.prefix = try ids(&cursor, "prefix", prefixCount, below: count)
    description.suffix = try ids(&cursor, "suffix", suffixCount, below: count)
    description.merges.reserveCapacity(mergeCount)
    for index in 0..<mergeCount {
      cursor.prefix = "merges[\(index)]."
      let left = try cursor.index("left", below: count)
      let right = try cursor.index("right", below: count)
      description.merges.append(.init(left: UInt32(left), right: UInt32(right)))
    }
    cursor.prefix = ""
    if algorithm == .scoredMerges {
      description.scores = try numbers(&cursor, "scores", count) { (cursor, field) throws(FormatError) in
        try cursor.float(field)
      }
    }
    if algorithm == .likelyPieces {
      description.likelihoods = try numbers(&cursor, "likelihoods", count) {
        (cursor, field) throws(FormatError) in try cursor.double(field)
      }
    }
    try readRoles(&cursor, count, into: &description)
    try readPieces(&cursor, count, into: &description)
    if flags & hasMap != 0 {
      let byteCount = try cursor.count("characterMap.count", limit: TokenizerLimits.mapBytes, size: 1)
      guard byteCount > 0 else {
        throw cursor.fault(.outOfRange, "characterMap.count", at: cursor.offset - 4, got: .integer(0))
      }
      description.characterMap = Array(try cursor.run(byteCount, "characterMap"))
    }
    return description
  }

  private static func readRoles(
    _ cursor: inout ByteCursor, _ count: Int, into description: inout TokenizerDescription
  ) throws(FormatError) {
    description.roles.reserveCapacity(count)
    for id in 0..<count {
      let place = cursor.offset
      let byte = try cursor.byte("roles")
      guard let role = TokenRole(rawValue: UInt8(byte & (1 << roleBits - 1))) else {
        throw cursor.fault(.unknownTag, "roles", at: place, got: .integer(byte))
      }
      description.roles.append(role)
      if byte >> roleBits != 0 { description.rules[id] = NameRule(rawValue: UInt8(byte >> roleBits)) }
    }
  }

  private static func ids(
    _ cursor: inout ByteCursor, _ field: String, _ count: Int, below limit: Int
  ) throws(FormatError) -> [UInt32] {
    var ids: [UInt32] = []
    for _ in 0..<count { ids.append(UInt32(try cursor.index(field, below: limit))) }
    return ids
  }

  /// Finite numbers, one a piece.
  private static func numbers<Number: BinaryFloatingPoint>(
    _ cursor: inout ByteCursor, _ field: String, _ count: Int,
    read: (inout ByteCursor, String) throws(FormatError) -> Number
  ) throws(FormatError) -> [Number] {
    let byteCount = count * MemoryLayout<Number>.size
    guard byteCount <= cursor.remaining else {
      throw cursor.fault(
        .truncated, field, at: cursor.offset, got: .integer(cursor.remaining), expected: .integer(byteCount))
    }
    var numbers: [Number] = []
    numbers.reserveCapacity(count)
    for _ in 0..<count {
      let place = cursor.offset
      let number = try read(&cursor, field)
      guard number.isFinite else {
        throw cursor.fault(.outOfRange, field, at: place, got: .real(Double(number)))
      }
      numbers.append(number)
    }
    return numbers
  }

  private static func readPieces(
    _ cursor: inout ByteCursor, _ count: Int, into description: inout TokenizerDescription
  ) throws(FormatError) {
    var lengths: [Int] = []
    lengths.reserveCapacity(min(count, cursor.remaining))
    var total = 0
    for _ in 0..<count {
      let place = cursor.offset
      let low = try cursor.byte("lengths")
      let length = low + 256 * (try cursor.byte("lengths"))
      guard length <= TokenizerLimits.pieceBytes else {
        throw cursor.fault(
          .limitExceeded, "lengths", at: place, got: .integer(length),
          expected: .range(0...TokenizerLimits.pieceBytes))
      }
      lengths.append(length)
      total += length
    }
    guard total <= cursor.remaining else {
      throw cursor.fault(
        .truncated, "pieces", at: cursor.offset, got: .integer(cursor.remaining), expected: .integer(total))
    }
    description.pieces.reserve(pieces: count, bytes: total)
    for length in lengths { description.pieces.append(try cursor.run(length, "pieces")) }
  }
}

extension ModelDescription {
  /// Gives the model a tokenizer, which its file will have.
  package mutating func setTokenizer(_ description: TokenizerDescription) {
    let bytes = AlignedBuffer(copying: TokenizerCoding.bytes(of: description))
    owner.append(bytes)
    tokenizer = TokenizerSection(
      bytes: ConstantBytes(start: UnsafeRawPointer(bytes.start), count: bytes.count))
  }
}
