import SoniqGraph

// Encoders of sound.

extension EncoderFamily {
  static let whisper = EncoderFamily(
    modelTypes: ["whisper"], required: ["use_weighted_layer_sum": .boolean(false)],
    prefixes: ["model.encoder.", "encoder."],
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
    finalNorm: "layer_norm",
    heads: [
      HeadLayout(
        classes: ["ForAudioClassification"], marker: "projector.weight",
        outputs: [.init([.dense("projector"), .meanOfRows(from: 0), .dense("classifier")])])
    ])

  static let moonshine = EncoderFamily(
    modelTypes: ["moonshine"], prefixes: ["model.encoder.", "encoder."],
    fields: FieldNames(
      layers: ["encoder_num_hidden_layers"], heads: ["encoder_num_attention_heads"],
      keyValueHeads: ["encoder_num_key_value_heads"], activation: ["encoder_hidden_act"],
      // No field of config.json.
      epsilon: [], standardEpsilon: 1e-5),
    input: .samples(
      SampleLayout(
        convolutions: [
          SampleConvolution(name: "conv1", taps: 127, stride: 64, hasBias: false, function: .tanh),
          SampleConvolution(name: "conv2", taps: 7, stride: 3, factor: 2),
          SampleConvolution(name: "conv3", taps: 3, stride: 2),
        ], norm: "groupnorm")),
    block: BlockLayout(
      path: "layers.#",
      projection: .separate(query: "self_attn.q_proj", key: "self_attn.k_proj", value: "self_attn.v_proj"),
      output: "self_attn.o_proj", attentionNorm: "input_layernorm",
      feedForward: .plain(up: "mlp.fc1", down: "mlp.fc2"), outputNorm: "post_attention_layernorm",
      normPlace: .before, hasBiases: false,
      places: .rotary(
        RotaryLayout(base: ["rope_theta"], standardBase: 10000, isInterleaved: true, standardFraction: 0.9))),
    finalNorm: "layer_norm")
}
