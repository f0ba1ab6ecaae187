import SoniqGraph

/// What a sentence encoder does with the states, by modules.json: pooling, then layers of the vectors.
package struct SentenceModules: Sendable {
  enum Pooling: String, Sendable, CaseIterable {
    case first = "cls"
    case last = "lasttoken"
    case maximum = "max"
    case mean
    case meanOfRoot = "mean_sqrt_len"
    case weightedMean = "weightedmean"
  }
  enum Stage: Sendable {
    case dense(DraftWeights, ElementFunction?)
    case normalize
  }
  /// Their vectors follow each other.
  var poolings: [Pooling]
  var stages: [Stage] = []
  /// What texts are cut to, where the folder says.
  private(set) var maximumTokens: Int?

  /// Reads modules.json and the configurations it names; nil when there is none, or it does not pool.
  /// - Throws: `data` when a module or a pooling mode is one that soniq does not know.
  static func read(_ folder: CheckpointFolder) throws(PackError) -> SentenceModules? {
    let path = folder.path + "/modules.json"
    guard MappedFile.exists(path) else { return nil }
    guard let list = try JSONValue.read(path: path).array else {
      throw PackError(.data, file: path, "not a JSON array")
    }
    var modules: SentenceModules?
    for module in list {
      let type = module["type"]?.text ?? ""
      let inner = folder.path + "/" + (try part(module, of: path, type))
      let kind = type.split(separator: ".").last.map(String.init) ?? ""
      guard modules != nil || ["Transformer", "Pooling"].contains(kind) else {
        throw PackError(.data, file: path, place: "module \(type)", "stands before the pooling")
      }
      switch kind {
      case "Transformer", "Dropout": continue
      case "Pooling" where modules == nil: modules = SentenceModules(poolings: try poolings(inner))
      case "Dense": modules?.stages.append(try dense(inner))
      case "Normalize": modules?.stages.append(.normalize)
      default:
        throw PackError(
          .data, file: path, place: "module \(type)",
          "unknown module; known: Transformer, Pooling, Dense, Normalize, Dropout")
      }
    }
    modules?.maximumTokens = try maximumTokens(folder)
    return modules
  }

  /// Of the file beside config.json, whose name has that of an architecture in it.
  private static func maximumTokens(_ folder: CheckpointFolder) throws(PackError) -> Int? {
    let names = ["bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"]
    for name in names {
      let path = "\(folder.path)/sentence_\(name)_config.json"
      guard MappedFile.exists(path) else { continue }
      guard let stated = try JSONValue.read(path: path)["max_seq_length"], stated != .null else { return nil }
      guard let count = stated.integer, (1...1_048_576).contains(count) else {
        throw PackError(
          .data, file: path, place: "field max_seq_length", "must be a whole number in 1...1048576")
      }
      return count
    }
    return nil
  }

  /// The folder of a module, which lies in the model's.
  private static func part(_ module: JSONValue, of path: String, _ type: String) throws(PackError) -> String {
    let stated = module["path"] ?? .text("")
    guard let part = stated.text else {
      throw PackError(.data, file: path, place: "module \(type)", "path must be a text")
    }
    guard !part.hasPrefix("/"), !part.split(separator: "/").contains("..") else {
      throw PackError(.data, file: path, place: "module \(type)", "path \(part) is outside the folder")
    }
    return part
  }

  private static func poolings(_ folder: String) throws(PackError) -> [Pooling] {
    let path = folder + "/config.json"
    let config = try JSONValue.read(path: path)
    var names: [String] = []
    if let mode = config["pooling_mode"], mode != .null {
      guard let text = mode.text else {
        throw PackError(.data, file: path, place: "field pooling_mode", "must be a text")
      }
      names = text.split(separator: "+").map(String.init)
    } else {
      names = try flags(config, path)
    }
    guard !names.isEmpty else { throw PackError(.data, file: path, "pooling missing") }
    return try names.map { name throws(PackError) in
      let known = ["", "_tokens", "_token"].flatMap { ending in
        Pooling.allCases.filter { $0.rawValue + ending == name }
      }
      guard let pooling = known.first else {
        let all = Pooling.allCases.map(\.rawValue).joined(separator: ", ")
        throw PackError(.data, file: path, "pooling \(name); known: \(all)")
      }
      return pooling
    }
  }

  /// The modes that are set, in the order in which their vectors are joined, whatever that of the file is.
  private static func flags(_ config: JSONValue, _ path: String) throws(PackError) -> [String] {
    let order = [
      "cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken",
    ]
    var set: [String] = []
    for member in config.object ?? [] where member.key.hasPrefix("pooling_mode_") {
      guard let isSet = member.value.boolean else {
        throw PackError(.data, file: path, place: "field \(member.key)", "must be true or false")
      }
      if isSet { set.append(String(member.key.dropFirst("pooling_mode_".count))) }
    }
    return order.filter(set.contains) + set.filter { !order.contains($0) }
  }

  private static func dense(_ folder: String) throws(PackError) -> Stage {
    let path = folder + "/config.json"
    let config = try JSONValue.read(path: path)
    func size(_ key: String) throws(PackError) -> Int {
      guard let size = config[key]?.integer, (1...1_048_576).contains(size) else {
        throw PackError(
          .data, file: path, place: "field \(key)", "must be a whole number in 1...1048576")
      }
      return size
    }
    let (inputs, outputs) = (try size("in_features"), try size("out_features"))
    let hasBias = config["bias"] ?? .boolean(true)
    guard let hasBias = hasBias.boolean else {
      throw PackError(.data, file: path, place: "field bias", "must be true or false")
    }
    let functions: [String: ElementFunction?] = [
      "Identity": nil, "Tanh": .tanh, "ReLU": .relu, "GELU": .geluErf, "SiLU": .silu, "Sigmoid": .sigmoid,
    ]
    let stated = config["activation_function"] ?? .text("Tanh")
    guard let name = stated.text else {
      throw PackError(.data, file: path, place: "field activation_function", "must be a text")
    }
    guard let function = functions[name.split(separator: ".").last.map(String.init) ?? ""] else {
      let known = functions.keys.sorted().joined(separator: ", ")
      throw PackError(.data, file: path, place: "field activation_function", "\(name); known: \(known)")
    }
    let tensors = try CheckpointTensors(folder: folder)
    let weights = DraftWeights(
      outputs: outputs, inputs: inputs,
      values: try tensors.floats("linear.weight", shape: [outputs, inputs]),
      bias: hasBias ? try tensors.floats("linear.bias", shape: [outputs]) : nil)
    return .dense(weights, function)
  }
}
