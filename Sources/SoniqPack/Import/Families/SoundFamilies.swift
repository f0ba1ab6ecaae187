import SoniqGraph

// Encoders of sound.

extension EncoderFamily {
  static let whisper = EncoderFamily(
    modelTypes: ["whisper"], prefixes: ["model.encoder.", "encoder."],
    fields: FieldNames(
      hidden: ["d_model"], layers: ["encoder_layers"], heads: ["encoder_attention_heads"],
      intermediate: ["encoder_ffn_dim"], activation: ["activation_function"], standardEpsilon: 1e-5),
    input: .frames(
      FrameLayout(
        convolutions: [("conv1", 1), ("conv2", 2)], positions: "embed_positions", features: "num_mel_bins",
        rows: "max_source_positions")),
    block: BlockLayout(
      path: "layers.#",
      projection: .separate(query: "self_attn.q_proj", key: "self_attn.k_proj", value: "self_attn.v_proj"),
      output: "self_attn.out_proj", attentionNorm: "self_attn_layer_norm",
      feedForward: .plain(up: "fc1", down: "fc2"), outputNorm: "final_layer_norm", normPlace: .before,
      hasBiases: false),
    finalNorm: "layer_norm")
}
