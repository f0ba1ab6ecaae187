import Foundation

/// Bytes of a protobuf message, field by field: enough to write ONNX files, and broken ones.
struct WireMessage {
  private(set) var bytes: [UInt8] = []

  mutating func integer(_ field: Int, _ value: Int) {
    varint(field << 3)
    varint(value)
  }

  mutating func real(_ field: Int, _ value: Float) {
    varint(field << 3 | 5)
    withUnsafeBytes(of: value) { bytes += $0 }
  }

  mutating func data(_ field: Int, _ value: [UInt8]) {
    varint(field << 3 | 2)
    varint(value.count)
    bytes += value
  }

  mutating func text(_ field: Int, _ value: String) { data(field, Array(value.utf8)) }

  private mutating func varint(_ value: Int) {
    var rest = UInt64(bitPattern: Int64(value))
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}

/// An ONNX model put together in a test. Written to a folder that is removed with it.
final class OnnxWriter {
  enum Attribute {
    case integer(Int)
    case real(Float)
    case integers([Int])
    case text(String)
    case graph([UInt8])
  }

  var opset = 17
  /// What the model says of itself.
  var properties: [(key: String, value: String)] = []
  private var graph = WireMessage()
  let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("onnx-\(UUID().uuidString)/model")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: folder.deletingLastPathComponent()) }

  func node(
    _ type: String, _ inputs: [String], _ outputs: [String], domain: String = "",
    _ attributes: [String: Attribute] = [:]
  ) {
    graph.data(1, Self.bytes(ofNode: type, inputs, outputs, domain: domain, attributes))
  }

  static func bytes(
    ofNode type: String, _ inputs: [String], _ outputs: [String], domain: String = "",
    _ attributes: [String: Attribute] = [:]
  ) -> [UInt8] {
    var node = WireMessage()
    for input in inputs { node.text(1, input) }
    for output in outputs { node.text(2, output) }
    node.text(3, "the_" + (outputs.first ?? "node"))
    node.text(4, type)
    if !domain.isEmpty { node.text(7, domain) }
    for (name, value) in attributes.sorted(by: { $0.key < $1.key }) {
      var attribute = WireMessage()
      attribute.text(1, name)
      switch value {
      case .integer(let number): attribute.integer(3, number)
      case .real(let number): attribute.real(2, number)
      case .text(let text): attribute.text(4, text)
      case .graph(let bytes): attribute.data(6, bytes)
      case .integers(let list): for number in list { attribute.integer(8, number) }
      }
      node.data(5, attribute.bytes)
    }
    return node.bytes
  }

  /// * sizes: whole numbers, or names of dynamic sizes.
  func input(_ name: String, _ sizes: [String], type: Int = 1) {
    graph.data(11, Self.info(name, sizes, type))
  }
  func output(_ name: String) { graph.data(12, Self.info(name, [], 1)) }

  static func info(_ name: String, _ sizes: [String], _ type: Int) -> [UInt8] {
    var shape = WireMessage()
    for size in sizes {
      var dimension = WireMessage()
      if let number = Int(size) { dimension.integer(1, number) } else { dimension.text(2, size) }
      shape.data(1, dimension.bytes)
    }
    var tensor = WireMessage()
    tensor.integer(1, type)
    tensor.data(2, shape.bytes)
    var kind = WireMessage()
    kind.data(1, tensor.bytes)
    var info = WireMessage()
    info.text(1, name)
    info.data(2, kind.bytes)
    return info.bytes
  }

  func floats(_ name: String, _ values: [Float], _ shape: [Int]) {
    tensor(name, type: 1, shape) { $0.data(9, values.flatMap { withUnsafeBytes(of: $0, Array.init) }) }
  }

  func integers(_ name: String, _ values: [Int]) {
    tensor(name, type: 7, [values.count]) {
      $0.data(9, values.flatMap { withUnsafeBytes(of: Int64($0), Array.init) })
    }
  }

  func external(_ name: String, _ shape: [Int], _ entries: [String: String]) {
    tensor(name, type: 1, shape) { tensor in
      tensor.integer(14, 1)
      for (key, value) in entries.sorted(by: { $0.key < $1.key }) {
        var entry = WireMessage()
        entry.text(1, key)
        entry.text(2, value)
        tensor.data(13, entry.bytes)
      }
    }
  }

  func tensor(_ name: String, type: Int, _ shape: [Int], _ fill: (inout WireMessage) -> Void) {
    var tensor = WireMessage()
    for size in shape { tensor.integer(1, size) }
    tensor.integer(2, type)
    tensor.text(8, name)
    fill(&tensor)
    graph.data(5, tensor.bytes)
  }

  var bytes: [UInt8] {
    var version = WireMessage()
    version.text(1, "")
    version.integer(2, opset)
    var model = WireMessage()
    model.integer(1, 8)
    model.data(7, graph.bytes)
    for property in properties {
      var entry = WireMessage()
      entry.text(1, property.key)
      entry.text(2, property.value)
      model.data(14, entry.bytes)
    }
    model.data(8, version.bytes)
    return model.bytes
  }

  /// Writes the model, or these bytes in its place; the path.
  func write(_ bytes: [UInt8]? = nil) throws -> String {
    let path = folder.appendingPathComponent("model.onnx")
    try Data(bytes ?? self.bytes).write(to: path)
    return path.path
  }
}
