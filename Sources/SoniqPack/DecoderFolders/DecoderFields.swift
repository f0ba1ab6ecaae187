/// The fields of a decoder's config.json that are known, or known to change nothing. A field that is not may change what
/// the model computes: the folder is refused.
struct DecoderFields {
  private let known: Set<String>

  private static let common: Set<String> = [
    "model_type", "architectures", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
    "num_attention_heads", "num_key_value_heads", "head_dim", "rms_norm_eps", "max_position_embeddings",
    "hidden_act", "hidden_activation", "tie_word_embeddings", "rope_theta", "rope_scaling", "rope_parameters",
    "partial_rotary_factor", "original_max_position_embeddings", "layer_types", "sliding_window",
    "use_sliding_window", "bos_token_id", "eos_token_id", "quantization_config",
  ]
  /// By `model_type`.
  private static let own: [String: Set<String>] = [
    "qwen2": ["max_window_layers"], "qwen3": ["max_window_layers"],
    "gemma2": ["query_pre_attn_scalar", "attn_logit_softcapping", "final_logit_softcapping"],
    "gemma3_text": [
      "query_pre_attn_scalar", "attn_logit_softcapping", "final_logit_softcapping", "rope_local_base_freq",
      "sliding_window_pattern", "_sliding_window_pattern",
    ],
    "smollm3": ["no_rope_layers", "no_rope_layer_interval", "max_window_layers"],
    "granite": ["embedding_multiplier", "residual_multiplier", "attention_multiplier", "logits_scaling"],
  ]
  /// What these say does not concern the logits, or is told by the tensors that are there.
  private static let harmless: Set<String> = [
    "_name_or_path", "_commit_hash", "transformers_version", "torch_dtype", "dtype", "use_cache",
    "initializer_range", "attention_bias", "mlp_bias", "attention_dropout", "hidden_dropout", "resid_pdrop",
    "embd_pdrop", "pad_token_id", "unk_token_id", "sep_token_id", "pretraining_tp", "auto_map",
    "cache_implementation", "output_attentions", "output_hidden_states", "return_dict", "torchscript",
    "attn_implementation", "_attn_implementation", "_attn_implementation_autoset", "is_llama_config",
    "transformers.js_config", "id2label", "label2id", "problem_type", "tokenizer_class",
    "task_specific_params",
    "is_decoder", "chunk_size_feed_forward",
  ]
  /// Values beside which there is none that is known; null is none.
  private static let only: [String: JSONValue] = [
    "is_encoder_decoder": .boolean(false), "add_cross_attention": .boolean(false),
    "rope_interleaved": .boolean(false), "use_bidirectional_attention": .boolean(false),
    "pruned_heads": .object([]), "use_parallel_residual": .boolean(false),
  ]

  /// * type: `model_type`.
  init(_ type: String) {
    known = Self.common.union(Self.harmless).union(Self.only.keys).union(Self.own[type] ?? [])
  }

  /// - Throws: `data` with the first field that is not known.
  func check(_ folder: CheckpointFolder) throws(PackError) {
    for member in folder.config.object ?? [] where member.value != .null {
      guard known.contains(member.key) else {
        throw folder.fieldError(member.key, "not known; it may change what the model computes")
      }
      if let value = Self.only[member.key], member.value != value {
        throw folder.fieldError(member.key, "\(member.value.written()); known: \(value.written())")
      }
    }
  }
}
