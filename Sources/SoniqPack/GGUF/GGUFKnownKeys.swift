/// The keys of an architecture that are known, or known to change nothing. A key that is not may change what the model
/// computes: the file is refused.
struct GGUFKnownKeys {
  private let architecture: String
  private let known: Set<String>

  /// Without the architecture's name.
  private static let common: Set<String> = [
    "embedding_length", "block_count", "feed_forward_length", "context_length", "attention.head_count",
    "attention.head_count_kv", "attention.key_length", "attention.value_length",
    "attention.layer_norm_rms_epsilon", "attention.scale", "rope.dimension_count", "rope.freq_base",
    "rope.scale_linear", "rope.scaling.type", "rope.scaling.factor", "rope.scaling.attn_factor",
    "rope.scaling.original_context_length", "rope.scaling.yarn_log_multiplier",
    "rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow",
  ]
  /// What these say does not concern the logits.
  private static let harmless: Set<String> = [
    "vocab_size", "rope.scaling.finetuned", "tensor_data_layout", "attention.layer_norm_epsilon",
    "attention.causal", "use_parallel_residual", "expert_count", "expert_used_count", "pooling_type",
  ]
  /// Values beside which there is none that is known.
  private static let only: [String: GGUFValue] = [
    "attention.causal": .boolean(true), "use_parallel_residual": .boolean(false), "expert_count": .integer(0),
    "expert_used_count": .integer(0), "pooling_type": .integer(0),
  ]

  init(_ family: DecoderFamily, _ architecture: String) {
    self.architecture = architecture
    known = Self.common.union(Self.harmless).union(family.keys)
  }

  /// - Throws: `data` with the first key that is not known.
  func check(_ keys: GGUFKeys) throws(PackError) {
    let start = architecture + "."
    for key in keys.names where key.hasPrefix(start) {
      let name = String(key.dropFirst(start.count))
      guard known.contains(name) else {
        throw keys.fault(key, "not known; it may change what the model computes")
      }
      if let value = Self.only[name], keys.value(key) != value { throw keys.fault(key, "known: \(value)") }
    }
  }
}
