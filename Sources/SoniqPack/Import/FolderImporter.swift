import SoniqFormat
import SoniqGraph

/// What the user may say about a folder.
package struct FolderOptions: Sendable {
  /// The encoder alone: what its class has behind it is left out.
  package var withoutHead = false
  /// The largest values of dynamic sizes, by their name.
  package var maximums: [String: Int] = [:]

  /// Which of several encoders: "text" or "vision".
  package var part: String?
  /// Or by the architecture of a file that one was packed to.
  var packedType: String?

  package init(withoutHead: Bool = false, maximums: [String: Int] = [:], part: String? = nil) {
    (self.withoutHead, self.maximums, self.part) = (withoutHead, maximums, part)
  }

  /// - Throws: `usage` for a maximum of a size that the model has not.
  func requireKnown(_ symbols: [Symbol]) throws(PackError) {
    let names = symbols.filter { $0.definition == nil }.map(\.name)
    guard let odd = maximums.keys.sorted().first(where: { !names.contains($0) }) else { return }
    throw PackError(
      .usage, place: "--maximum \(odd)", "no such size; the model has \(names.joined(separator: ", "))")
  }
}

/// Models as Hugging Face folders. Families are described in `Families`, and put together by the parts in `Blocks`.
package enum FolderImporter {
  /// Every family that is known: a new one is described in a file of `Families` and listed here.
  static let families: [EncoderFamily] = [
    .bert, .roberta, .distilBert, .mpnet, .albert, .electra, .jinaCode, .jinaBert, .jinaRoberta, .deberta,
    .modernBert,
    .nomicBert, .gte, .t5, .umt5, .vit, .deit, .clipImages, .clipTexts, .siglipImages, .siglipTexts, .whisper,
    .moonshine,
  ]

  static var knownTypes: [String] {
    Set(families.flatMap(\.modelTypes) + TwinModel.all.map(\.modelType) + DecoderFolders.families.keys)
      .sorted()
  }

  /// Imports a folder by its `model_type`.
  /// - Throws: `noInput` or `data` with the file, and the field or tensor to blame.
  package static func importModel(
    path: String, options: FolderOptions = FolderOptions(), progress: ProgressReport = .silent
  ) throws(PackError) -> ImportedModel {
    var folder = try CheckpointFolder(path: path)
    guard var type = try folder.text("model_type") else { throw folder.fieldError("model_type", "missing") }
    (folder, type) = try TwinModel.part(options, of: folder, type)
    let family = try family(of: folder, type)
    folder.standards = family.standards
    do throws(PackError) {
      var encoder = try EncoderGraph(folder, family, type, options)
      try encoder.build()
      let imported = try encoder.imported(progress)
      try imported.requirePackable()
      return imported
    } catch {
      var named = error
      named.file = error.file ?? path
      throw named
    }
  }
}

extension FolderImporter {
  /// The family of a type and of how it counts positions, whose fields are as it must have them.
  private static func family(of folder: CheckpointFolder, _ type: String) throws(PackError) -> EncoderFamily {
    let relatives = families.filter { $0.modelTypes.contains(type) }
    guard let first = relatives.first else {
      throw folder.fieldError(
        "model_type",
        "unknown architecture \"\(type)\"; known: \(knownTypes.joined(separator: ", ")); "
          + "export others to ONNX and pack that")
    }
    var family = first
    if let stated = try folder.text(positionField) {
      let alike = relatives.filter { $0.positionTypes.contains(stated) }
      guard let found = alike.first(where: { has($0.marker, folder) }) ?? alike.last else {
        let known = Set(relatives.flatMap(\.positionTypes)).sorted().joined(separator: ", ")
        throw folder.fieldError(positionField, "\"\(stated)\"; known: \(known)")
      }
      family = found
    }
    for (field, value) in family.required.sorted(by: { $0.key < $1.key }) {
      guard let stated = folder.config[field], stated != .null, stated != value else { continue }
      throw folder.fieldError(field, "\(stated.written()); known: \(value.written())")
    }
    try requireNoAdapters(folder)
    return family
  }

  /// Whether the checkpoint has a tensor, behind any prefix; without one to ask for it has.
  private static func has(_ marker: String?, _ folder: CheckpointFolder) -> Bool {
    guard let marker else { return true }
    return folder.tensors.names.contains { $0 == marker || $0.hasSuffix("." + marker) }
  }

  private static let positionField = "position_embedding_type"

  /// Adapters that were trained beside the weights change these by the task; what would be packed is none of them.
  private static func requireNoAdapters(_ folder: CheckpointFolder) throws(PackError) {
    let names = folder.tensors.names.filter { $0.contains(".lora_") || $0.contains(".parametrizations.") }
    guard let first = names.min() else { return }
    throw PackError(
      .data, file: folder.tensors.path(of: first), place: "tensor \(first)",
      "the checkpoint has LoRA adapters (\(names.count) tensors); merge the one of your task into the weights, "
        + "save that as a folder and pack it")
  }
}

extension EncoderGraph {
  /// The passes of every draft, then the graph.
  fileprivate mutating func imported(_ progress: ProgressReport) throws(PackError) -> ImportedModel {
    try OnnxPasses.run(&draft, progress)
    let result = try DraftLowering.lower(draft, keepsCodes: false)
    var metadata: [(key: String, value: MetadataValue)] = [
      (MetadataKey.name, .text(folder.name)), (MetadataKey.architecture, .text(modelType)),
    ]
    let leftOut = self.leftOut
    if let count = modules?.maximumTokens {
      metadata.append((MetadataKey.maximumTokens, .integer(Int64(count))))
    }
    if !leftOut.isEmpty { metadata.append((MetadataKey.leftOut, .text(leftOut.joined(separator: ", ")))) }
    var imported = ImportedModel(
      description: ModelDescription(graph: result.graph, metadata: metadata, owner: [result.store]),
      framing: framing, leftOut: leftOut)
    imported.dataFiles = folder.tensors.paths
    if let framing {
      imported.add(try FolderTokenizer.read(folder: folder.path, rows: framing.vocabularySize))
    }
    return imported
  }
}
