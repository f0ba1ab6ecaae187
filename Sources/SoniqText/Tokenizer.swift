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

  package let description: TokenizerDescription
  let index: PieceIndex
  let merges: MergeTable
  /// Tokens of single bytes: of `byteMerges` their own pieces, else the fallback.
  let byteIds: [UInt32?]
  let unknownId: UInt32?
  private let userDefined: SpecialPieces
  private let allSpecial: SpecialPieces

  var pieces: PieceList { description.pieces }

  /// - Throws: what contradicts itself in the description.
  package init(_ description: TokenizerDescription) throws(TokenizerError) {
    try description.check()
    self.description = description
    let (pieces, roles) = (description.pieces, description.roles)
    let ids = 0..<pieces.count
    let found = PieceIndex(
      pieces, first: ids.lazy.filter { roles[$0] == .normal },
      then: ids.lazy.filter { roles[$0] != .normal && roles[$0] != .unused })
    index = found
    merges = try Self.mergeTable(description, found)
    byteIds = Self.byteIds(description, found)
    unknownId = ids.first { roles[$0] == .unknown }.map { UInt32($0) }
    userDefined = SpecialPieces(pieces, ids: ids.filter { roles[$0] == .userDefined })
    allSpecial = SpecialPieces(
      pieces, ids: ids.filter { roles[$0] == .userDefined || roles[$0] == .control || roles[$0] == .unknown })
  }

  private static func mergeTable(
    _ description: TokenizerDescription, _ index: PieceIndex
  ) throws(TokenizerError) -> MergeTable {
    var table = MergeTable(count: description.merges.count)
    let pieces = description.pieces
    var joined: [UInt8] = []
    for (rank, merge) in description.merges.enumerated() {
      joined.removeAll(keepingCapacity: true)
      joined += pieces[Int(merge.left)]
      joined += pieces[Int(merge.right)]
      guard let result = index.find(joined, 0..<joined.count, in: pieces) else {
        throw TokenizerError("merges[\(rank)]", "what the two make together is no token")
      }
      table.insert(
        merge.left, merge.right, rank: UInt32(truncatingIfNeeded: rank),
        result: UInt32(truncatingIfNeeded: result))
    }
    return table
  }

  private static func byteIds(_ description: TokenizerDescription, _ index: PieceIndex) -> [UInt32?] {
    (0..<256).map { byte in
      let text =
        description.algorithm == .byteMerges ? [UInt8(byte)] : Array(ByteToken.name(UInt8(byte)).utf8)
      return index.find(text, 0..<text.count, in: description.pieces).map { UInt32($0) }
    }
  }

  package var count: Int { pieces.count }

  /// At most so many bytes are the text of a token.
  package func byteCount(of id: Int) -> Int { pieces.range(id).count }

  /// The token whose text is exactly this, as a file spells it: of byte merges the bytes, else with U+2581 for spaces.
  package func id(ofPiece piece: [UInt8]) -> Int? { index.find(piece, 0..<piece.count, in: pieces) }

  // MARK: Encoding

  /// Any bytes are a text: what is no UTF-8 is kept byte by byte, where the tokens can say it.
  package func encode(_ text: [UInt8], _ options: EncodeOptions = []) -> [UInt32] {
    var ids = options.contains(.addSpecial) ? description.prefix : []
    let special = options.contains(.parseSpecial) ? allSpecial : userDefined
    var encoder = PieceEncoder(self)
    var begin = 0
    var place = 0
    while !special.isEmpty, place < text.count {
      guard let (id, length) = special.longest(text, at: place, in: pieces) else {
        place += 1
        continue
      }
      encoder.encode(Array(text[begin..<place]), into: &ids)
      ids.append(id)
      place += length
      begin = place
    }
    encoder.encode(begin == 0 ? text : Array(text[begin...]), into: &ids)
    if options.contains(.addSpecial) { ids += description.suffix }
    return ids
  }

  // MARK: Decoding

  /// The bytes of tokens; single ones may end within a character. Ids that are no token's are an error of the caller.
  package func decode(_ ids: some Sequence<Int>, _ options: DecodeOptions = []) -> [UInt8] {
    var bytes: [UInt8] = []
    var isStart = !options.contains(.continues) && description.flags.contains(.addsSpace)
    for id in ids where id >= 0 && id < count {
      let role = description.roles[id]
      if role == .control || role == .unknown {
        if !options.contains(.skipSpecial) {
          bytes += pieces[id]
          isStart = false
        }
        continue
      }
      let begin = bytes.count
      append(id, role, to: &bytes)
      if isStart, begin < bytes.count {
        if bytes[begin] == 0x20 { bytes.remove(at: begin) }
        isStart = false
      }
    }
    return bytes
  }

  private func append(_ id: Int, _ role: TokenRole, to bytes: inout [UInt8]) {
    guard description.algorithm == .scoredMerges else { return bytes += pieces[id] }
    if role == .byte, let byte = ByteToken.byte(pieces[id]) { return bytes.append(byte) }
    SpaceMark.unmark(pieces[id], into: &bytes)
  }
}
