import SoniqCore
import SoniqGraph

/// The weights of a decoder in a folder of Hugging Face.
struct FolderDecoderWeights: DecoderWeights {
  private let tensors: CheckpointTensors
  private let sources: FolderMatrices
  private let matrices: DecoderMatrices
  private let family: DecoderFamily
  /// Whether the words' table is the output matrix.
  private let isTied: Bool
  /// The tensors that were asked for.
  private var used: Set<String> = []

  init(
    _ sources: FolderMatrices, _ matrices: DecoderMatrices, _ family: DecoderFamily, isTied: Bool
  ) {
    (self.sources, self.matrices, self.family, self.isTied) = (sources, matrices, family, isTied)
    tensors = sources.tensors
  }

  static let head = "lm_head.weight"

  private static let whole = [
    DecoderPart.words: "model.embed_tokens", "output_norm": "model.norm", DecoderPart.head: "lm_head",
  ]
  private static let parts = [
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj", "attn_qkv": "self_attn.qkv_proj", "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
    "attn_sub_norm": "self_attn.attn_sub_norm", "post_attention_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    "ffn_sub_norm": "mlp.ffn_sub_norm", "post_ffw_norm": "post_feedforward_layernorm",
  ]

  /// The module that has a weight here.
  private func module(_ name: String) -> String {
    if let known = Self.whole[name] { return known }
    let path = name.split(separator: ".", maxSplits: 2).map(String.init)
    guard path.count == 3, path[0] == "blk" else { return name }
    let part =
      switch path[2] {
      case "ffn_norm": family.norms == .before ? "post_attention_layernorm" : "pre_feedforward_layernorm"
      case "ffn_up" where family.isFused: "mlp.gate_up_proj"
      default: Self.parts[path[2]] ?? path[2]
      }
    return "model.layers.\(path[1]).\(part)"
  }

  func shape(_ name: String) -> [Int]? {
    if isTied, name == DecoderPart.head { return nil }
    return sources.shape(module(name))
  }

  func hasBias(_ name: String) -> Bool { tensors.has(module(name) + ".bias") }

  func factor(_ name: String) throws(PackError) -> Float? { nil }

  func fault(_ name: String, _ message: String) -> PackError {
    let tensor = sources.name(module(name))
    return PackError(.data, file: tensors.path(of: tensor), place: "tensor \(tensor)", message)
  }

  private mutating func stored(_ name: String) throws(PackError) -> FolderMatrices.Stored {
    let module = module(name)
    used.insert(sources.name(module))
    for companion in FolderMatrices.companions where sources.quantization != nil {
      used.insert(module + companion)
    }
    return try sources.stored(module)
  }

  mutating func matrix(_ name: String, rows: Range<Int>) throws(PackError) -> Constant {
    let source = try stored(name)
    guard rows.upperBound <= source.rows.count, !rows.isEmpty else {
      throw source.rows.fault("\(source.rows.count) rows, expected \(rows.upperBound) or more")
    }
    var part: [Float]?
    let bias = module(name) + ".bias"
    if tensors.has(bias) {
      used.insert(bias)
      part = Array(try tensors.floats(bias, shape: [source.rows.count])[rows])
    }
    let isOfWords = DecoderPart.isOfWords(name)
    switch source {
    case .numbers(let numbers):
      return try matrices.matrix(numbers, rows: rows, bias: part, isOfWords: isOfWords)
    case .codes(let codes):
      return try matrices.matrix(codes: codes, rows: rows, bias: part, isOfWords: isOfWords)
    }
  }

  mutating func table(_ name: String) throws(PackError) -> Constant {
    try matrices.table(try stored(name).rows)
  }

  /// Norms of Gemma, the family that scales embeddings, are stored less 1.
  mutating func vector(_ name: String, count: Int) throws(PackError) -> [Float] {
    let tensor = module(name) + ".weight"
    used.insert(tensor)
    let numbers = try tensors.floats(tensor, shape: [count])
    return family.scalesEmbedding ? numbers.map { $0 + 1 } : numbers
  }

  /// Tensors of which nothing was made; angles that older checkpoints repeat, and the table once more, are none.
  var unused: [String] {
    tensors.names.filter { name in
      !used.contains(name) && !name.hasSuffix("rotary_emb.inv_freq") && !(isTied && name == Self.head)
    }.sorted()
  }
}
