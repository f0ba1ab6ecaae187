import SoniqText

/// The tokenizer of a Hugging Face folder: its tokenizer.json, and of tokenizer_config.json what begins and ends a text.
struct FolderTokenizer {
  private static let maximumByteCount = 256 << 20

  private let root: FileNode
  private var description: TokenizerDescription
  private var vocabulary: FileVocabulary

  /// * rows: of the table of words; the model may have more of them than tokens.
  static func read(folder: String, rows: Int) throws(PackError) -> FoundTokenizer {
    let path = folder + "/tokenizer.json"
    guard MappedFile.exists(path) else { return .none }
    let root = FileNode(
      file: path, value: try JSONValue.read(path: path, maximumByteCount: maximumByteCount))
    let config = try configuration(folder)
    do throws(TokenizerFileFault) {
      var reader = try FolderTokenizer(root, rows: rows)
      try reader.setAffixes(config)
      return .tokenizer(try reader.checked())
    } catch {
      switch error {
      case .unknown(let reason): return .unknown(reason)
      case .wrong(let error): throw error
      }
    }
  }

  private static func configuration(_ folder: String) throws(PackError) -> FileNode? {
    let path = folder + "/tokenizer_config.json"
    guard MappedFile.exists(path) else { return nil }
    return FileNode(file: path, value: try JSONValue.read(path: path, maximumByteCount: maximumByteCount))
  }

  private init(_ root: FileNode, rows: Int) throws(TokenizerFileFault) {
    self.root = root
    let model = try root.require("model")
    let normalization = try FileNormalizer(root)
    switch model["type"] == nil && model["merges"] != nil ? "BPE" : try model.type() {
    case "BPE": description = try FileCutting.merges(root, normalization)
    case "WordPiece": description = try FileCutting.wordPieces(root, normalization)
    case "Unigram": description = try FileCutting.likelyPieces(root, normalization)
    case let other:
      throw model.unknown("type", "\"\(other)\" is not known; known: BPE, WordPiece, Unigram")
    }
    try Self.checkDecoder(root)
    vocabulary = try FileVocabulary(root, rows: rows)
    try vocabulary.fill(&description)
    if description.algorithm.hasMerges { try vocabulary.readMerges(model, &description) }
  }

  private func checked() throws(TokenizerFileFault) -> TokenizerDescription {
    do throws(TokenizerError) { _ = try Tokenizer(description) } catch {
      throw root.wrong(error.field, error.message)
    }
    return description
  }

  private static let decoders = [
    "ByteLevel", "Replace", "ByteFallback", "Fuse", "Strip", "Metaspace", "WordPiece",
  ]

  private static func checkDecoder(_ root: FileNode) throws(TokenizerFileFault) {
    for part in try root.parts("decoder") where !decoders.contains(try part.type()) {
      throw part.unknown(
        "type", "\"\(try part.type())\" is not known; known: \(decoders.joined(separator: ", "))")
    }
  }

  // MARK: What begins and ends a text

  /// Classes that set these themselves, as tokenizer_config.json says, whatever tokenizer.json does.
  private static let ownAffixes = [
    "LlamaTokenizer", "LlamaTokenizerFast", "CodeLlamaTokenizer", "CodeLlamaTokenizerFast", "GemmaTokenizer",
    "GemmaTokenizerFast",
  ]

  private mutating func setAffixes(_ config: FileNode?) throws(TokenizerFileFault) {
    for part in try root.parts("post_processor") {
      switch try part.type() {
      case "ByteLevel": break
      case "TemplateProcessing": try setTemplate(part)
      case "BertProcessing", "RobertaProcessing":
        description.prefix = [try pairId(part, "cls")]
        description.suffix = [try pairId(part, "sep")]
      case let other: throw part.unknown("type", "\"\(other)\" is not known")
      }
    }
    guard let config, let name = config["tokenizer_class"]?.value.text, Self.ownAffixes.contains(name) else {
      return
    }
    if let adds = config["add_bos_token"]?.value.boolean {
      description.prefix = adds ? [try id(config.require("bos_token"))] : []
    }
    if let adds = config["add_eos_token"]?.value.boolean {
      description.suffix = adds ? [try id(config.require("eos_token"))] : []
    }
  }

  /// A name, or an object with one.
  private func id(_ node: FileNode) throws(TokenizerFileFault) -> UInt32 {
    let name = try (node["content"] ?? node).text()
    guard let id = vocabulary.id(name) else { throw node.wrong("", "\"\(name)\" is no token") }
    return UInt32(id)
  }

  /// A name and its id.
  private func pairId(_ part: FileNode, _ key: String) throws(TokenizerFileFault) -> UInt32 {
    let pair = try part.require(key).list()
    guard pair.count == 2 else { throw part.wrong(key, "must be a name and an id") }
    return UInt32(try pair[1].size(in: vocabulary.ids))
  }

  private mutating func setTemplate(_ part: FileNode) throws(TokenizerFileFault) {
    (description.prefix, description.suffix) = ([], [])
    var isBehind = false
    for step in try part.require("single").list() {
      if step["Sequence"] != nil {
        guard !isBehind else { throw part.unknown("single", "the text twice is not known") }
        isBehind = true
        continue
      }
      let name = try step.require("SpecialToken").require("id").text()
      let ids = try part.require("special_tokens").require(name).require("ids").list()
      for id in ids {
        let id = UInt32(try id.size(in: vocabulary.ids))
        if isBehind { description.suffix.append(id) } else { description.prefix.append(id) }
      }
    }
    guard max(description.prefix.count, description.suffix.count) <= TokenizerLimits.affix else {
      throw part.wrong("single", "more than \(TokenizerLimits.affix) tokens")
    }
  }
}
