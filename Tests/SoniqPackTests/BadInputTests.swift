import Foundation
import SoniqPack
import Testing

/// Every broken input gives one line that names the file and the tensor or field.
@Suite struct BadInputTests {
  static let query = "encoder.layer.1.attention.self.query.weight"

  private func expect(
    _ kind: PackError.Kind, _ parts: [String], _ checkpoint: TinyCheckpoint,
    _ place: SourceLocation = #_sourceLocation
  ) {
    #expect(sourceLocation: place) {
      _ = try FolderImporter.importModel(path: checkpoint.path)
    } throws: { error in
      guard let error = error as? PackError else { return false }
      let line = error.description
      return error.kind == kind && !line.contains("\n") && parts.allSatisfy { line.contains($0) }
    }
  }

  @Test func missingTensor() throws {
    let checkpoint = try TinyCheckpoint { tensors, _ in tensors[Self.query] = nil }
    expect(.data, ["model.safetensors", Self.query, "missing"], checkpoint)
  }

  @Test func wrongType() throws {
    let checkpoint = try TinyCheckpoint { tensors, _ in tensors[Self.query]?.type = "I32" }
    expect(.data, ["model.safetensors", Self.query, "I32", "F32"], checkpoint)
  }

  @Test func wrongShape() throws {
    let checkpoint = try TinyCheckpoint { tensors, _ in tensors[Self.query]?.shape = [16, 64] }
    expect(.data, [Self.query, "[16, 64]", "[32, 32]"], checkpoint)
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity]) func notFinite(value: Float) throws {
    let checkpoint = try TinyCheckpoint { tensors, _ in
      tensors[Self.query]?.bytes.replaceSubrange(40..<44, with: TinyCheckpoint.floats([value]))
    }
    expect(.data, [Self.query, "element 10"], checkpoint)
  }

  @Test func unknownArchitecture() throws {
    let checkpoint = try TinyCheckpoint { _, config in config["model_type"] = "\"mamba\"" }
    expect(.data, ["config.json", "model_type", "mamba", "known: albert, bert"], checkpoint)
  }

  @Test(arguments: [
    ("hidden_size", "33"), ("hidden_size", "0"), ("hidden_size", "-1"), ("hidden_size", "1.5"),
    ("num_attention_heads", "5"), ("hidden_act", "\"softplus\""), ("layer_norm_eps", "-1"),
    ("layer_norm_eps", "0"), ("layer_norm_eps", "1e-60"),
    ("vocab_size", "\"many\""), ("is_decoder", "true"), ("position_embedding_type", "\"relative_key\""),
    ("is_decoder", "1"), ("hidden_act", "3"), ("layer_norm_eps", "\"small\""), ("type_vocab_size", "[2]"),
    ("embedding_size", "{}"), ("architectures", "\"BertModel\""), ("architectures", "[1]"),
    ("model_type", "7"),
  ]) func wrongField(field: String, value: String) throws {
    let checkpoint = try TinyCheckpoint { _, config in config[field] = value }
    let place = field == "hidden_size" && value == "33" ? "num_attention_heads" : field
    expect(.data, ["config.json", place], checkpoint)
  }

  @Test func garbageConfiguration() throws {
    let checkpoint = try TinyCheckpoint()
    for text in ["", "{", "[]", "{\"a\": 1, \"a\": 2}", "{\"a\": tru}", String(repeating: "[", count: 100)] {
      try checkpoint.write("config.json", Array(text.utf8))
      expect(.data, ["config.json"], checkpoint)
    }
  }

  @Test func everyTruncationIsAnError() throws {
    let checkpoint = try TinyCheckpoint()
    let whole = try checkpoint.read("model.safetensors")
    for count in Array(0..<64) + Array(stride(from: 64, to: whole.count, by: 997)) + [whole.count - 1] {
      try checkpoint.write("model.safetensors", Array(whole.prefix(count)))
      expect(.data, ["model.safetensors"], checkpoint)
    }
    try checkpoint.write("model.safetensors", whole + [0])
    expect(.data, ["model.safetensors", "1 bytes after the last tensor"], checkpoint)
  }

  @Test func headersThatLie() throws {
    let checkpoint = try TinyCheckpoint()
    let headers = [
      #"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,8]}}"#,
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
      #"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#,
      #"{"a":{"dtype":"F32","shape":[9223372036854775807,9],"data_offsets":[0,8]}}"#,
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
      #"{"a":{"dtype":"Q4","shape":[2],"data_offsets":[0,8]}}"#,
      #"{"a":3}"#, #"[]"#, #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,9223372036854775807]}}"#,
    ]
    for header in headers {
      let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { [UInt8]($0) }
      try checkpoint.write("model.safetensors", length + Array(header.utf8) + [UInt8](repeating: 0, count: 8))
      expect(.data, ["model.safetensors"], checkpoint)
    }
    try checkpoint.write("model.safetensors", [UInt8](repeating: 0xff, count: 64))
    expect(.data, ["model.safetensors", "not a safetensors file"], checkpoint)
  }

  @Test func missingFiles() throws {
    let checkpoint = try TinyCheckpoint()
    try FileManager.default.removeItem(atPath: checkpoint.path + "/model.safetensors")
    expect(.noInput, ["model.safetensors", "No such file"], checkpoint)
    #expect(throws: PackError(.noInput, file: "/nowhere", "no such file or folder")) {
      _ = try FolderImporter.importModel(path: "/nowhere")
    }
  }

  @Test(arguments: [
    (#"{"pooling_mode_first_tokens": true}"#, ["pooling first_tokens", "mean"]),
    (#"{}"#, ["pooling missing"]),
    (#"{"pooling_mode": "median"}"#, ["pooling median", "weightedmean"]), (#"[]"#, ["pooling missing"]),
    (#"{"pooling_mode": 3}"#, ["pooling_mode", "must be a text"]),
    (#"{"pooling_mode_cls_token": "yes"}"#, ["pooling_mode_cls_token", "true or false"]),
  ]) func unknownPooling(text: String, parts: [String]) throws {
    let checkpoint = try TinyCheckpoint()
    try checkpoint.write("1_Pooling/config.json", Array(text.utf8))
    expect(.data, ["1_Pooling/config.json"] + parts, checkpoint)
  }

  @Test(arguments: [
    (#"{}"#, ["not a JSON array"]),
    (#"[{"type": "a.b.Router"}]"#, ["module a.b.Router"]),
    (#"[{"type": "a.Transformer"}, {"type": "a.Normalize"}]"#, ["module a.Normalize", "before the pooling"]),
    (#"[{"type": "Pooling", "path": "1_Pooling"}, {"type": "LSTM"}]"#, ["module LSTM", "Dense"]),
    (#"[{"type": "Pooling", "path": "../x"}]"#, ["module Pooling", "outside the folder"]),
    (#"[{"type": "Pooling", "path": 1}]"#, ["module Pooling", "must be a text"]),
    (#"[{"type": "Pooling", "path": "1_Pooling"}, {"type": "Dense", "path": "2"}]"#, ["/2/config.json"]),
  ]) func oddModules(text: String, parts: [String]) throws {
    let checkpoint = try TinyCheckpoint()
    try checkpoint.write("modules.json", Array(text.utf8))
    let isMissing = parts == ["/2/config.json"]
    expect(isMissing ? .noInput : .data, (isMissing ? [] : ["modules.json"]) + parts, checkpoint)
  }

  @Test func outputsThatCannotBeMade() throws {
    let checkpoint = try TinyCheckpoint()
    for path in [checkpoint.path, checkpoint.path + "/none/m.soniq", "/dev/null", ""] {
      #expect { _ = try OutputFile(path: path) } throws: { ($0 as? PackError)?.kind == .cannotCreate }
    }
  }
}
