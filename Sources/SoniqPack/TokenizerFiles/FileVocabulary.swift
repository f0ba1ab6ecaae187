import SoniqText

/// The tokens of a tokenizer.json, by id: those of its model and those that were added.
struct FileVocabulary {
  private struct Added {
    var node: FileNode
    var id: Int
    var text: String
    var isSpecial: Bool
    var rule: NameRule
  }
  private let model: FileNode
  private var texts: [String?] = []
  private var likelihoods: [Double] = []
  private var idsByText: [String: Int] = [:]
  private var added: [Added] = []

  /// * rows: more tokens are not known.
  init(_ root: FileNode, rows: Int) throws(TokenizerFileFault) {
    model = try root.require("model")
    let vocabulary = try model.require("vocab")
    if vocabulary.value.array != nil { try readList(vocabulary) } else { try readTable(vocabulary) }
    if let list = root["added_tokens"] { for node in try list.list() { try readAdded(node) } }
    guard texts.count <= rows else {
      throw root.unknown("model.vocab", "\(texts.count) tokens, but the model has \(rows) rows for them")
    }
    guard !texts.isEmpty else { throw vocabulary.wrong("", "no tokens") }
  }

  var ids: ClosedRange<Int> { 0...texts.count - 1 }

  func id(_ text: String) -> Int? { idsByText[text] }

  private mutating func set(_ id: Int, _ text: String, _ node: FileNode) throws(TokenizerFileFault) {
    guard (0..<TokenizerLimits.pieces).contains(id) else {
      throw node.wrong("", "\"\(text)\" has the id \(id), expected 0...\(TokenizerLimits.pieces - 1)")
    }
    guard text.utf8.count <= TokenizerLimits.pieceBytes else {
      throw node.wrong(
        "", "token \(id) has \(text.utf8.count) bytes, more than \(TokenizerLimits.pieceBytes)")
    }
    while texts.count <= id { texts.append(nil) }
    if let other = texts[id], other != text {
      throw node.wrong("", "\"\(other)\" and \"\(text)\" have the same id \(id)")
    }
    texts[id] = text
    // Of equal texts the first counts.
    if idsByText[text] == nil { idsByText[text] = id }
  }

  private mutating func readTable(_ node: FileNode) throws(TokenizerFileFault) {
    guard let members = node.value.object else { throw node.wrong("", "must be an object") }
    for member in members {
      guard let id = member.value.integer else { throw node.wrong("", "\"\(member.key)\" has no id") }
      try set(id, member.key, node)
    }
  }

  /// Texts and the logarithms of their probabilities.
  private mutating func readList(_ node: FileNode) throws(TokenizerFileFault) {
    for (id, pair) in (node.value.array ?? []).enumerated() {
      guard let pair = pair.array, pair.count == 2, let text = pair[0].text, let likelihood = pair[1].real
      else {
        throw node.wrong("", "number \(id) must be a text and a number")
      }
      try set(id, text, node)
      likelihoods.append(likelihood)
    }
  }

  private mutating func readAdded(_ node: FileNode) throws(TokenizerFileFault) {
    let id = try node.require("id").size(in: 0...TokenizerLimits.pieces - 1)
    let text = try node.require("content").text()
    try set(id, text, node)
    let isSpecial = try node.flag("special", default: false)
    var rule: NameRule = []
    if try node.flag("normalized", default: !isSpecial) { rule.insert(.normalized) }
    if try node.flag("single_word", default: false) { rule.insert(.wholeWord) }
    if try node.flag("lstrip", default: false) { rule.insert(.takesSpaceBefore) }
    if try node.flag("rstrip", default: false) { rule.insert(.takesSpaceBehind) }
    added.append(Added(node: node, id: id, text: text, isSpecial: isSpecial, rule: rule))
  }

  // MARK: The description's lists

  func fill(_ description: inout TokenizerDescription) throws(TokenizerFileFault) {
    let isOfBytes = description.algorithm == .byteMerges
    let fallsBack = try model.flag("byte_fallback", default: false)
    let names = [Int: Added](added.map { ($0.id, $0) }) { first, _ in first }
    for (id, text) in texts.enumerated() {
      var bytes = Array((text ?? "").utf8)
      var role = text == nil ? TokenRole.unused : .normal
      if let name = names[id] {
        role = name.isSpecial ? .control : .userDefined
        if !name.rule.isEmpty { description.rules[id] = name.rule }
      } else if isOfBytes {
        // Texts beyond the alphabet of bytes stand in vocabularies, but nothing makes them.
        if let decoded = ByteAlphabet.bytes(bytes) { bytes = decoded } else { role = .unused }
      } else if fallsBack, ByteToken.byte(bytes[...]) != nil {
        role = .byte
      }
      description.pieces.append(bytes)
      description.roles.append(role)
    }
    guard description.pieces.bytes.count <= TokenizerLimits.bytes else {
      throw model.wrong("vocab", "more than \(TokenizerLimits.bytes) bytes")
    }
    try setUnknown(&description)
    guard description.algorithm == .likelyPieces else { return }
    // What was added has none: its name is found before.
    let least = likelihoods.min() ?? 0
    description.likelihoods = likelihoods + [Double](repeating: least, count: texts.count - likelihoods.count)
  }

  private func setUnknown(_ description: inout TokenizerDescription) throws(TokenizerFileFault) {
    var unknown: Int?
    if let id = model["unk_id"] { unknown = try id.size(in: ids) }
    if let name = try model["unk_token"]?.text() {
      guard let id = idsByText[name] else { throw model.wrong("unk_token", "\"\(name)\" is no token") }
      unknown = id
    }
    guard let unknown else { return }
    if description.algorithm == .byteMerges {
      // Nothing is unknown where every byte has a token.
      var bytes = Set<UInt8>()
      for id in description.pieces.indices where description.roles[id] == .normal {
        if description.pieces[id].count == 1, let byte = description.pieces[id].first { bytes.insert(byte) }
      }
      guard bytes.count < 256 else { return }
    }
    description.roles[unknown] = .unknown
  }

  /// Pairs of texts, or both in one text with a space between them.
  func readMerges(_ model: FileNode, _ description: inout TokenizerDescription) throws(TokenizerFileFault) {
    let node = try model.require("merges")
    guard let list = node.value.array else { throw node.wrong("", "must be a list") }
    guard list.count <= TokenizerLimits.merges else {
      throw node.wrong("", "\(list.count), more than \(TokenizerLimits.merges)")
    }
    for (rank, merge) in list.enumerated() {
      let parts = merge.text.map {
        $0.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
      }
      guard let pair = parts ?? merge.array?.compactMap(\.text), pair.count == 2 else {
        throw node.wrong("", "number \(rank) must be two texts")
      }
      guard let left = idsByText[pair[0]], let right = idsByText[pair[1]] else {
        let odd = idsByText[pair[0]] == nil ? pair[0] : pair[1]
        throw node.wrong("", "number \(rank): \"\(odd)\" is no token")
      }
      let isUnused = description.roles[left] == .unused || description.roles[right] == .unused
      if !isUnused { description.merges.append(.init(left: UInt32(left), right: UInt32(right))) }
    }
  }
}
