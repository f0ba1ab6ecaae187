import SoniqCore

/// A model in GGUF: one file, or the numbered parts of one.
struct GGUFModel: Sendable {
  let path: String
  /// Of the first file.
  let keys: [String: GGUFValue]
  let tensors: [String: GGUFTensor]
  /// All files.
  let files: [MappedFile]

  private static let countKey = "split.count"
  private static let numberKey = "split.no"
  private static let tensorsKey = "split.tensors.count"

  /// - Throws: `noInput`, or `data` with the key or the tensor to blame.
  init(path: String) throws(PackError) {
    let first = try GGUFFile(path: path)
    let keys = GGUFKeys(first.keys, path: path)
    let count = try keys.size(Self.countKey, in: 0...65535, default: 0)
    var parts = [first]
    if count > 1 {
      let number = try keys.size(Self.numberKey, in: 0...count - 1)
      guard number == 0 else {
        throw keys.fault(Self.numberKey, "this is part \(number + 1) of \(count); name the first one")
      }
      for part in 1..<count {
        parts.append(try Self.part(part, of: count, path: path))
      }
    }
    var tensors: [String: GGUFTensor] = [:]
    for tensor in parts.flatMap(\.tensors) {
      guard tensors.updateValue(tensor, forKey: tensor.name) == nil else {
        throw tensor.fault("another part of the model has it too")
      }
    }
    let stated = try keys.size(Self.tensorsKey, in: 0...Int(Int32.max), default: tensors.count)
    guard count <= 1 || stated == tensors.count else {
      throw keys.fault(Self.tensorsKey, "\(stated), but the \(count) parts hold \(tensors.count)")
    }
    (self.path, self.keys, self.tensors) = (path, first.keys, tensors)
    files = parts.map(\.file)
  }

  /// * index: from 0.
  private static func part(_ index: Int, of count: Int, path: String) throws(PackError) -> GGUFFile {
    func digits(_ number: Int) -> String {
      let text = String(number)
      return String(repeating: "0", count: max(0, 5 - text.count)) + text
    }
    let ending = "-\(digits(1))-of-\(digits(count)).gguf"
    guard path.hasSuffix(ending) else {
      throw PackError(
        .data, file: path, place: "key \(countKey)", "\(count) parts, but the name does not end in \(ending)")
    }
    let name = path.dropLast(ending.count) + "-\(digits(index + 1))-of-\(digits(count)).gguf"
    let file = try GGUFFile(path: String(name))
    let keys = GGUFKeys(file.keys, path: String(name))
    for (key, expected) in [(numberKey, index), (countKey, count)] {
      let stated = try keys.size(key, in: 0...65535)
      guard stated == expected else { throw keys.fault(key, "\(stated), expected \(expected)") }
    }
    return file
  }
}
