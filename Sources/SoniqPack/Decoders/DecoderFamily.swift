import SoniqGraph

/// What a family of decoders is made of, whatever the file that holds it. Parts are named as in GGUF files.
struct DecoderFamily: Sendable {
  /// What `general.architecture` says.
  var architectures: [String]
  /// Pairs of rotary positions are neighbours, rather than half a head apart.
  var isInterleaved = false
  var norms = Norms.before
  var headNorm = HeadNorm.none
  var gate = Gate.function(.silu)
  /// Queries, keys and values are one matrix, and so are gate and up.
  var isFused = false
  /// There are norms of what attention, and the gated product, give to their output matrices.
  var hasSubNorms = false
  /// Embeddings are multiplied by the root of the hidden size.
  var scalesEmbedding = false
  /// Keys of these architectures that change what is computed, beside those that all have.
  var keys: Set<String> = []
  /// Of layers that see near positions only.
  var window = Window.none
  /// One layer of so many has no rotary positions; 0: none.
  var unturnedPeriod = 0

  enum Norms: Sendable {
    /// x + f(norm(x))
    case before
    /// x + norm(f(x))
    case behind
    /// x + norm(f(norm(x)))
    case around
  }

  /// Of queries and keys.
  enum HeadNorm: Sendable {
    case none
    /// Of every head by itself.
    case heads
    /// Of all heads together.
    case rows
  }

  enum Gate: Sendable {
    /// function(gate) * up
    case function(ElementFunction)
    /// relu(gate)^2 * up
    case squaredRelu
  }

  enum Window: Sendable {
    case none
    /// Every layer, where the file says how many.
    case everywhere
    /// Every layer but the last one of so many.
    case butLast(of: Int)
  }
}

extension DecoderFamily {
  /// All that are known.
  static let all: [DecoderFamily] = [
    .llama, .qwen2, .qwen3, .gemma, .gemma2, .gemma3, .phi3, .bitnet, .smollm3, .olmo2, .granite,
  ]

  static let llama = DecoderFamily(
    architectures: ["llama"], isInterleaved: true, keys: ["attention.sliding_window"], window: .everywhere)
  static let qwen2 = DecoderFamily(architectures: ["qwen2"])
  static let qwen3 = DecoderFamily(architectures: ["qwen3"], headNorm: .heads)
  static let gemma = DecoderFamily(
    architectures: ["gemma"], gate: .function(.geluTanh), scalesEmbedding: true)
  static let gemma2 = DecoderFamily(
    architectures: ["gemma2"], norms: .around, gate: .function(.geluTanh), scalesEmbedding: true,
    keys: ["attn_logit_softcapping", "final_logit_softcapping", "attention.sliding_window"],
    window: .butLast(of: 2))
  static let gemma3 = DecoderFamily(
    architectures: ["gemma3"], norms: .around, headNorm: .heads, gate: .function(.geluTanh),
    scalesEmbedding: true,
    keys: [
      "attention.sliding_window", "attention.sliding_window_pattern", "rope.freq_base_swa",
      "attn_logit_softcapping", "final_logit_softcapping",
    ], window: .butLast(of: 6))
  static let phi3 = DecoderFamily(
    architectures: ["phi3"], isFused: true, keys: ["attention.sliding_window"], window: .everywhere)
  static let bitnet = DecoderFamily(
    architectures: ["bitnet", "bitnet-b1.58", "bitnet-25"], gate: .squaredRelu, hasSubNorms: true,
    keys: ["hidden_activation"])
  static let smollm3 = DecoderFamily(
    architectures: ["smollm3"], isInterleaved: true, unturnedPeriod: 4)
  static let olmo2 = DecoderFamily(architectures: ["olmo2"], norms: .behind, headNorm: .rows)
  static let granite = DecoderFamily(
    architectures: ["granite"], isInterleaved: true,
    keys: ["embedding_scale", "residual_scale", "logit_scale", "attention.scale"])
}
