/// A folder as Hugging Face lays it out: config.json, model.safetensors and, for sentence encoders,
/// modules.json with the pooling behind the encoder.
package struct CheckpointFolder: Sendable {
  package let path: String
  package let config: JSONValue
  package let tensors: TensorFile

  package init(path: String) throws(PackError) {
    self.path = path
    guard MappedFile.isDirectory(path) else {
      let fault =
        MappedFile.exists(path)
        ? "neither an ONNX file nor a folder with config.json and model.safetensors"
        : "no such file or folder"
      throw PackError(.noInput, file: path, fault)
    }
    config = try JSONValue.read(path: path + "/config.json")
    guard config.object != nil else {
      throw PackError(.data, file: path + "/config.json", "not a JSON object")
    }
    tensors = try TensorFile.safetensors(path: path + "/model.safetensors")
  }

  package var configPath: String { path + "/config.json" }

  /// A field of config.json that must be a whole number in a range.
  package func size(_ key: String, in range: ClosedRange<Int>) throws(PackError) -> Int {
    guard let value = config[key] else { throw fieldError(key, "missing") }
    guard let size = value.integer, range.contains(size) else {
      throw fieldError(key, "must be a whole number in \(range.lowerBound)...\(range.upperBound)")
    }
    return size
  }

  package func fieldError(_ key: String, _ message: String) -> PackError {
    PackError(.data, file: configPath, place: "field \(key)", message)
  }

  /// The last part of the path: the model's name unless the user gives one.
  package var name: String {
    path.split(separator: "/").last.map(String.init) ?? path
  }
}

/// What a sentence encoder does with the hidden states.
package struct SentencePooling: Sendable, Hashable {
  package var normalizes: Bool

  /// Reads modules.json and the pooling configuration it names; nil when there is none.
  /// - Throws: `data` when a module or a pooling mode is one that soniq does not know.
  package static func read(_ folder: CheckpointFolder) throws(PackError) -> SentencePooling? {
    let path = folder.path + "/modules.json"
    guard MappedFile.exists(path) else { return nil }
    guard let modules = try JSONValue.read(path: path).array else {
      throw PackError(.data, file: path, "not a JSON array")
    }
    var pools = false
    var normalizes = false
    for module in modules {
      let type = module["type"]?.text ?? ""
      switch type.split(separator: ".").last {
      case "Transformer": continue
      case "Pooling":
        try checkMode(folder.path + "/" + (module["path"]?.text ?? "") + "/config.json")
        pools = true
      case "Normalize": normalizes = true
      default: throw PackError(.data, file: path, place: "module \(type)", "unknown module")
      }
    }
    return pools ? SentencePooling(normalizes: normalizes) : nil
  }

  private static func checkMode(_ path: String) throws(PackError) {
    let config = try JSONValue.read(path: path)
    let modes = (config.object ?? []).filter {
      $0.key.hasPrefix("pooling_mode_") && $0.value == .boolean(true)
    }
    guard modes.count == 1, modes[0].key == "pooling_mode_mean_tokens" else {
      let names = modes.map(\.key).joined(separator: ", ")
      throw PackError(.data, file: path, "pooling \(names.isEmpty ? "missing" : names); known: mean tokens")
    }
  }
}
