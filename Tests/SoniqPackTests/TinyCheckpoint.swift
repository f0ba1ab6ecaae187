import Foundation
import SoniqPack
import SoniqTestSupport

/// A folder with a small random BERT (2 layers, hidden 32, vocabulary 50), removed with its last reference.
final class TinyCheckpoint: Sendable {
  let path: String

  /// What a safetensors file holds, before it is written.
  struct Tensor {
    var type = "F32"
    var shape: [Int]
    var bytes: [UInt8]
  }
  static let hidden = 32
  static let intermediate = 64
  static let vocabulary = 50
  static let positions = 24

  static var config: [String: String] {
    [
      "model_type": "\"bert\"", "hidden_size": "\(hidden)", "num_hidden_layers": "2",
      "num_attention_heads": "4", "intermediate_size": "\(intermediate)", "hidden_act": "\"gelu\"",
      "vocab_size": "\(vocabulary)", "max_position_embeddings": "\(positions)", "type_vocab_size": "2",
      "layer_norm_eps": "1e-12",
    ]
  }

  /// * change: alters the tensors and the fields of config.json before they are written.
  /// * isSentenceEncoder: also write modules.json with mean pooling and normalisation.
  init(
    prefix: String = "", isSentenceEncoder: Bool = true,
    change: (inout [String: Tensor], inout [String: String]) -> Void = { _, _ in }
  ) throws {
    path = NSTemporaryDirectory() + "soniq-tiny-" + UUID().uuidString
    try FileManager.default.createDirectory(
      atPath: path + "/1_Pooling", withIntermediateDirectories: true)
    var tensors = Self.tensors(prefix: prefix)
    var config = Self.config
    change(&tensors, &config)
    let fields = config.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" }
    try write("config.json", Array("{\(fields.joined(separator: ", "))}".utf8))
    try write("model.safetensors", Self.safetensors(tensors))
    guard isSentenceEncoder else { return }
    let modules =
      #"[{"type": "sentence_transformers.models.Transformer", "path": ""}, "#
      + #"{"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}, "#
      + #"{"type": "sentence_transformers.models.Normalize", "path": "2_Normalize"}]"#
    try write("modules.json", Array(modules.utf8))
    try write("1_Pooling/config.json", Array(#"{"pooling_mode_mean_tokens": true}"#.utf8))
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ bytes: [UInt8]) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path + "/" + name))
  }

  func read(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path + "/" + name)))
  }

  static func floats(_ values: [Float]) -> [UInt8] { values.withUnsafeBytes { [UInt8]($0) } }

  static func safetensors(_ tensors: [String: Tensor]) -> [UInt8] {
    var entries: [String] = []
    var data: [UInt8] = []
    for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      entries.append(
        "\"\(name)\":{\"dtype\":\"\(tensor.type)\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(data.count),\(data.count + tensor.bytes.count)]}")
      data += tensor.bytes
    }
    let header = Array("{\(entries.joined(separator: ","))}".utf8)
    return withUnsafeBytes(of: UInt64(header.count).littleEndian) { [UInt8]($0) } + header + data
  }

  private static func tensors(prefix: String) -> [String: Tensor] {
    var generator = SeededGenerator(seed: 2026)
    var tensors: [String: Tensor] = [:]
    func add(_ name: String, _ shape: [Int], around centre: Float = 0, spread: Float = 0.2) {
      let values = (0..<shape.reduce(1, *)).map { _ in
        centre + Float.random(in: -spread...spread, using: &generator)
      }
      tensors[prefix + name] = Tensor(shape: shape, bytes: floats(values))
    }
    func norm(_ name: String) {
      add(name + ".weight", [hidden], around: 1)
      add(name + ".bias", [hidden])
    }
    func linear(_ name: String, _ outputs: Int, _ inputs: Int) {
      add(name + ".weight", [outputs, inputs])
      add(name + ".bias", [outputs])
    }
    add("embeddings.word_embeddings.weight", [vocabulary, hidden])
    add("embeddings.position_embeddings.weight", [positions, hidden])
    add("embeddings.token_type_embeddings.weight", [2, hidden])
    norm("embeddings.LayerNorm")
    for layer in 0..<2 {
      let name = "encoder.layer.\(layer)."
      for part in ["query", "key", "value"] { linear(name + "attention.self." + part, hidden, hidden) }
      linear(name + "attention.output.dense", hidden, hidden)
      norm(name + "attention.output.LayerNorm")
      linear(name + "intermediate.dense", intermediate, hidden)
      linear(name + "output.dense", hidden, intermediate)
      norm(name + "output.LayerNorm")
    }
    return tensors
  }
}
