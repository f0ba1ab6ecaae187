import SoniqGraph

/// What a folder says of texts: the ids that begin and end them, and the template of a chat. Hosts find it under the
/// keys that a GGUF file's have.
struct DecoderTexts {
  private(set) var metadata: [(key: String, value: MetadataValue)] = []
  private(set) var remarks: [String] = []

  /// What ends a text, in the order of generation_config.json.
  private static let ends = ["eos", "eot", "eom"]
  private static let longestTemplate = 1 << 20

  /// - Throws: `data` for files that are not what they should be.
  init(_ folder: CheckpointFolder) throws(PackError) {
    try addTemplate(folder)
    try addIds(folder)
  }

  private func read(_ name: String, _ folder: CheckpointFolder) throws(PackError) -> JSONValue? {
    let path = folder.path + "/" + name
    return MappedFile.exists(path) ? try JSONValue.read(path: path) : nil
  }

  private mutating func addTemplate(_ folder: CheckpointFolder) throws(PackError) {
    guard let template = try template(folder), !template.utf8.contains(0) else { return }
    guard template.utf8.count <= Self.longestTemplate else {
      remarks.append("the chat template is left out: it has \(template.utf8.count) bytes")
      return
    }
    metadata.append(("tokenizer.chat_template", .text(template)))
  }

  private func template(_ folder: CheckpointFolder) throws(PackError) -> String? {
    let path = folder.path + "/chat_template.jinja"
    if MappedFile.exists(path) {
      let file = try MappedFile(path: path)
      defer { withExtendedLifetime(file) {} }
      guard let text = String(validating: file.bytes, as: UTF8.self) else {
        throw PackError(.data, file: path, "not UTF-8")
      }
      return text
    }
    guard let stated = try read("tokenizer_config.json", folder)?["chat_template"] else { return nil }
    // One, or several with names.
    return stated.text ?? stated.array?.first { $0["name"]?.text == "default" }?["template"]?.text
  }

  private mutating func addIds(_ folder: CheckpointFolder) throws(PackError) {
    let generation = try read("generation_config.json", folder)
    func ids(_ key: String) throws(PackError) -> [Int] {
      let stated = generation?[key]
      guard let value = stated == nil || stated == .null ? folder.config[key] : stated, value != .null else {
        return []
      }
      let list = value.array ?? [value]
      let ids = list.compactMap(\.integer).filter { (0...Int(Int32.max)).contains($0) }
      guard ids.count == list.count else { throw folder.fieldError(key, "must be an id, or a list of ids") }
      return ids
    }
    if let first = try ids("bos_token_id").first {
      metadata.append(("tokenizer.bos_token_id", .integer(Int64(first))))
    }
    let ends = try ids("eos_token_id")
    for (name, id) in zip(Self.ends, ends) {
      metadata.append(("tokenizer.\(name)_token_id", .integer(Int64(id))))
    }
    guard ends.count > Self.ends.count else { return }
    let rest = ends.dropFirst(Self.ends.count).map { "\($0)" }.joined(separator: ", ")
    remarks.append("of the ids that end a text the metadata has \(Self.ends.count); not \(rest)")
  }
}
