import SoniqFormat
import SoniqGraph
import SoniqQuantizers

/// Decoders as Hugging Face folders.
enum DecoderFolders {
  /// `model_type` in config.json, and the family.
  static let families: [String: DecoderFamily] = [
    "llama": .llama, "mistral": .llama, "qwen2": .qwen2, "qwen3": .qwen3, "gemma": .gemma, "gemma2": .gemma2,
    "gemma3_text": .gemma3, "phi3": .phi3, "bitnet": .bitnet, "smollm3": .smollm3, "olmo2": .olmo2,
    "granite": .granite,
  ]

  private static let className = "ForCausalLM"

  /// Whether config.json names a family of decoders.
  static func isDecoder(_ path: String) -> Bool {
    guard MappedFile.isDirectory(path), let config = try? JSONValue.read(path: path + "/config.json"),
      let type = config["model_type"]?.text
    else { return false }
    return families[type] != nil
  }

  /// Whether the weights of a folder are codes that can stay.
  static func hasCodes(_ path: String) throws(PackError) -> Bool {
    try FolderQuantization.stated(CheckpointFolder(path: path))?.hasCodes ?? false
  }

  /// - Throws: as `DecoderImporter.importModel`.
  static func importModel(
    path: String, options: DecoderImportOptions, progress: ProgressReport
  ) throws(PackError) -> ImportedModel {
    let folder = try CheckpointFolder(path: path)
    do throws(PackError) {
      return try imported(folder, options, progress)
    } catch {
      var named = error
      if error.kind == .data { named.file = error.file ?? path }
      throw named
    }
  }

  private static func imported(
    _ folder: CheckpointFolder, _ options: DecoderImportOptions, _ progress: ProgressReport
  ) throws(PackError) -> ImportedModel {
    guard let type = try folder.text("model_type"), var family = families[type] else {
      let known = families.keys.sorted().joined(separator: ", ")
      throw folder.fieldError("model_type", "no decoder that is known; known: \(known)")
    }
    try requireLogits(folder)
    try DecoderFields(type).check(folder)
    // Rows of queries and keys are permuted in GGUF files only.
    family.isInterleaved = false
    try setGate(&family, folder)
    let store = ConstantStore()
    let weights = FolderDecoderWeights(
      FolderMatrices(tensors: folder.tensors, quantization: try FolderQuantization.stated(folder)),
      DecoderMatrices(store: store, treatment: options.treatment), family,
      isTied: try isTied(folder))
    let vocabulary = try folder.size("vocab_size", in: 1...16_777_216)
    let words = DecoderPart.words
    guard let table = weights.shape(words) else { throw weights.fault(words, "missing") }
    guard table.count == 2, table[0] == vocabulary else {
      throw weights.fault(words, "shape \(table), expected vocab_size (\(vocabulary)) rows")
    }
    let sizes = try FolderDecoderSizes(folder: folder, family: family, type: type)
      .sizes(vocabulary: vocabulary, options)
    var decoder = DecoderGraph(family, sizes, options, weights, store: store, progress: progress)
    try decoder.build()
    if let odd = decoder.weights.unused.first {
      throw PackError(
        .data, file: folder.tensors.path(of: odd), place: "tensor \(odd)",
        "nothing of \(type) is known to use it")
    }
    let texts = try DecoderTexts(folder)
    var imported = ImportedModel(
      description: ModelDescription(
        graph: decoder.graph,
        metadata: [(MetadataKey.name, .text(folder.name)), (MetadataKey.architecture, .text(type))]
          + texts.metadata,
        owner: [store]))
    imported.dataFiles = folder.tensors.paths
    imported.remarks = options.remarks(context: sizes.context) + texts.remarks
    imported.add(try FolderTokenizer.read(folder: folder.path, rows: vocabulary))
    try imported.requirePackable()
    return imported
  }

  /// A class without the matrix of the logits, or with another head, is none of a decoder.
  private static func requireLogits(_ folder: CheckpointFolder) throws(PackError) {
    guard let name = try folder.architecture(), !name.hasSuffix(className) else { return }
    throw folder.fieldError(
      CheckpointFolder.architectures,
      "\"\(name)\" of a decoder cannot be packed; known: classes that end in \(className)")
  }

  /// Whether the words' table is the output matrix: where the file says so, or says nothing and has no other.
  private static func isTied(_ folder: CheckpointFolder) throws(PackError) -> Bool {
    let head = FolderDecoderWeights.head
    let hasHead = folder.tensors.has(head)
    let isTied = try folder.flag("tie_word_embeddings", default: !hasHead)
    guard isTied || hasHead else {
      throw folder.fieldError("tie_word_embeddings", "is false, but there is no tensor \(head)")
    }
    return isTied
  }

  private static func setGate(_ family: inout DecoderFamily, _ folder: CheckpointFolder) throws(PackError) {
    guard let name = try folder.text("hidden_activation", "hidden_act") else { return }
    switch (name, family.gate) {
    // Gemma's first configurations say "gelu" and mean the other.
    case ("gelu_pytorch_tanh", _), ("gelu", .function(.geluTanh)): family.gate = .function(.geluTanh)
    case ("silu", _): family.gate = .function(.silu)
    case ("relu2", _): family.gate = .squaredRelu
    default: throw folder.fieldError("hidden_act", "\"\(name)\"; known: silu, gelu_pytorch_tanh, relu2")
    }
  }
}
