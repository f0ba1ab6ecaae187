import SoniqText

/// How a tokenizer.json cuts a text: `pre_tokenizer`, and the settings of `model` that go with it.
enum FileCutting {
  private static let key = "pre_tokenizer"
  private static let lines = #"[^\r\n\p{L}\p{N}]?\p{L}+"#
  private static let rest = #" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  private static let suffixes = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
  /// Patterns, and others that find the same pieces.
  private static let patterns: [String: TextSplit] = [
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#: .gpt2,
    #"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#: .gpt2,
    "\(suffixes)|\(lines)|\\p{N}{1,3}|\(rest)": .llama3,
    "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|\(lines)|\\p{N}{1,3}|\(rest)": .llama3,
    #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#:
      .llama3,
    "\(suffixes)|\(lines)|\\p{N}|\(rest)": .qwen2,
  ]

  // MARK: Merges

  static func merges(
    _ root: FileNode, _ normalization: FileNormalizer
  ) throws(TokenizerFileFault) -> TokenizerDescription {
    let model = try root.require("model")
    try checkMerges(model)
    let parts = try root.parts(key)
    var isOfBytes = false
    for part in parts where try part.type() == "ByteLevel" { isOfBytes = true }
    var description =
      isOfBytes
      ? try bytes(root, parts, normalization) : try characters(root, parts, normalization, .rankedMerges)
    if try model.flag("ignore_merges", default: false) { description.flags.insert(.takesWholePieces) }
    let fuses = try model.flag("fuse_unk", default: false)
    if !isOfBytes, fuses { description.flags.insert(.fusesUnknown) }
    return description
  }

