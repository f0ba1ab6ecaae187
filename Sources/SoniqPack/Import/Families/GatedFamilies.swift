import SoniqGraph

// Encoders whose attention knows places, and whose layers are gated.

extension EncoderFamily {
  static let modernBert = EncoderFamily(
    modelTypes: ["modernbert"], prefixes: ["model."],
    fields: FieldNames(activation: ["hidden_activation"], epsilon: ["norm_eps"], standardEpsilon: 1e-5),
    input: .tokens(TokenLayout(words: "embeddings.tok_embeddings", norm: "embeddings.norm")),
    block: BlockLayout(
      path: "layers.#", projection: .packed("attn.Wqkv"), output: "attn.Wo", attentionNorm: "attn_norm",
      feedForward: .gatedPacked("mlp.Wi", down: "mlp.Wo"), outputNorm: "mlp_norm", normPlace: .before,
      hasBiases: false,
      places: .rotary(
        RotaryLayout(
          base: ["global_rope_theta"], standardBase: 160_000,
          local: LocalAttention(
            base: ["local_rope_theta"], standardBase: 10000, width: "local_attention", standardWidth: 128,
            period: "global_attn_every_n_layers", standardPeriod: 3))), firstIsUnnormed: true),
    finalNorm: "final_norm",
    heads: [
      HeadLayout(
        classes: ["ForMaskedLM"], marker: "head.dense.weight",
        outputs: [
          .init([
            .dense("head.dense"), .ownFunction, .norm("head.norm"),
            .words(matrix: "decoder", bias: "decoder.bias"),
          ])
        ]),
      HeadLayout(
        classes: ["ForSequenceClassification"], marker: "head.dense.weight",
        outputs: [
          .init([
            .rowOrMean("classifier_pooling"), .dense("head.dense"), .ownFunction, .norm("head.norm"),
            .dense("classifier"),
          ])
        ]),
      HeadLayout(
        classes: ["ForTokenClassification"], marker: "head.dense.weight",
        outputs: [.init([.dense("head.dense"), .ownFunction, .norm("head.norm"), .dense("classifier")])]),
      HeadLayout(
        classes: ["ForQuestionAnswering"], marker: "head.dense.weight",
        outputs: [("start_logits", 0), ("end_logits", 1)].map { name, column in
          .init(
            name,
            [.dense("head.dense"), .ownFunction, .norm("head.norm"), .dense("classifier"), .column(column)])
        }),
    ])

  static let nomicBert = EncoderFamily(
    modelTypes: ["nomic_bert"], prefixes: ["nomic_bert."],
    fields: FieldNames(
      hidden: ["hidden_size", "n_embd"], layers: ["num_hidden_layers", "n_layer"],
      heads: ["num_attention_heads", "n_head"], intermediate: ["intermediate_size", "n_inner"],
      positions: ["max_position_embeddings", "n_positions"],
      activation: ["hidden_act", "activation_function"],
      standardActivation: "silu", epsilon: ["layer_norm_eps", "layer_norm_epsilon"]),
    input: .tokens(
      TokenLayout(
        words: "embeddings.word_embeddings", types: "embeddings.token_type_embeddings", norm: "emb_ln",
        hasBertVocabulary: true)),
    block: BlockLayout(
      path: "encoder.layers.#", projection: .packed("attn.Wqkv"), output: "attn.out_proj",
      attentionNorm: "norm1",
      feedForward: .gated(gate: "mlp.fc12", up: "mlp.fc11", down: "mlp.fc2"), outputNorm: "norm2",
      hasBiases: false,
      places: .rotary(RotaryLayout(base: ["rotary_emb_base"], standardBase: 10000, local: nil))),
    pooler: .tanh("pooler.dense"),
    heads: [
      HeadLayout(
        classes: ["ForMaskedLM", "ForPreTraining"], marker: "cls.predictions.transform.dense.weight",
        outputs: [
          .init([
            .dense("cls.predictions.transform.dense"), .ownFunction,
            .norm("cls.predictions.transform.layer_norm"),
            .words(matrix: "cls.predictions.decoder", bias: "cls.predictions.bias"),
          ])
        ]),
      .pooledSequence, .tokens,
    ])

  static let t5 = EncoderFamily(
    modelTypes: ["t5", "mt5"], prefixes: ["transformer."],
    fields: FieldNames(
      hidden: ["d_model"], layers: ["num_layers"], heads: ["num_heads"], headLength: ["d_kv"],
      intermediate: ["d_ff"], positions: ["n_positions"], standardPositions: 512,
      activation: ["dense_act_fn", "feed_forward_proj"], standardActivation: "relu",
      epsilon: ["layer_norm_epsilon"], standardEpsilon: 1e-6),
    input: .tokens(TokenLayout(words: "shared")),
    block: BlockLayout(
      path: "encoder.block.#",
      projection: .separate(
        query: "layer.0.SelfAttention.q", key: "layer.0.SelfAttention.k", value: "layer.0.SelfAttention.v"),
      output: "layer.0.SelfAttention.o", attentionNorm: "layer.0.layer_norm",
      feedForward: .either(
        plain: "layer.1.DenseReluDense.wi", gate: "layer.1.DenseReluDense.wi_0",
        up: "layer.1.DenseReluDense.wi_1", down: "layer.1.DenseReluDense.wo"),
      outputNorm: "layer.1.layer_norm", normPlace: .before, normKind: .rootMeanSquare, hasBiases: false,
      places: .buckets(
        table: "encoder.block.0.layer.0.SelfAttention.relative_attention_bias",
        count: "relative_attention_num_buckets", farthest: "relative_attention_max_distance"),
      isUnscaled: true),
    finalNorm: "encoder.final_layer_norm", heads: [.tokens], ignored: ["encoder.embed_tokens.weight"])

  /// T5 with a bias of each layer's own.
  static let umt5 = {
    var family = t5
    family.modelTypes = ["umt5"]
    family.block.places = .buckets(
      table: "encoder.block.#.layer.0.SelfAttention.relative_attention_bias",
      count: "relative_attention_num_buckets", farthest: "relative_attention_max_distance")
    return family
  }()

  /// Alibaba's GTE, whose code comes with the checkpoints.
  static let gte = EncoderFamily(
    modelTypes: ["new", "gte"], positionTypes: ["rope"],
    required: ["layer_norm_type": .text("layer_norm"), "logn_attention_scale": .boolean(false)],
    prefixes: ["new.", "gte."],
    input: .tokens(
      TokenLayout(
        words: "embeddings.word_embeddings", types: "embeddings.token_type_embeddings",
        norm: "embeddings.LayerNorm")),
    block: BlockLayout(
      path: "encoder.layer.#",
      projection: .either(
        packed: "attention.qkv_proj", query: "attention.q_proj", key: "attention.k_proj",
        value: "attention.v_proj"),
      output: "attention.o_proj", attentionNorm: "attn_ln",
      feedForward: .gatedPacked("mlp.up_gate_proj", down: "mlp.down_proj", isGateFirst: false),
      outputNorm: "mlp_ln", hasBiases: false,
      places: .rotary(RotaryLayout(base: ["rope_theta"], standardBase: 10000, mayBeScaled: true))),
    pooler: .tanh("pooler.dense"),
    heads: [
      .pooledSequence, .tokens, .spans,
      .words(
        dense: "lm_head.dense", norm: "lm_head.norm", matrix: "lm_head.decoder", bias: "lm_head.decoder.bias"),
    ])
}
