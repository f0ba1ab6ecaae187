/// A model of two encoders, of texts and of images, which are packed one at a time.
struct TwinModel: Sendable {
  struct Part: Sendable {
    /// What the user calls it.
    var name: String
    /// Its field in config.json.
    var field: String
    /// What it is as a model of its own.
    var modelType: String
    var architecture: String
    /// What the names of its tensors begin with.
    var tensors: [String]
  }
  var modelType: String
  /// The class that has both, and nothing behind them.
  var architecture: String
  var parts: [Part]

  static let all = [
    TwinModel(
      modelType: "clip", architecture: "CLIPModel",
      parts: [
        Part(
          name: "text", field: "text_config", modelType: "clip_text_model",
          architecture: "CLIPTextModelWithProjection", tensors: ["text_model.", "text_projection."]),
        Part(
          name: "vision", field: "vision_config", modelType: "clip_vision_model",
          architecture: "CLIPVisionModelWithProjection", tensors: ["vision_model.", "visual_projection."]),
      ]),
    TwinModel(
      modelType: "siglip", architecture: "SiglipModel",
      parts: [
        Part(
          name: "text", field: "text_config", modelType: "siglip_text_model",
          architecture: "SiglipTextModel", tensors: ["text_model."]),
        Part(
          name: "vision", field: "vision_config", modelType: "siglip_vision_model",
          architecture: "SiglipVisionModel", tensors: ["vision_model."]),
      ]),
  ]

  /// The part of a folder that the user wants, and its type; the folder itself where it holds one encoder.
  /// - Throws: `usage` when the folder holds two and the user names none of them, or holds one and the user names one;
  ///   `data` for a class with something behind the encoders.
  static func part(
    _ options: FolderOptions, of folder: CheckpointFolder, _ type: String
  ) throws(PackError) -> (CheckpointFolder, String) {
    guard let model = all.first(where: { $0.modelType == type }) else {
      guard options.part == nil else {
        throw PackError(.usage, place: "--part", "is for models of two encoders; \(folder.path) has one")
      }
      return (folder, type)
    }
    if let classes = try model.imageClasses(of: folder), options.part ?? "vision" == "vision" {
      return classes
    }
    let names = model.parts.map(\.name)
    guard
      let part = model.parts.first(where: {
        $0.name == options.part || options.part == nil && $0.modelType == options.packedType
      })
    else {
      throw PackError(
        .usage, place: options.part.map { "--part \($0)" } ?? folder.path,
        "the model has two encoders; --part \(names.joined(separator: " or --part ")) packs one of them")
    }
    if let stated = try folder.architecture(), stated != model.architecture {
      throw folder.fieldError(
        CheckpointFolder.architectures, "the parts of \(stated) are not known; known: \(model.architecture)")
    }
    return (try part.folder(in: folder, architecture: part.architecture, also: []), part.modelType)
  }

  /// A classifier of images, which has one of the encoders; nil for another class.
  private func imageClasses(of folder: CheckpointFolder) throws(PackError) -> (CheckpointFolder, String)? {
    guard let stated = try folder.architecture(), stated.hasSuffix("ForImageClassification"),
      let part = parts.first(where: { $0.name == "vision" })
    else { return nil }
    return (try part.folder(in: folder, architecture: stated, also: ["classifier."]), part.modelType)
  }
}

extension TwinModel.Part {
  /// * also: what the names of further tensors begin with.
  fileprivate func folder(
    in whole: CheckpointFolder, architecture: String, also: [String]
  ) throws(PackError) -> CheckpointFolder {
    let fields = [
      JSONMember("model_type", .text(modelType)),
      JSONMember(CheckpointFolder.architectures, .array([.text(architecture)])),
    ]
    return try CheckpointFolder(field, of: whole, fields: fields, tensorsBegin: tensors + also)
  }
}
