import SoniqGraph

// DeBERTa of the second and third version: scores by rows for distances.

extension EncoderFamily {
  static let deberta = EncoderFamily(
    modelTypes: ["deberta-v2"], prefixes: ["deberta."],
    fields: FieldNames(standardPositions: 512, standardEpsilon: 1e-7),
    input: .tokens(
      TokenLayout(
        words: "embeddings.word_embeddings", positions: "embeddings.position_embeddings",
        types: "embeddings.token_type_embeddings", norm: "embeddings.LayerNorm",
        projection: "embeddings.embed_proj", projectsFirst: true, positionsField: "position_biased_input")),
    block: BlockLayout(
      path: "encoder.layer.#",
      projection: .separate(
        query: "attention.self.query_proj", key: "attention.self.key_proj",
        value: "attention.self.value_proj"),
      output: "attention.output.dense", attentionNorm: "attention.output.LayerNorm",
      feedForward: .plain(up: "intermediate.dense", down: "output.dense"), outputNorm: "output.LayerNorm",
      places: .rows(
        DistanceLayout(
          table: "encoder.rel_embeddings", norm: "encoder.LayerNorm", key: "attention.self.pos_key_proj",
          query: "attention.self.pos_query_proj")),
      convolution: SideConvolution(
        convolution: "encoder.conv.conv", norm: "encoder.conv.LayerNorm", taps: "conv_kernel_size",
        groups: "conv_groups", function: "conv_act", standardFunction: "tanh")),
    heads: [
      HeadLayout(
        classes: ["ForSequenceClassification"], marker: "pooler.dense.weight",
        outputs: [
          .init([
            .row(0), .dense("pooler.dense"), .stated("pooler_hidden_act", standard: "gelu"),
            .dense("classifier"),
          ])
        ]),
      .tokens, .spans,
      .words(
        dense: "cls.predictions.transform.dense", norm: "cls.predictions.transform.LayerNorm",
        matrix: "cls.predictions.decoder", bias: "cls.predictions.bias"),
      .words(
        dense: "lm_predictions.lm_head.dense", norm: "lm_predictions.lm_head.LayerNorm",
        matrix: "lm_predictions.lm_head.decoder", bias: "lm_predictions.lm_head.bias"),
    ])
}
