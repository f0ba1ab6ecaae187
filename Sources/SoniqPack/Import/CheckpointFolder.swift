/// A folder as Hugging Face lays it out: config.json, model.safetensors (or several files and their index) and, for
/// sentence encoders, modules.json with what is behind the encoder.
package struct CheckpointFolder: Sendable {
  package let path: String
  package let config: JSONValue
  package let tensors: CheckpointTensors
  /// What fields are that config.json does not state.
  var standards: [String: Int] = [:]
  /// The field of config.json that `config` is; nil for all of it.
  private let part: String?

  package init(path: String) throws(PackError) {
    self.path = path
    guard MappedFile.isDirectory(path) else {
      let fault =
        MappedFile.exists(path)
        ? "neither an ONNX file nor a folder with config.json and model.safetensors, nor a GGUF file"
        : "no such file or folder"
      throw PackError(.noInput, file: path, fault)
    }
    config = try JSONValue.read(path: path + "/config.json")
    guard config.object != nil else {
      throw PackError(.data, file: path + "/config.json", "not a JSON object")
    }
    tensors = try CheckpointTensors(folder: path)
    part = nil
  }

  /// One of several models in a folder: a field of config.json, and what has its tensors.
  ///
  /// * fields: put in the place of its own.
  /// - Throws: `data` when the field is there and no object.
  init(
    _ part: String, of whole: CheckpointFolder, fields: [JSONMember], tensorsBegin: [String]
  ) throws(PackError) {
    let stated = whole.config[part] ?? .null
    guard stated == .null || stated.object != nil else { throw whole.fieldError(part, "must be an object") }
    let kept = (stated.object ?? []).filter { member in !fields.contains { $0.key == member.key } }
    config = .object(fields + kept)
    tensors = whole.tensors.beginning(with: tensorsBegin)
    (path, self.part) = (whole.path, part)
  }

  var isWhole: Bool { part == nil }
  package var configPath: String { path + "/config.json" }

  /// The field that is there, of several names of one thing; null counts as missing.
  private func field(_ keys: [String]) -> (key: String, value: JSONValue)? {
    for key in keys {
      if let value = config[key], value != .null { return (key, value) }
    }
    for key in keys { if let value = standards[key] { return (key, .integer(value)) } }
    return nil
  }

  /// A field of config.json that must be a whole number in a range.
  /// * keys: the names that it has in different files.
  package func size(
    _ keys: String..., in range: ClosedRange<Int>, default standard: Int? = nil
  ) throws(PackError) -> Int { try size(keys, in: range, default: standard) }

  func size(
    _ keys: [String], in range: ClosedRange<Int>, default standard: Int? = nil
  ) throws(PackError) -> Int {
    guard let (key, value) = field(keys) else {
      guard let standard else { throw fieldError(keys.first ?? "", "missing") }
      return standard
    }
    guard let size = value.integer, range.contains(size) else {
      throw fieldError(key, "must be a whole number in \(range.lowerBound)...\(range.upperBound)")
    }
    return size
  }

  func real(_ keys: [String], default standard: Double) throws(PackError) -> Double {
    guard let (key, value) = field(keys) else { return standard }
    guard let real = value.real else { throw fieldError(key, "must be a number") }
    return real
  }

  func flag(_ key: String, default standard: Bool) throws(PackError) -> Bool {
    guard let (_, value) = field([key]) else { return standard }
    guard let flag = value.boolean else { throw fieldError(key, "must be true or false") }
    return flag
  }

  func text(_ keys: String...) throws(PackError) -> String? { try text(keys) }

  func text(_ keys: [String]) throws(PackError) -> String? {
    guard let (key, value) = field(keys) else { return nil }
    guard let text = value.text else { throw fieldError(key, "must be a text") }
    return text
  }

  static let architectures = "architectures"

  /// The first class of `architectures`.
  func architecture() throws(PackError) -> String? {
    guard let (_, value) = field([Self.architectures]) else { return nil }
    guard let names = value.array, names.allSatisfy({ $0.text != nil }) else {
      throw fieldError(Self.architectures, "must be a list of texts")
    }
    return names.first?.text
  }

  package func fieldError(_ key: String, _ message: String) -> PackError {
    PackError(.data, file: configPath, place: "field \(part.map { $0 + "." } ?? "")\(key)", message)
  }

  /// The last part of the path: the model's name unless the user gives one.
  package var name: String {
    path.split(separator: "/").last.map(String.init) ?? path
  }
}
