import Foundation

/// A GGUF file put together in a test.
struct GGUFWriter {
  enum Value {
    case byte(UInt8)
    case word(UInt32)
    case long(UInt64)
    case real(Float)
    case double(Double)
    case boolean(Bool)
    case text(String)
    case words([UInt32])
    case texts([String])
    case flags([Bool])

    var type: UInt32 {
      switch self {
      case .byte: 0
      case .word: 4
      case .real: 6
      case .boolean: 7
      case .text: 8
      case .words, .texts, .flags: 9
      case .long: 10
      case .double: 12
      }
    }
  }
  struct Tensor {
    var name: String
    /// The last dimension last, as files of other formats have it.
    var shape: [Int]
    var type: UInt32 = 0
    var bytes: [UInt8]
    /// In place of the true one.
    var offset: UInt64?
  }

  var version: UInt32 = 3
  var keys: [(name: String, value: Value)] = []
  var tensors: [Tensor] = []
  var alignment = 32

  mutating func floats(_ name: String, _ shape: [Int], _ values: [Float]) {
    tensors.append(Tensor(name: name, shape: shape, bytes: TinyCheckpoint.floats(values)))
  }

  var bytes: [UInt8] {
    var all = Array("GGUF".utf8) + Self.little(version)
    all += Self.little(UInt64(tensors.count)) + Self.little(UInt64(keys.count))
    for key in keys { all += Self.text(key.name) + Self.little(key.value.type) + Self.data(key.value) }
    var offset = 0
    for tensor in tensors {
      all += Self.text(tensor.name) + Self.little(UInt32(tensor.shape.count))
      for size in tensor.shape.reversed() { all += Self.little(UInt64(bitPattern: Int64(size))) }
      all += Self.little(tensor.type) + Self.little(tensor.offset ?? UInt64(offset))
      offset += padded(tensor.bytes.count)
    }
    all += [UInt8](repeating: 0, count: padded(all.count) - all.count)
    for tensor in tensors {
      all += tensor.bytes + [UInt8](repeating: 0, count: padded(tensor.bytes.count) - tensor.bytes.count)
    }
    return all
  }

  /// Writes the file into a folder of its own, which stays as long as the result.
  func written(as name: String = "model.gguf") throws -> GGUFFolder {
    try GGUFFolder([name: bytes])
  }

  private func padded(_ count: Int) -> Int { (count + alignment - 1) / alignment * alignment }

  private static func little<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { [UInt8]($0) }
  }

  private static func text(_ text: String) -> [UInt8] { little(UInt64(text.utf8.count)) + Array(text.utf8) }

  private static func data(_ value: Value) -> [UInt8] {
    switch value {
    case .byte(let number): [number]
    case .word(let number): little(number)
    case .long(let number): little(number)
    case .real(let number): little(number.bitPattern)
    case .double(let number): little(number.bitPattern)
    case .boolean(let flag): [flag ? 1 : 0]
    case .text(let text): Self.text(text)
    case .words(let list): little(UInt32(4)) + little(UInt64(list.count)) + list.flatMap { little($0) }
    case .texts(let list): little(UInt32(8)) + little(UInt64(list.count)) + list.flatMap { text($0) }
    case .flags(let list): little(UInt32(7)) + little(UInt64(list.count)) + list.map { $0 ? 1 : 0 }
    }
  }
}

/// A folder of files that goes with its last reference.
final class GGUFFolder: Sendable {
  let path: String
  let name: String

  /// * files: their bytes by name; the first in order is `file`.
  init(_ files: [String: [UInt8]]) throws {
    path = NSTemporaryDirectory() + "soniq-gguf-" + UUID().uuidString
    name = files.keys.min() ?? ""
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for (name, bytes) in files { try write(bytes, name) }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  var file: String { path + "/" + name }

  func write(_ bytes: [UInt8], _ name: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path + "/" + name))
  }
}
