import Glibc
import SoniqGraph

/// The sizes of a decoder from the keys of its file.
struct GGUFSizes {
  let family: DecoderFamily
  let architecture: String
  let keys: GGUFKeys

  private func key(_ name: String) -> String { architecture + "." + name }

  /// * vocabulary: the rows of the words' table.
  func sizes(
    vocabulary: Int, _ weights: inout GGUFWeights, _ options: DecoderImportOptions
  ) throws(PackError) -> DecoderSizes {
    let hidden = try keys.size(key("embedding_length"), in: 1...1_048_576)
    let heads = try keys.size(key("attention.head_count"), in: 1...4096)
    let count = try keys.size(key("block_count"), in: 1...512)
    let headLength = try keys.size(key("attention.key_length"), in: 1...1024, default: hidden / heads)
    // Also where it follows from the others.
    guard headLength >= 2 else {
      throw keys.fault(key("attention.head_count"), "\(heads) heads of \(hidden) numbers: too many")
    }
    let valueLength = try keys.size(key("attention.value_length"), in: 1...1024, default: headLength)
    guard valueLength == headLength else {
      throw keys.fault(
        key("attention.value_length"), "\(valueLength), where keys have \(headLength); they must be equal")
    }
    let wide = try keys.sizes(key("feed_forward_length"), count: count, in: 1...1_048_576)
    var sizes = DecoderSizes(
      vocabulary: vocabulary, hidden: hidden, heads: heads,
      keyValueHeads: try keyValueHeads(heads, count), headLength: headLength, epsilon: try epsilon(),
      context: try keys.size(key("context_length"), in: 1...Int(Int32.max)),
      layers: wide.map { DecoderSizes.Layer(intermediate: $0) },
      attentionScale: try scale(headLength, hidden, heads, count))
    try addNumbers(&sizes)
    try addWindows(&sizes)
    try addAngles(&sizes, &weights, capacity: options.maximum("capacity", most: sizes.context))
    return sizes
  }

  private func keyValueHeads(_ heads: Int, _ layers: Int) throws(PackError) -> Int {
    let name = key("attention.head_count_kv")
    guard keys.has(name) else { return heads }
    let all = Set(try keys.sizes(name, count: layers, in: 1...4096))
    guard all.count == 1, let one = all.first else {
      throw keys.fault(name, "differs from layer to layer, which is not known")
    }
    guard heads % one == 0 else { throw keys.fault(name, "\(one) does not divide \(heads) heads") }
    return one
  }

  private func epsilon() throws(PackError) -> Float {
    let name = key("attention.layer_norm_rms_epsilon")
    guard let stated = try keys.real(name) else { throw keys.fault(name, "missing") }
    let epsilon = Float(stated)
    guard epsilon > 0, epsilon.isFinite else { throw keys.fault(name, "must be above 0") }
    return epsilon
  }

  private func scale(_ headLength: Int, _ hidden: Int, _ heads: Int, _ layers: Int) throws(PackError) -> Float
  {
    if let stated = try keys.real(key("attention.scale")) {
      guard stated > 0, Float(stated).isNormal else {
        throw keys.fault(key("attention.scale"), "must be above 0")
      }
      return Float(stated)
    }
    // The files of the largest models of these families do not say what they have in place of the head's length.
    let isLargest = architecture == "gemma2" && layers == 46 || architecture == "gemma3" && layers == 62
    return Float(1 / (isLargest ? Double(hidden) / Double(heads) : Double(headLength)).squareRoot())
  }

  /// Caps and factors.
  private func addNumbers(_ sizes: inout DecoderSizes) throws(PackError) {
    let isSecondGemma = architecture == "gemma2"
    sizes.scoreCap = try cap("attn_logit_softcapping", default: isSecondGemma ? 50 : 0)
    sizes.logitCap = try cap("final_logit_softcapping", default: isSecondGemma ? 30 : 0)
    if family.scalesEmbedding { sizes.embeddingScale = Float(sizes.hidden).squareRoot() }
    if let stated = try factor("embedding_scale") { sizes.embeddingScale = stated }
    if let stated = try factor("residual_scale") { sizes.residualScale = stated }
    if let stated = try factor("logit_scale") { sizes.logitScale = 1 / stated }
  }

  /// 0 where there is none.
  private func cap(_ name: String, default standard: Double) throws(PackError) -> Float {
    let cap = Float(try keys.real(key(name), default: standard))
    guard cap == 0 || cap > 0 && cap.isNormal else { throw keys.fault(key(name), "must be 0 or above") }
    return cap
  }

  private func factor(_ name: String) throws(PackError) -> Float? {
    guard let stated = try keys.real(key(name)) else { return nil }
    guard Float(stated).isNormal, (1 / Float(stated)).isNormal else {
      throw keys.fault(key(name), "must be a number other than 0")
    }
    return Float(stated)
  }

