import SoniqGraph

// Encoders with the layers of BERT: norms behind sums, biases everywhere.

extension BlockLayout {
  /// The names of BERT, which many have.
  fileprivate static let bert = BlockLayout(
    path: "encoder.layer.#",
    projection: .separate(
      query: "attention.self.query", key: "attention.self.key", value: "attention.self.value"),
    output: "attention.output.dense", attentionNorm: "attention.output.LayerNorm",
    feedForward: .plain(up: "intermediate.dense", down: "output.dense"), outputNorm: "output.LayerNorm")
}

extension TokenLayout {
  fileprivate static let bert = TokenLayout(
    words: "embeddings.word_embeddings", positions: "embeddings.position_embeddings",
    types: "embeddings.token_type_embeddings", norm: "embeddings.LayerNorm", hasBertVocabulary: true)

  fileprivate func with(_ change: (inout TokenLayout) -> Void) -> TokenLayout {
    var layout = self
    change(&layout)
    return layout
  }
}

extension HeadLayout {
  static let tokens = HeadLayout(
    classes: ["ForTokenClassification"], marker: "classifier.weight", outputs: [.init([.dense("classifier")])]
  )
  static let spans = HeadLayout(
    classes: ["ForQuestionAnswering"], marker: "qa_outputs.weight",
    outputs: [
      .init("start_logits", [.dense("qa_outputs"), .column(0)]),
      .init("end_logits", [.dense("qa_outputs"), .column(1)]),
    ])
  /// A class of the pooler's row.
  static let pooledSequence = HeadLayout(
    classes: ["ForSequenceClassification"], marker: "classifier.weight",
    outputs: [.init([.pooler, .dense("classifier")])])

  /// Two layers of the first row.
  static func sequence(_ function: ElementFunction) -> HeadLayout {
    HeadLayout(
      classes: ["ForSequenceClassification"], marker: "classifier.dense.weight",
      outputs: [
        .init([.row(0), .dense("classifier.dense"), .function(function), .dense("classifier.out_proj")])
      ])
  }

  /// A layer and a norm, then a score for each word.
  static func words(
    _ classes: [String] = ["ForMaskedLM"], dense: String, function: HeadStep = .ownFunction, norm: String,
    matrix: String, bias: String
  ) -> HeadLayout {
    HeadLayout(
      classes: classes, marker: dense + ".weight",
      outputs: [.init([.dense(dense), function, .norm(norm), .words(matrix: matrix, bias: bias)])])
  }
}

extension EncoderFamily {
  static let bert = EncoderFamily(
    modelTypes: ["bert"], prefixes: ["bert."], input: .tokens(.bert), block: .bert,
    pooler: .tanh("pooler.dense"),
    heads: [.pooledSequence, .tokens, .spans, bertWords, bertPreTraining, bertNextSentence])

  private static let bertWords = HeadLayout.words(
    dense: "cls.predictions.transform.dense", norm: "cls.predictions.transform.LayerNorm",
    matrix: "cls.predictions.decoder", bias: "cls.predictions.bias")
  private static let bertNextSentence = HeadLayout(
    classes: ["ForNextSentencePrediction"], marker: "cls.seq_relationship.weight",
    outputs: [.init([.pooler, .dense("cls.seq_relationship")])])
  private static let bertPreTraining = HeadLayout(
    classes: ["BertForPreTraining"], marker: bertWords.marker,
    outputs: [
      .init("prediction_logits", bertWords.outputs[0].steps),
      .init("seq_relationship_logits", bertNextSentence.outputs[0].steps),
    ])

  private static let robertaWords = HeadLayout.words(
    dense: "lm_head.dense", function: .function(.geluErf), norm: "lm_head.layer_norm",
    matrix: "lm_head.decoder",
    bias: "lm_head.bias")

  static let roberta = EncoderFamily(
    modelTypes: ["roberta", "xlm-roberta", "camembert"], prefixes: ["roberta."],
    input: .tokens(
      TokenLayout.bert.with {
        $0.counting = .behindPadding
        $0.hasBertVocabulary = false
      }), block: .bert, pooler: .tanh("pooler.dense"),
    heads: [.sequence(.tanh), .tokens, .spans, robertaWords])

