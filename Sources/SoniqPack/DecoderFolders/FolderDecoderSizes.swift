import SoniqGraph

/// The sizes of a decoder from config.json.
struct FolderDecoderSizes {
  let folder: CheckpointFolder
  let family: DecoderFamily
  let type: String

  /// * vocabulary: the rows of the words' table.
  /// - Throws: `data` with the field to blame; `usage` for a capacity that the model has not.
  func sizes(vocabulary: Int, _ options: DecoderImportOptions) throws(PackError) -> DecoderSizes {
    let hidden = try folder.size("hidden_size", in: 1...1_048_576)
    let heads = try folder.size("num_attention_heads", in: 1...4096)
    let count = try folder.size("num_hidden_layers", in: 1...512)
    let headLength = try folder.size("head_dim", in: 1...1024, default: hidden / heads)
    // Also where it follows from the others.
    guard (2...1024).contains(headLength) else {
      throw folder.fieldError(
        "num_attention_heads",
        "\(heads) heads of \(hidden) numbers would have \(headLength) each; known: 2 to 1024")
    }
    let keyValueHeads = try folder.size("num_key_value_heads", in: 1...4096, default: heads)
    guard heads % keyValueHeads == 0 else {
      throw folder.fieldError("num_key_value_heads", "\(keyValueHeads) does not divide \(heads) heads")
    }
    let wide = try folder.size("intermediate_size", in: 1...1_048_576)
    var sizes = DecoderSizes(
      vocabulary: vocabulary, hidden: hidden, heads: heads, keyValueHeads: keyValueHeads,
      headLength: headLength, epsilon: try positive("rms_norm_eps"),
      context: try folder.size("max_position_embeddings", in: 1...Int(Int32.max)),
      layers: [DecoderSizes.Layer](repeating: .init(intermediate: wide), count: count),
      attentionScale: try scale(headLength))
    try addNumbers(&sizes)
    try addWindows(&sizes)
    try addAngles(&sizes, capacity: options.maximum("capacity", most: sizes.context))
    return sizes
  }

  private var isLaterGemma: Bool { family.norms == .around }

  private func scale(_ headLength: Int) throws(PackError) -> Float {
    if type == "granite" { return try positive("attention_multiplier", default: 1) }
    let length = isLaterGemma ? try positive("query_pre_attn_scalar", default: 256) : Float(headLength)
    return Float(1 / Double(length).squareRoot())
  }

  private func positive(_ field: String, default standard: Double? = nil) throws(PackError) -> Float {
    let number = Float(try folder.real([field], default: standard ?? -1))
    guard number != -1 || folder.config[field] != nil else { throw folder.fieldError(field, "missing") }
    guard number.isNormal, number > 0, (1 / number).isNormal else {
      throw folder.fieldError(field, "must be above 0")
    }
    return number
  }

  /// Caps and factors.
  private func addNumbers(_ sizes: inout DecoderSizes) throws(PackError) {
    if isLaterGemma {
      sizes.scoreCap = try cap("attn_logit_softcapping", default: type == "gemma2" ? 50 : nil)
      sizes.logitCap = try cap("final_logit_softcapping", default: type == "gemma2" ? 30 : nil)
    }
    if family.scalesEmbedding { sizes.embeddingScale = Float(sizes.hidden).squareRoot() }
    guard type == "granite" else { return }
    sizes.embeddingScale = try positive("embedding_multiplier", default: 1)
    sizes.residualScale = try positive("residual_multiplier", default: 1)
    sizes.logitScale = 1 / (try positive("logits_scaling", default: 1))
  }

  /// 0 where the field is null, or is missing and has no standard.
  private func cap(_ field: String, default standard: Double?) throws(PackError) -> Float {
    if folder.config[field] == .null { return 0 }
    guard standard != nil || folder.config[field] != nil else { return 0 }
    return try positive(field, default: standard)
  }

  // MARK: Windows

  private func addWindows(_ sizes: inout DecoderSizes) throws(PackError) {
    let near = try nearLayers(sizes.layers.count)
    guard near.contains(true) else { return }
    let window = try folder.size("sliding_window", in: 1...Int(Int32.max))
    for layer in sizes.layers.indices where near[layer] { sizes.layers[layer].window = window }
  }

  /// Which layers see near positions only.
  private func nearLayers(_ count: Int) throws(PackError) -> [Bool] {
    if let types = folder.config["layer_types"], types != .null {
      guard let names = types.array?.map(\.text), names.count == count,
        names.allSatisfy({ $0 == "full_attention" || $0 == "sliding_attention" })
      else {
        throw folder.fieldError(
          "layer_types", "must be full_attention or sliding_attention for each of \(count) layers")
      }
      return names.map { $0 == "sliding_attention" }
    }
    let hasWindow = folder.config["sliding_window"].map { $0 != .null } ?? false
    switch family.window {
    case .butLast(let standard):
      let period = try folder.size(
        "sliding_window_pattern", "_sliding_window_pattern", in: 1...512, default: standard)
      return (0..<count).map { $0 % period < period - 1 }
    // Of the same family in GGUF files; here its first member has no such field.
    case .everywhere: return [Bool](repeating: hasWindow && type != "llama", count: count)
    case .none:
      guard try folder.flag("use_sliding_window", default: false) else {
        return [Bool](repeating: false, count: count)
      }
      let first = try folder.size("max_window_layers", in: 0...512)
      return (0..<count).map { $0 >= first }
    }
  }

  // MARK: Angles

  private func addAngles(_ sizes: inout DecoderSizes, capacity: Int) throws(PackError) {
    let angles = FolderAngles(folder: folder, sizes: sizes, type: type, capacity: capacity)
    let far = try angles.angles(isNear: false)
    let near = type == "gemma3_text" ? try angles.angles(isNear: true) : far
    let turned = try turnedLayers(sizes.layers.count)
    for layer in sizes.layers.indices where turned[layer] {
      sizes.layers[layer].angles = sizes.layers[layer].window > 0 ? near : far
    }
  }

  private func turnedLayers(_ count: Int) throws(PackError) -> [Bool] {
    guard family.unturnedPeriod > 0 else { return [Bool](repeating: true, count: count) }
    if let list = folder.config["no_rope_layers"], list != .null {
      guard let numbers = list.array?.map(\.integer), numbers.count == count,
        numbers.allSatisfy({ $0 == 0 || $0 == 1 })
      else { throw folder.fieldError("no_rope_layers", "must be 0 or 1 for each of \(count) layers") }
      return numbers.map { $0 == 1 }
    }
    let period = try folder.size("no_rope_layer_interval", in: 1...512, default: family.unturnedPeriod)
    return (1...count).map { $0 % period != 0 }
  }
}
