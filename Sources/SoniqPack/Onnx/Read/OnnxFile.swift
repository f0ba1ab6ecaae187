import FoundationEssentials
import SwiftProtobuf

/// A decoded ONNX file, and the folder that its external data may lie in.
struct OnnxFile {
  let path: String
  let model: ModelProto
  let externalData: ExternalData

  /// Whether the path names an ONNX file: by its extension, or else by its first bytes.
  static func isOnnx(_ path: String) -> Bool {
    guard !MappedFile.isDirectory(path) else { return false }
    if path.hasSuffix(".onnx") { return true }
    // A ModelProto starts with its field 1 or 2: the format's version, the producer's name.
    guard let file = try? MappedFile(path: path), file.bytes.count > 2 else { return false }
    return file.bytes[0] == 0x08 && file.bytes[1] < 0x20
  }

  /// - Throws: `noInput` when the file cannot be read, `data` when it is no ONNX model of a version that is known.
  init(path: String) throws(PackError) {
    let file = try MappedFile(path: path)
    self.path = path
    externalData = ExternalData(modelPath: path)
    guard file.bytes.count > 0 else { throw PackError(.data, file: path, "the file is empty") }
    var options = BinaryDecodingOptions()
    options.discardUnknownFields = true
    options.messageDepthLimit = 32
    do {
      model = try withExtendedLifetime(file) {
        let base = UnsafeMutableRawPointer(mutating: file.bytes.baseAddress)
        guard let base else { return ModelProto() }
        let data = Data(bytesNoCopy: base, count: file.bytes.count, deallocator: .none)
        return try ModelProto(serializedBytes: data, options: options)
      }
    } catch {
      throw PackError(.data, file: path, "not an ONNX model, or a truncated one: \(Self.words(error))")
    }
    guard model.hasGraph else { throw PackError(.data, file: path, "not an ONNX model: it holds no graph") }
  }

  /// Every tensor that the file describes.
  var tensors: [TensorProto] {
    Self.tensors(of: model.graph) + Self.tensors(of: model.functions.flatMap(\.node))
  }

  /// Also those of its branches and loops. Messages are nested 32 deep at most.
  static func tensors(of graph: GraphProto) -> [TensorProto] { graph.initializer + tensors(of: graph.node) }

  private static func tensors(of nodes: [NodeProto]) -> [TensorProto] {
    nodes.flatMap(\.attribute).flatMap { attribute in
      (attribute.hasT ? [attribute.t] : []) + (attribute.hasG ? tensors(of: attribute.g) : [])
        + attribute.graphs.flatMap { tensors(of: $0) }
    }
  }

  private static func words(_ error: any Error) -> String {
    guard let error = error as? BinaryDecodingError else { return "it cannot be decoded" }
    switch error {
    case .truncated: return "it ends inside a field"
    case .invalidUTF8: return "a name is not UTF-8"
    case .malformedProtobuf: return "a field is malformed"
    case .messageDepthLimit: return "messages are nested too deeply"
    default: return "it cannot be decoded"
    }
  }

  /// The version of ONNX's own operators that the model uses.
  func opset() throws(PackError) -> Int {
    let versions = model.opsetImport.filter { Self.isOwnDomain($0.domain) }.map(\.version)
    guard let version = versions.max() else {
      throw PackError(.data, file: path, "it does not say which opset it uses")
    }
    guard (7...24).contains(version) else {
      throw PackError(.data, file: path, "opset \(version); opsets 7 to 24 are known")
    }
    return Int(version)
  }

  static func isOwnDomain(_ domain: String) -> Bool { domain.isEmpty || domain == "ai.onnx" }
}
