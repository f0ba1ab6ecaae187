/// Text to tokens and back. Immutable: threads may share it.
package final class Tokenizer: Sendable {
  package struct EncodeOptions: OptionSet, Sendable, Hashable {
    package var rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    /// What the file sets before and behind a text.
    package static let addSpecial = EncodeOptions(rawValue: 1)
    /// The names of control tokens in a text are these tokens.
    package static let parseSpecial = EncodeOptions(rawValue: 2)
  }
  package struct DecodeOptions: OptionSet, Sendable, Hashable {
    package var rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    /// Control tokens give nothing.
    package static let skipSpecial = DecodeOptions(rawValue: 1)
    /// The tokens go on with a text: the space that encoding set before it was taken off already.
    package static let continues = DecodeOptions(rawValue: 2)
  }
  /// Names of special tokens, in a text as it is and in a normalised one.
  private struct Names: Sendable {
    var plain: SpecialPieces
    var normalized: SpecialPieces
  }

  package let description: TokenizerDescription
  let normalizer: TextNormalizer
  let index: PieceIndex
  let merges: MergeTable
  /// Tokens of single bytes: of `byteMerges` their own pieces, else the fallback.
  let byteIds: [UInt32?]
  let hasAllBytes: Bool
  let unknownId: UInt32?
  /// Of a character that no piece has.
  let unknownLikelihood: Double
  private let userDefined: Names
  private let allSpecial: Names
  /// Whether a text can be cut between a byte and U+2581: no token has both, one behind the other.
  private let apart: [Bool]

  var pieces: PieceList { description.pieces }

  /// - Throws: what contradicts itself in the description.
  package init(_ description: TokenizerDescription) throws(TokenizerError) {
    try description.check()
    self.description = description
    normalizer = try TextNormalizer(description)
    let (pieces, roles) = (description.pieces, description.roles)
    let ids = pieces.indices
    let found = PieceIndex(
      pieces, first: ids.lazy.filter { roles[$0] == .normal },
      then: ids.lazy.filter { roles[$0] != .normal && roles[$0] != .unused })
    index = found
    merges = try MergeTable(description, found)
    byteIds = Self.byteIds(description, found)
    hasAllBytes = byteIds.allSatisfy { $0 != nil }
    unknownId = ids.first { roles[$0] == .unknown }.map { UInt32($0) }
    unknownLikelihood = (description.likelihoods.min() ?? 0) - Self.unknownPenalty
    userDefined = try Self.names(description, normalizer, [.userDefined])
    allSpecial = try Self.names(description, normalizer, [.userDefined, .control, .unknown])
    apart = Self.apart(description, found)
  }

  /// SentencePiece's.
  private static let unknownPenalty = 10.0

  private static func names(
    _ description: TokenizerDescription, _ normalizer: TextNormalizer, _ roles: Set<TokenRole>
  ) throws(TokenizerError) -> Names {
    var (plain, normalized): ([SpecialPieces.Name], [SpecialPieces.Name]) = ([], [])
    var texts = PieceList()
    // All of it lies within what was asked for to read the table.
    let mostBytes = TokenizerLimits.growth * description.pieces.bytes.count
    for id in description.pieces.indices where roles.contains(description.roles[id]) {
      let rule = description.rules[id] ?? []
      var name = SpecialPieces.Name(place: UInt32(id), id: UInt32(id), rule: rule)
      guard rule.contains(.normalized) else {
        plain.append(name)
        continue
      }
      let piece = Array(description.pieces[id])
      do throws(ByteRoom.Exhausted) {
        var room = ByteRoom(allowance: TokenizerLimits.nameRoom) { _ in false }
        let text = try normalizer.normalize(piece, isFirst: true, &room)
        guard texts.bytes.count + text.count <= mostBytes else { throw ByteRoom.Exhausted() }
        name.place = UInt32(texts.count)
        texts.append(text)
      } catch {
        throw TokenizerError("pieces[\(id)]", "is too long when it is normalised")
      }
      normalized.append(name)
    }
    return Names(
      plain: SpecialPieces(description.pieces, plain), normalized: SpecialPieces(texts, normalized))
  }

  private static func byteIds(_ description: TokenizerDescription, _ index: PieceIndex) -> [UInt32?] {
    (0..<256).map { byte in
      let pieces = description.pieces
      guard description.algorithm != .byteMerges else {
        return index.find([UInt8(byte)], 0..<1, in: pieces).map { UInt32($0) }
      }
      let name = Array(ByteToken.name(UInt8(byte)).utf8)
      guard let id = index.find(name, 0..<name.count, in: pieces) else { return nil }
      // Elsewhere it is a text like others.
      let isByte = description.algorithm == .scoredMerges || description.roles[id] == .byte
      return isByte ? UInt32(id) : nil
    }
  }

  private static func apart(_ description: TokenizerDescription, _ index: PieceIndex) -> [Bool] {
    let (pieces, mark) = (description.pieces, SpaceMark.bytes)
    // Neighbours that are unknown may become one.
    guard description.algorithm.marksSpaces, !description.flags.contains(.takesWholePieces),
      index.find(mark, 0..<mark.count, in: pieces) != nil
    else { return [Bool](repeating: false, count: 256) }
    var apart = [Bool](repeating: true, count: 256)
    for id in pieces.indices {
      let range = pieces.range(id)
      for place in range.dropFirst()
      where place + mark.count <= range.upperBound && SpaceMark.stands(in: pieces.bytes, at: place) {
        apart[Int(pieces.bytes[place - 1])] = false
      }
    }
    return apart
  }

  func isApart(_ byte: UInt8) -> Bool { apart[Int(byte)] }

  /// The tokens of a character's bytes, where all of them have one.
  func fallback(_ text: [UInt8], _ range: Range<Int>) -> [UInt32]? {
    let ids = range.compactMap { byteIds[Int(text[$0])] }
    return ids.count == range.count ? ids : nil
  }

  package var count: Int { pieces.count }

  /// At most so many bytes are the text of a token.
  package func byteCount(of id: Int) -> Int { pieces.range(id).count + 1 }

  /// The token whose text is exactly this, as a file spells it: of byte merges the bytes, else with U+2581 for spaces.
  package func id(ofPiece piece: [UInt8]) -> Int? { index.find(piece, 0..<piece.count, in: pieces) }

  /// Any bytes are a text: what is no UTF-8 is kept byte by byte, where the tokens can say it.
  ///
  /// * target: gets as many ids as it has room for.
  /// * allowance: bytes of memory that are there; all that encoding allocates beyond them is asked for by `reserve`.
  /// - Returns: the number of ids; nil where there is no memory.
  package func encode(
    _ text: [UInt8], _ options: EncodeOptions = [], into target: UnsafeMutableBufferPointer<Int32>,
    allowance: Int = 0, reserve: @escaping (Int) -> Bool = { _ in true }
  ) -> Int? {
    let names = options.contains(.parseSpecial) ? allSpecial : userDefined
    let room = ByteRoom(allowance: allowance, reserve: reserve)
    var encoder = PieceEncoder(self, names.normalized, TokenSink(target), room)
    if options.contains(.addSpecial) { for id in description.prefix { encoder.sink.append(id) } }
    do throws(ByteRoom.Exhausted) {
      var begin = 0
      while let match = names.plain.next(text, from: begin) {
        let part = begin..<match.range.lowerBound
        try encoder.room.need(part.count)
        try encoder.encode(Array(text[part]), isFirst: begin == 0)
        encoder.sink.append(match.id)
        begin = match.range.upperBound
      }
      try encoder.room.need(text.count - begin)
      try encoder.encode(begin == 0 ? text : Array(text[begin...]), isFirst: begin == 0)
    } catch {
      return nil
    }
    if options.contains(.addSpecial) { for id in description.suffix { encoder.sink.append(id) } }
    return encoder.sink.count
  }

  /// The ids of a text, where memory is there.
  package func encode(_ text: [UInt8], _ options: EncodeOptions = []) -> [UInt32] {
    func ids(room count: Int) -> (ids: [Int32], needed: Int) {
      var needed = 0
      let ids = [Int32](unsafeUninitializedCapacity: count) { target, used in
        needed = encode(text, options, into: target) ?? 0
        used = min(needed, count)
      }
      return (ids, needed)
    }
    var found = ids(room: text.count + 16)
    if found.needed > found.ids.count { found = ids(room: found.needed) }
    return found.ids.map { UInt32(bitPattern: $0) }
  }
}
