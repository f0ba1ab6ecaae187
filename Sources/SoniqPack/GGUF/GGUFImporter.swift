import SoniqCore
import SoniqFormat
import SoniqGraph
import SoniqQuantizers
import SoniqText

/// Decoders as GGUF files: their own codes and scales, without loss.
package enum GGUFImporter {
  /// Whether a file is one of GGUF.
  package static func isGGUF(_ path: String) -> Bool { GGUFFile.isGGUF(path) }

  /// Whether any matrix of a file has codes.
  static func hasCodes(path: String) throws(PackError) -> Bool {
    try GGUFModel(path: path).tensors.values.contains { $0.shape.count == 2 && BlockFormat($0.type) != nil }
  }

  private static let architectureKey = "general.architecture"

  /// - Throws: `noInput` or `data` with the file, and the key or tensor to blame; `usage` for options that do not fit.
  package static func importModel(
    path: String, options: DecoderImportOptions, progress: ProgressReport = .silent
  ) throws(PackError) -> ImportedModel {
    let model = try GGUFModel(path: path)
    do throws(PackError) {
      return try imported(model, options, progress)
    } catch {
      var named = error
      if error.kind == .data { named.file = error.file ?? path }
      throw named
    }
  }

  private static func imported(
    _ model: GGUFModel, _ options: DecoderImportOptions, _ progress: ProgressReport
  ) throws(PackError) -> ImportedModel {
    let keys = GGUFKeys(model)
    guard let architecture = try keys.text(architectureKey) else {
      throw keys.fault(architectureKey, "missing")
    }
    guard var family = DecoderFamily.all.first(where: { $0.architectures.contains(architecture) }) else {
      let known = DecoderFamily.all.flatMap(\.architectures).sorted().joined(separator: ", ")
      throw keys.fault(architectureKey, "unknown architecture \"\(architecture)\"; known: \(known)")
    }
    try GGUFKnownKeys(family, architecture).check(keys)
    try setGate(&family, architecture, keys)
    let store = ConstantStore()
    var weights = GGUFWeights(
      model, GGUFMatrices(matrices: DecoderMatrices(store: store, treatment: options.treatment)))
    let vocabulary = try vocabulary(keys, weights)
    let sizes = try GGUFSizes(family: family, architecture: architecture, keys: keys)
      .sizes(vocabulary: vocabulary, &weights, options)
    var decoder = DecoderGraph(family, sizes, options, weights, store: store, progress: progress)
    try decoder.build()
    if let odd = decoder.weights.unused.first {
      throw PackError(.data, place: "tensor \(odd)", "nothing of \(architecture) is known to use it")
    }
    var imported = ImportedModel(
      description: ModelDescription(
        graph: decoder.graph, metadata: try metadata(keys, architecture, model), owner: [store]))
    imported.dataFiles = model.files.map(\.path)
    imported.remarks = options.remarks(context: sizes.context)
    imported.add(try GGUFTokenizer.read(keys, vocabulary: vocabulary))
    try imported.requirePackable()
    return imported
  }

  /// Ternary models were trained with one of two functions.
  private static func setGate(
    _ family: inout DecoderFamily, _ architecture: String, _ keys: GGUFKeys
  ) throws(PackError) {
    guard case .squaredRelu = family.gate else { return }
    let name = architecture + ".hidden_activation"
    switch try keys.text(name) ?? (architecture == "bitnet" ? "silu" : "relu2") {
    case "relu2": return
    case "silu": family.gate = .function(.silu)
    case let other: throw keys.fault(name, "\"\(other)\"; known: relu2, silu")
    }
  }

  private static func vocabulary(_ keys: GGUFKeys, _ weights: GGUFWeights) throws(PackError) -> Int {
    let name = DecoderPart.words
    guard let shape = weights.shape(name) else { throw weights.fault(name, "missing") }
    guard shape.count == 2, shape[0] <= 16_777_216 else {
      throw weights.fault(name, "shape \(shape), expected a matrix of at most 16777216 rows")
    }
    return shape[0]
  }

  private static func metadata(
    _ keys: GGUFKeys, _ architecture: String, _ model: GGUFModel
  ) throws(PackError) -> [(key: String, value: MetadataValue)] {
    let file = model.path.split(separator: "/").last.map(String.init) ?? model.path
    let name = try keys.text("general.name") ?? ""
    var entries: [(key: String, value: MetadataValue)] = [
      (MetadataKey.name, .text(name.isEmpty || name.utf8.contains(0) ? file : name)),
      (MetadataKey.architecture, .text(architecture)),
    ]
    for (key, entry) in [
      ("general.author", "general.author"), ("general.license", "general.license"),
      ("tokenizer.chat_template", "tokenizer.chat_template"),
    ] {
      guard let text = try keys.text(key), !text.utf8.contains(0), text.utf8.count <= 1 << 20 else {
        continue
      }
      entries.append((entry, .text(text)))
    }
    for key in ["bos", "eos", "eot"] {
      let name = "tokenizer.ggml.\(key)_token_id"
      guard keys.has(name) else { continue }
      entries.append(
        ("tokenizer.\(key)_token_id", .integer(Int64(try keys.size(name, in: 0...Int(Int32.max))))))
    }
    return entries
  }
}