  static let distilBert = EncoderFamily(
    modelTypes: ["distilbert"], prefixes: ["distilbert."],
    fields: FieldNames(
      hidden: ["dim"], layers: ["n_layers"], heads: ["n_heads"], intermediate: ["hidden_dim"],
      activation: ["activation"]),
    input: .tokens(TokenLayout.bert.with { $0.types = nil }),
    block: BlockLayout(
      path: "transformer.layer.#",
      projection: .separate(query: "attention.q_lin", key: "attention.k_lin", value: "attention.v_lin"),
      output: "attention.out_lin", attentionNorm: "sa_layer_norm",
      feedForward: .plain(up: "ffn.lin1", down: "ffn.lin2"), outputNorm: "output_layer_norm"),
    heads: [
      HeadLayout(
        classes: ["ForSequenceClassification"], marker: "pre_classifier.weight",
        outputs: [.init([.row(0), .dense("pre_classifier"), .function(.relu), .dense("classifier")])]),
      .tokens, .spans,
      .words(
        dense: "vocab_transform", norm: "vocab_layer_norm", matrix: "vocab_projector",
        bias: "vocab_projector.bias"),
    ])

  static let mpnet = EncoderFamily(
    modelTypes: ["mpnet"], prefixes: ["mpnet."],
    input: .tokens(
      TokenLayout.bert.with {
        $0.types = nil
        $0.counting = .behindPadding
        $0.hasBertVocabulary = false
      }),
    block: BlockLayout(
      path: "encoder.layer.#",
      projection: .separate(query: "attention.attn.q", key: "attention.attn.k", value: "attention.attn.v"),
      output: "attention.attn.o", attentionNorm: "attention.LayerNorm",
      feedForward: .plain(up: "intermediate.dense", down: "output.dense"), outputNorm: "output.LayerNorm",
      places: .buckets(
        table: "encoder.relative_attention_bias", count: "relative_attention_num_buckets", farthest: nil)),
    pooler: .tanh("pooler.dense"),
    heads: [.sequence(.tanh), .tokens, .spans, robertaWords])

  static let albert = EncoderFamily(
    modelTypes: ["albert"], prefixes: ["albert."],
    fields: FieldNames(standardActivation: "gelu_new"),
    input: .tokens(
      TokenLayout.bert.with {
        $0.projection = "encoder.embedding_hidden_mapping_in"
        $0.hasBertVocabulary = false
      }),
    block: BlockLayout(
      path: "encoder.albert_layer_groups.#.albert_layers.@",
      projection: .separate(query: "attention.query", key: "attention.key", value: "attention.value"),
      output: "attention.dense", attentionNorm: "attention.LayerNorm",
      feedForward: .plain(up: "ffn", down: "ffn_output"), outputNorm: "full_layer_layer_norm",
      sharing: SharedLayers(groups: "num_hidden_groups", layersOfGroup: "inner_group_num")),
    pooler: .tanh("pooler"),
    heads: [
      .pooledSequence, .tokens, .spans,
      .words(
        dense: "predictions.dense", norm: "predictions.LayerNorm", matrix: "predictions.decoder",
        bias: "predictions.bias"),
    ])

  static let electra = EncoderFamily(
    modelTypes: ["electra"], prefixes: ["electra."],
    input: .tokens(TokenLayout.bert.with { $0.projection = "embeddings_project" }), block: .bert,
    heads: [
      .sequence(.geluErf), .tokens, .spans,
      .words(
        dense: "generator_predictions.dense", function: .function(.geluErf),
        norm: "generator_predictions.LayerNorm", matrix: "generator_lm_head", bias: "generator_lm_head.bias"),
      HeadLayout(
        classes: ["ForPreTraining"], marker: "discriminator_predictions.dense.weight",
        outputs: [
          .init([
            .dense("discriminator_predictions.dense"), .ownFunction,
            .dense("discriminator_predictions.dense_prediction"), .column(0),
          ])
        ]),
    ])
}
