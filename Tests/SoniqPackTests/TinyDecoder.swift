import SoniqTestSupport

/// A small random decoder of the llama family as a GGUF file: two layers, rows of 64, words of a table that is the output
/// matrix too.
struct TinyDecoder {
  static let vocabulary = 40
  static let hidden = 64
  static let heads = 4
  static let keyValueHeads = 2
  static let wide = 96

  var writer = GGUFWriter()
  private var generator = SeededGenerator(seed: 2027)

  init() {
    let sizes: [(String, UInt32)] = [
      ("context_length", 256), ("embedding_length", UInt32(Self.hidden)), ("block_count", 2),
      ("feed_forward_length", UInt32(Self.wide)), ("attention.head_count", UInt32(Self.heads)),
      ("attention.head_count_kv", UInt32(Self.keyValueHeads)),
    ]
    writer.keys = [("general.architecture", .text("llama")), ("general.name", .text("tiny"))]
    writer.keys += sizes.map { ("llama." + $0.0, .word($0.1)) }
    writer.keys.append(("llama.attention.layer_norm_rms_epsilon", .real(1e-5)))
    writer.keys.append(("tokenizer.ggml.tokens", .texts(["a", "b"])))
    writer.keys.append(("tokenizer.ggml.eos_token_id", .word(2)))
    let narrow = Self.hidden / Self.heads * Self.keyValueHeads
    add("token_embd", [Self.vocabulary, Self.hidden])
    for layer in 0..<2 {
      let path = "blk.\(layer)."
      add(path + "attn_norm", [Self.hidden], around: 1)
      add(path + "attn_q", [Self.hidden, Self.hidden])
      add(path + "attn_k", [narrow, Self.hidden])
      add(path + "attn_v", [narrow, Self.hidden])
      add(path + "attn_output", [Self.hidden, Self.hidden])
      add(path + "ffn_norm", [Self.hidden], around: 1)
      add(path + "ffn_gate", [Self.wide, Self.hidden])
      add(path + "ffn_up", [Self.wide, Self.hidden])
      add(path + "ffn_down", [Self.hidden, Self.wide])
    }
    add("output_norm", [Self.hidden], around: 1)
  }

  /// An output matrix that is not the words' table.
  mutating func addHead() { add("output", [Self.vocabulary, Self.hidden]) }

  private mutating func add(_ name: String, _ shape: [Int], around centre: Float = 0) {
    let values = (0..<shape.reduce(1, *)).map { _ in centre + Float.random(in: -0.3...0.3, using: &generator)
    }
    writer.floats(name + ".weight", shape, values)
  }

  /// Puts random blocks of a type in the place of all matrices, as ggml lays them out: bytes, and the binary16 numbers at
  /// some places of them.
  mutating func quantize(type: UInt32, length: Int, bytes: Int, numbers: [Int]) {
    for index in writer.tensors.indices where writer.tensors[index].shape.count == 2 {
      let shape = writer.tensors[index].shape
      var all: [UInt8] = []
      for _ in 0..<shape[0] * shape[1] / length {
        var block = (0..<bytes).map { _ in UInt8.random(in: 0...255, using: &generator) }
        for place in numbers {
          let half = Float16(Float.random(in: 0.005...0.02, using: &generator)).bitPattern
          (block[place], block[place + 1]) = (UInt8(half & 255), UInt8(half >> 8))
        }
        all += block
      }
      (writer.tensors[index].type, writer.tensors[index].bytes) = (type, all)
    }
  }
}