  private func addWindows(_ sizes: inout DecoderSizes) throws(PackError) {
    let name = key("attention.sliding_window")
    let pattern = key("attention.sliding_window_pattern")
    switch family.window {
    case .none: return
    case .everywhere:
      let window = try keys.size(name, in: 0...Int(Int32.max), default: 0)
      for layer in sizes.layers.indices { sizes.layers[layer].window = window }
    case .butLast(let standard):
      let window = try keys.size(name, in: 0...Int(Int32.max))
      if let isNear = try keys.flags(pattern, count: sizes.layers.count) {
        for layer in sizes.layers.indices where isNear[layer] { sizes.layers[layer].window = window }
        return
      }
      let period = try keys.size(pattern, in: 1...512, default: standard)
      for layer in sizes.layers.indices where layer % period < period - 1 {
        sizes.layers[layer].window = window
      }
    }
  }

  // MARK: Angles

  private func addAngles(
    _ sizes: inout DecoderSizes, _ weights: inout GGUFWeights, capacity: Int
  ) throws(PackError) {
    let dimensions = try keys.size(
      key("rope.dimension_count"), in: 2...sizes.headLength, default: sizes.headLength)
    guard dimensions % 2 == 0 else { throw keys.fault(key("rope.dimension_count"), "must be even") }
    let base = try base("rope.freq_base", default: 10000)
    var far = RotaryAngles(pairs: dimensions / 2, base: base)
    // Layers that see near positions only are not scaled.
    var near = far
    near.base = try self.base("rope.freq_base_swa", default: architecture == "gemma3" ? 10000 : base)
    try scale(&far, sizes.context)
    if let factors = try weights.numbers("rope_freqs.weight", count: dimensions / 2) {
      guard factors.allSatisfy({ $0 > 0 }) else {
        throw weights.fault("rope_freqs", "factors of angles must be above 0")
      }
      far.multipliers = factors.indices.map {
        (far.multipliers.isEmpty ? 1 : far.multipliers[$0]) / Double(factors[$0])
      }
    }
    try addLongFactors(&far, sizes.context, capacity, &weights)
    for layer in sizes.layers.indices {
      let isUnturned = family.unturnedPeriod > 0 && layer % family.unturnedPeriod == family.unturnedPeriod - 1
      if isUnturned { continue }
      let isNear = sizes.layers[layer].window > 0 && architecture == "gemma3"
      sizes.layers[layer].angles = isNear ? near : far
    }
  }

  private func base(_ name: String, default standard: Double) throws(PackError) -> Double {
    let base = try keys.real(key(name), default: standard)
    guard base > 1 else { throw keys.fault(key(name), "must be above 1") }
    return base
  }

  private func scale(_ angles: inout RotaryAngles, _ context: Int) throws(PackError) {
    let type = key("rope.scaling.type")
    let standard = keys.has(key("rope.scale_linear")) ? "linear" : "none"
    switch try keys.text(type) ?? standard {
    case "none": return
    case "linear":
      angles.slow(by: try positive("rope.scaling.factor", default: positive("rope.scale_linear", default: 1)))
    case "yarn":
      let factor = try positive("rope.scaling.factor", default: nil)
      let whole = try keys.real(key("rope.scaling.attn_factor"), default: 1)
      let stretch = try positive("rope.scaling.yarn_log_multiplier", default: 0.1)
      angles.stretch(
        by: factor, from: try positive("rope.scaling.original_context_length", default: nil),
        fast: try positive("rope.scaling.yarn_beta_fast", default: 32),
        slow: try positive("rope.scaling.yarn_beta_slow", default: 1),
        magnitude: whole * (factor > 1 ? 1 + stretch * log(factor) : 1))
    // Its factors are tensors.
    case "longrope" where architecture == "phi3": return
    case let other: throw keys.fault(type, "\"\(other)\"; known: none, linear, yarn, and longrope of phi3")
    }
  }

  private func positive(_ name: String, default standard: Double?) throws(PackError) -> Double {
    guard let number = try keys.real(key(name)) ?? standard else { throw keys.fault(key(name), "missing") }
    guard number > 0 else { throw keys.fault(key(name), "must be above 0") }
    return number
  }

  /// Factors of short contexts and of long ones: which are used follows from the most positions of the packed model.
  private func addLongFactors(
    _ angles: inout RotaryAngles, _ context: Int, _ capacity: Int, _ weights: inout GGUFWeights
  ) throws(PackError) {
    let short = try weights.numbers("rope_factors_short.weight", count: angles.pairs)
    let long = try weights.numbers("rope_factors_long.weight", count: angles.pairs)
    guard let short, let long else { return }
    let original = try positive("rope.scaling.original_context_length", default: Double(context))
    let factors = Double(capacity) > original ? long : short
    guard factors.allSatisfy({ $0 > 0 }) else {
      throw weights.fault("rope_factors_long", "factors of angles must be above 0")
    }
    angles.multipliers = factors.map { 1 / Double($0) }
    angles.magnitude = try keys.real(key("rope.scaling.attn_factor"), default: 1)
    guard Double(context) > original, !keys.has(key("rope.scaling.attn_factor")) else { return }
    angles.magnitude = (1 + log(Double(context) / original) / log(original)).squareRoot()
  }
}
