import SoniqGraph

// Encoders of images, and the towers of text beside them.

extension BlockLayout {
  /// The names of ViT.
  fileprivate static let image = BlockLayout(
    path: "encoder.layer.#",
    projection: .separate(
      query: "attention.attention.query", key: "attention.attention.key", value: "attention.attention.value"),
    output: "attention.output.dense", attentionNorm: "layernorm_before",
    feedForward: .plain(up: "intermediate.dense", down: "output.dense"), outputNorm: "layernorm_after",
    normPlace: .before, hasBiases: false)

  /// The names of both towers of CLIP and SigLIP.
  fileprivate static let tower = BlockLayout(
    path: "encoder.layers.#",
    projection: .separate(query: "self_attn.q_proj", key: "self_attn.k_proj", value: "self_attn.v_proj"),
    output: "self_attn.out_proj", attentionNorm: "layer_norm1",
    feedForward: .plain(up: "mlp.fc1", down: "mlp.fc2"), outputNorm: "layer_norm2", normPlace: .before,
    hasBiases: false)

  fileprivate static let causalTower = {
    var block = tower
    block.isCausal = true
    return block
  }()
}

extension EncoderFamily {
  private static let classes = HeadLayout(
    classes: ["ForImageClassification"], marker: "classifier.weight",
    outputs: [.init([.row(0), .dense("classifier")])])

  static let vit = EncoderFamily(
    modelTypes: ["vit"], prefixes: ["vit."],
    input: .patches(
      PatchLayout(
        projection: "embeddings.patch_embeddings.projection", tokens: ["embeddings.cls_token"],
        positions: "embeddings.position_embeddings")), block: .image, finalNorm: "layernorm",
    pooler: .tanh("pooler.dense"), heads: [classes])

  static let deit = EncoderFamily(
    modelTypes: ["deit"], prefixes: ["deit."],
    input: .patches(
      PatchLayout(
        projection: "embeddings.patch_embeddings.projection",
        tokens: ["embeddings.cls_token", "embeddings.distillation_token"],
        positions: "embeddings.position_embeddings")), block: .image, finalNorm: "layernorm",
    pooler: .tanh("pooler.dense"),
    heads: [
      classes,
      HeadLayout(
        classes: ["ForImageClassificationWithTeacher"], marker: "cls_classifier.weight",
        outputs: [
          .init([
            .meanOf([[.row(0), .dense("cls_classifier")], [.row(1), .dense("distillation_classifier")]])
          ])
        ]),
    ])

  /// A class of the mean of the squares.
  private static func meanClasses(from first: Int) -> HeadLayout {
    HeadLayout(
      classes: ["ForImageClassification"], marker: "classifier.weight",
      outputs: [.init([.meanOfRows(from: first), .dense("classifier")])])
  }

  private static let towerSizes = [
    "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
  ]
  private static let imageSizes = towerSizes.merging(["image_size": 224, "patch_size": 16]) { $1 }

  private static let clipFields = FieldNames(standardActivation: "quick_gelu", standardEpsilon: 1e-5)

  static let clipImages = EncoderFamily(
    modelTypes: ["clip_vision_model"], prefixes: ["vision_model."], fields: clipFields,
    standards: imageSizes.merging(["patch_size": 32]) { $1 },
    input: .patches(
      PatchLayout(
        projection: "embeddings.patch_embedding", tokens: ["embeddings.class_embedding"],
        positions: "embeddings.position_embedding", norm: "pre_layrnorm")), block: .tower,
    pooler: Pooler(marker: "post_layernorm.weight", steps: [.row(0), .norm("post_layernorm")]),
    heads: [
      HeadLayout(
        classes: ["WithProjection"], marker: "visual_projection.weight",
        outputs: [.init("image_embeds", [.pooler, .dense("visual_projection")])]),
      meanClasses(from: 1),
    ], ignored: ["embeddings.position_ids"])

  static let clipTexts = EncoderFamily(
    modelTypes: ["clip_text_model"], prefixes: ["text_model."], fields: clipFields,
    standards: [
      "hidden_size": 512, "num_hidden_layers": 12, "num_attention_heads": 8, "intermediate_size": 2048,
      "vocab_size": 49408, "max_position_embeddings": 77,
    ],
    input: .tokens(
      TokenLayout(words: "embeddings.token_embedding", positions: "embeddings.position_embedding")),
    block: .causalTower, finalNorm: "final_layer_norm",
    pooler: Pooler(marker: "final_layer_norm.weight", steps: [.endOfText]),
    heads: [
      HeadLayout(
        classes: ["WithProjection"], marker: "text_projection.weight",
        outputs: [.init("text_embeds", [.pooler, .dense("text_projection")])])
    ])

  private static let siglipFields = FieldNames(standardActivation: "gelu_pytorch_tanh", standardEpsilon: 1e-6)

  static let siglipImages = EncoderFamily(
    modelTypes: ["siglip_vision_model"], prefixes: ["vision_model."], fields: siglipFields,
    standards: imageSizes,
    input: .patches(
      PatchLayout(projection: "embeddings.patch_embedding", positions: "embeddings.position_embedding")),
    block: .tower, finalNorm: "post_layernorm",
    pooler: Pooler(marker: "head.probe", steps: [.attended("head")]), heads: [meanClasses(from: 0)])

  static let siglipTexts = EncoderFamily(
    modelTypes: ["siglip_text_model"], prefixes: ["text_model."], fields: siglipFields,
    standards: towerSizes.merging(["vocab_size": 32000, "max_position_embeddings": 64]) { $1 },
    input: .tokens(
      TokenLayout(words: "embeddings.token_embedding", positions: "embeddings.position_embedding")),
    block: .tower, finalNorm: "final_layer_norm",
    pooler: Pooler(marker: "head.weight", steps: [.row(-1), .dense("head")]))
}
