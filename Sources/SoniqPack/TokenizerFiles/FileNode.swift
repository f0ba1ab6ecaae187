/// Why a tokenizer.json gives no tokenizer.
enum TokenizerFileFault: Error {
  /// It is one that is not known here.
  case unknown(String)
  /// It is not what it should be.
  case wrong(PackError)
}

/// A value in a file of JSON, and where it stands.
struct FileNode {
  let file: String
  let path: String
  let value: JSONValue

  init(file: String, path: String = "", value: JSONValue) {
    (self.file, self.path, self.value) = (file, path, value)
  }

  /// nil where it is not there, or null.
  subscript(key: String) -> FileNode? {
    guard let value = value[key], value != .null else { return nil }
    return FileNode(file: file, path: path.isEmpty ? key : "\(path).\(key)", value: value)
  }

  private func named(_ key: String) -> String { path.isEmpty ? key : key.isEmpty ? path : "\(path).\(key)" }

  /// * key: within this one; "" for itself.
  func unknown(_ key: String, _ message: String) -> TokenizerFileFault {
    let name = file.split(separator: "/").last.map(String.init) ?? file
    return .unknown("\(name), key \(named(key)): \(message)")
  }

  func wrong(_ key: String, _ message: String) -> TokenizerFileFault {
    .wrong(PackError(.data, file: file, place: "key \(named(key))", message))
  }

  func require(_ key: String) throws(TokenizerFileFault) -> FileNode {
    guard let node = self[key] else { throw wrong(key, "missing") }
    return node
  }

  func text() throws(TokenizerFileFault) -> String {
    guard let text = value.text else { throw wrong("", "must be a text") }
    return text
  }

  func list() throws(TokenizerFileFault) -> [FileNode] {
    guard let list = value.array else { throw wrong("", "must be a list") }
    return list.enumerated().map { FileNode(file: file, path: "\(path)[\($0.offset)]", value: $0.element) }
  }

  func size(in range: ClosedRange<Int>) throws(TokenizerFileFault) -> Int {
    guard let size = value.integer, range.contains(size) else {
      throw wrong("", "must be a whole number in \(range.lowerBound)...\(range.upperBound)")
    }
    return size
  }

  func flag(_ key: String, default standard: Bool) throws(TokenizerFileFault) -> Bool {
    guard let node = self[key] else { return standard }
    guard let flag = node.value.boolean else { throw node.wrong("", "must be true or false") }
    return flag
  }

  /// What kind of part it is.
  func type() throws(TokenizerFileFault) -> String { try require("type").text() }

  /// A part that may be several one behind the other.
  func parts(_ key: String) throws(TokenizerFileFault) -> [FileNode] {
    guard let part = value.object == nil ? nil : self[key] else { return [] }
    return try part.flattened(key)
  }

  private static let lists = ["normalizers", "pretokenizers", "processors", "decoders"]
  private static let maximumParts = 64

  private func flattened(_ key: String) throws(TokenizerFileFault) -> [FileNode] {
    guard try type() == "Sequence" else { return [self] }
    guard let list = Self.lists.lazy.compactMap({ self[$0] }).first else {
      throw wrong("", "a sequence without parts")
    }
    var parts: [FileNode] = []
    for part in try list.list() {
      parts += try part.flattened(key)
      guard parts.count <= Self.maximumParts else { throw wrong("", "more than \(Self.maximumParts) parts") }
    }
    return parts
  }
}