  private static func checkMerges(_ model: FileNode) throws(TokenizerFileFault) {
    if let dropout = model["dropout"], dropout.value.real != 0 {
      throw dropout.unknown("", "leaving out merges by chance is not known")
    }
    for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
      guard let text = try model[name]?.text(), !text.isEmpty else { continue }
      throw model.unknown(name, "\"\(text)\" is not known with merges")
    }
  }

  private static func bytes(
    _ root: FileNode, _ parts: [FileNode], _ normalization: FileNormalizer
  ) throws(TokenizerFileFault) -> TokenizerDescription {
    guard let last = parts.last, try last.type() == "ByteLevel", parts.count <= 2 else {
      throw root.unknown(key, "its parts in this order are not known")
    }
    guard !normalization.marksSpaces, !normalization.flags.contains(.addsSpace) else {
      throw root.unknown("normalizer", "U+2581 for spaces is not known with merges of bytes")
    }
    let usesPattern = try last.flag("use_regex", default: true)
    var description = TokenizerDescription(algorithm: .byteMerges, flags: normalization.flags)
    description.characterMap = normalization.characterMap
    description.split = usesPattern ? .gpt2 : .none
    if try last.flag("add_prefix_space", default: true) {
      guard parts.count == 1 else {
        throw last.unknown("add_prefix_space", "behind another part is not known")
      }
      description.flags.formUnion([.addsSpace, .addsMissingSpace])
    }
    guard parts.count == 2 else { return description }
    let cutsDigits = try parts[0].flag("individual_digits", default: false)
    switch try parts[0].type() {
    case "Digits" where usesPattern && cutsDigits:
      description.split = .digitsThenGPT2
    case "Split" where !usesPattern: description.split = try pattern(parts[0])
    case let other: throw parts[0].unknown("type", "\"\(other)\" with these settings is not known")
    }
    return description
  }

  private static func pattern(_ part: FileNode) throws(TokenizerFileFault) -> TextSplit {
    // Everything is found: what is between pieces may stay or go.
    let behavior = try part.require("behavior").text()
    let isInverted = try part.flag("invert", default: false)
    guard (behavior == "Isolated" && !isInverted) || (behavior == "Removed" && isInverted) else {
      throw part.unknown("behavior", "\"\(behavior)\" is not known")
    }
    guard let text = try part.require("pattern")["Regex"]?.text() else {
      throw part.unknown("pattern", "is none of the patterns that are known")
    }
    guard let split = patterns[text] else { throw part.unknown("pattern", "\"\(text)\" is not known") }
    return split
  }

  // MARK: Characters

  /// Spaces are U+2581.
  private static func characters(
    _ root: FileNode, _ parts: [FileNode], _ normalization: FileNormalizer, _ algorithm: TokenizerAlgorithm
  ) throws(TokenizerFileFault) -> TokenizerDescription {
    var description = TokenizerDescription(algorithm: algorithm, flags: normalization.flags)
    description.characterMap = normalization.characterMap
    var parts = parts
    if normalization.marksSpaces {
      // Without spaces this finds nothing.
      if let first = parts.first, try first.type() == "Split", first["pattern"]?["String"]?.value.text == " "
      {
        parts.removeFirst()
      }
      guard parts.isEmpty else { throw root.unknown(key, "is not known where spaces are replaced before") }
      return description
    }
    guard !normalization.flags.contains(.addsSpace) else {
      throw root.unknown("normalizer", "\"Prepend\" alone is not known")
    }
    if let first = parts.first, try first.type() == "WhitespaceSplit", algorithm == .likelyPieces {
      description.split = .words
      parts.removeFirst()
    }
    guard parts.count == 1, try parts[0].type() == "Metaspace" else {
      throw root.unknown(
        key,
        "only \"ByteLevel\" and \"Metaspace\" are known, with \"Split\", \"Digits\" and \"WhitespaceSplit\"")
    }
    try setMarks(parts[0], &description)
    return description
  }

  private static func setMarks(
    _ part: FileNode, _ description: inout TokenizerDescription
  ) throws(TokenizerFileFault) {
    let mark = try part["replacement"]?.text()
    guard mark == nil || mark == "\u{2581}" else {
      throw part.unknown("replacement", "only U+2581 is known")
    }
    let old = try part.flag("add_prefix_space", default: true) ? "always" : "never"
    let scheme = try part["prepend_scheme"]?.text() ?? old
    let splits = try part.flag("split", default: true)
    let isOfWords = description.split == .words
    description.flags.insert(.addsMissingSpace)
    switch scheme {
    case "always": description.flags.insert(.addsSpace)
    case "first"
    where !isOfWords && description.flags.isSubset(of: [.addsMissingSpace, .joinsSpaces, .stripsEnd])
      && description.characterMap.isEmpty:
      description.flags.formUnion([.addsSpace, .addsFirstSpace])
    case "never" where !isOfWords: break
    default: throw part.unknown("prepend_scheme", "\"\(scheme)\" in this place is not known")
    }
    guard splits || !isOfWords else { throw part.unknown("split", "false behind words is not known") }
    if splits, !isOfWords { description.split = .marks }
  }

  // MARK: Words

  static func wordPieces(
    _ root: FileNode, _ normalization: FileNormalizer
  ) throws(TokenizerFileFault) -> TokenizerDescription {
    let model = try root.require("model")
    if let prefix = try model["continuing_subword_prefix"]?.text(), prefix != "##" {
      throw model.unknown("continuing_subword_prefix", "\"\(prefix)\" is not known; known: ##")
    }
    if let longest = model["max_input_chars_per_word"], longest.value.integer != 100 {
      throw longest.unknown("", "\(longest.value.written()) is not known; known: 100")
    }
    let parts = try root.parts(key)
    guard parts.count == 1, try parts[0].type() == "BertPreTokenizer" else {
      throw root.unknown(key, "only \"BertPreTokenizer\" is known with WordPiece")
    }
    guard !normalization.marksSpaces, !normalization.flags.contains(.addsSpace) else {
      throw root.unknown("normalizer", "U+2581 for spaces is not known with WordPiece")
    }
    var description = TokenizerDescription(
      algorithm: .wordPieces, split: .signs, flags: normalization.flags)
    description.characterMap = normalization.characterMap
    return description
  }

  static func likelyPieces(
    _ root: FileNode, _ normalization: FileNormalizer
  ) throws(TokenizerFileFault) -> TokenizerDescription {
    try characters(root, root.parts(key), normalization, .likelyPieces)
  }
}
