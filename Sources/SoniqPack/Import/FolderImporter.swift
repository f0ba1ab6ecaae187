import SoniqFormat
import SoniqGraph

/// What the user may say about a folder.
package struct FolderOptions: Sendable {
  /// The encoder alone: what its class has behind it is left out.
  package var withoutHead = false

  package init(withoutHead: Bool = false) { self.withoutHead = withoutHead }
}

/// Models as Hugging Face folders. Families are described in `Families`, and put together by the parts in `Blocks`.
package enum FolderImporter {
  /// Every family that is known: a new one is described in a file of `Families` and listed here.
  static let families: [EncoderFamily] = [
    .bert, .roberta, .distilBert, .mpnet, .albert, .electra, .modernBert, .nomicBert, .t5, .vit, .deit,
    .clipImages, .clipTexts, .siglipImages, .siglipTexts, .whisper,
  ]

  static var knownTypes: [String] { families.flatMap(\.modelTypes).sorted() }

  /// Imports a folder by its `model_type`.
  /// - Throws: `noInput` or `data` with the file, and the field or tensor to blame.
  package static func importModel(
    path: String, options: FolderOptions = FolderOptions(), progress: ProgressReport = .silent
  ) throws(PackError) -> ImportedModel {
    let folder = try CheckpointFolder(path: path)
    guard let type = try folder.text("model_type") else { throw folder.fieldError("model_type", "missing") }
    guard let family = families.first(where: { $0.modelTypes.contains(type) }) else {
      throw folder.fieldError(
        "model_type",
        "unknown architecture \"\(type)\"; known: \(knownTypes.joined(separator: ", ")); "
          + "export others to ONNX and pack that")
    }
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

extension EncoderGraph {
  /// The passes of every draft, then the graph.
  fileprivate mutating func imported(_ progress: ProgressReport) throws(PackError) -> ImportedModel {
    try OnnxPasses.run(&draft, progress)
    let result = try DraftLowering.lower(draft, keepsCodes: false)
    var metadata: [(key: String, value: MetadataValue)] = [
      (MetadataKey.name, .text(folder.name)), (MetadataKey.architecture, .text(modelType)),
    ]
    let leftOut = self.leftOut
    if !leftOut.isEmpty { metadata.append((MetadataKey.leftOut, .text(leftOut.joined(separator: ", ")))) }
    var imported = ImportedModel(
      description: ModelDescription(graph: result.graph, metadata: metadata, owner: [result.store]),
      framing: framing, leftOut: leftOut)
    imported.dataFiles = folder.tensors.paths
    return imported
  }
}
