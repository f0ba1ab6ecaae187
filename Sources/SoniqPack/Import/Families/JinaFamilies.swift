import SoniqGraph

// Encoders of Jina AI, whose code comes with the checkpoints: their types are those of what they began as.

extension EncoderFamily {
  /// The second version: BERT with gated layers, whose scores fall with the distance.
  static let jinaBert = EncoderFamily(
    modelTypes: ["bert"], positionTypes: ["alibi"], prefixes: ["bert."],
    fields: FieldNames(activation: ["feed_forward_type"], standardActivation: "original"),
    input: .tokens(
      TokenLayout(
        words: "embeddings.word_embeddings", types: "embeddings.token_type_embeddings",
        norm: "embeddings.LayerNorm", hasBertVocabulary: true)),
    block: BlockLayout(
      path: "encoder.layer.#",
      projection: .separate(
        query: "attention.self.query", key: "attention.self.key", value: "attention.self.value"),
      output: "attention.output.dense", attentionNorm: "attention.output.LayerNorm",
      feedForward: .gatedPacked("mlp.gated_layers", down: "mlp.wo"), outputNorm: "mlp.layernorm",
      hasBiases: false, places: .slopes),
    pooler: .tanh("pooler.dense"),
    heads: [
      .pooledSequence, .tokens, .spans,
      .words(
        dense: "cls.predictions.transform.dense", function: .function(.geluErf),
        norm: "cls.predictions.transform.LayerNorm", matrix: "cls.predictions.decoder",
        bias: "cls.predictions.bias"),
    ])

  /// Those of code and of two languages: queries and keys are normed, and so is what attention gives, twice.
  static let jinaCode = {
    var family = jinaBert
    family.marker = "encoder.layer.0.attention.self.layer_norm_q.weight"
    family.block.queryKeyNorms = ("attention.self.layer_norm_q", "attention.self.layer_norm_k")
    family.block.secondNorm = "layer_norm_1"
    family.block.feedForward = .gatedPacked("mlp.up_gated_layer", down: "mlp.down_layer", isGateFirst: false)
    family.block.outputNorm = "layer_norm_2"
    return family
  }()

  /// The third version: XLM-RoBERTa with positions as angles.
  static let jinaRoberta = EncoderFamily(
    modelTypes: ["xlm-roberta", "jina_embeddings_v3"], positionTypes: ["rotary"], prefixes: ["roberta."],
    input: .tokens(
      TokenLayout(
        words: "embeddings.word_embeddings", types: "embeddings.token_type_embeddings", norm: "emb_ln")),
    block: BlockLayout(
      path: "encoder.layers.#", projection: .packed("mixer.Wqkv"), output: "mixer.out_proj",
      attentionNorm: "norm1", feedForward: .plain(up: "mlp.fc1", down: "mlp.fc2"), outputNorm: "norm2",
      places: .rotary(RotaryLayout(base: ["rotary_emb_base"], standardBase: 10000))),
    pooler: .tanh("pooler.dense"),
    heads: [
      .sequence(.tanh), .tokens, .spans,
      .words(
        dense: "lm_head.dense", function: .function(.geluErf), norm: "lm_head.layer_norm",
        matrix: "lm_head.decoder", bias: "lm_head.bias"),
    ])
}
