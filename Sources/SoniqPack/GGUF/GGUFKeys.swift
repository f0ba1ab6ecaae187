import SoniqCore

/// Keys of a GGUF file as what they must be.
struct GGUFKeys: Sendable {
  private let values: [String: GGUFValue]
  private let path: String
  private let bytes: MappedFile?

  /// * bytes: where lists lie.
  init(_ values: [String: GGUFValue], path: String, bytes: MappedFile? = nil) {
    (self.values, self.path, self.bytes) = (values, path, bytes)
  }

  init(_ model: GGUFModel) { self.init(model.keys, path: model.path, bytes: model.files.first) }

  var names: [String] { values.keys.sorted() }

  func has(_ key: String) -> Bool { values[key] != nil }

  func value(_ key: String) -> GGUFValue? { values[key] }

  func fault(_ key: String, _ message: String) -> PackError {
    PackError(.data, file: path, place: "key \(key)", message)
  }

  func size(
    _ key: String, in range: ClosedRange<Int>, default standard: Int? = nil
  ) throws(PackError) -> Int {
    guard let value = values[key] else {
      guard let standard else { throw fault(key, "missing") }
      return standard
    }
    guard case .integer(let number) = value, let size = Int(exactly: number), range.contains(size) else {
      throw fault(key, "must be a whole number in \(range.lowerBound)...\(range.upperBound)")
    }
    return size
  }

  /// nil when there is no such key.
  func real(_ key: String) throws(PackError) -> Double? {
    switch values[key] {
    case nil: return nil
    case .real(let real)? where real.isFinite: return real
    case .integer(let number)?: return Double(number)
    default: throw fault(key, "must be a finite number")
    }
  }

  func real(_ key: String, default standard: Double) throws(PackError) -> Double { try real(key) ?? standard }

  func text(_ key: String) throws(PackError) -> String? {
    guard let value = values[key] else { return nil }
    guard case .text(let text) = value else { throw fault(key, "must be a text") }
    return text
  }

  func flag(_ key: String) throws(PackError) -> Bool? {
    guard let value = values[key] else { return nil }
    guard case .boolean(let flag) = value else { throw fault(key, "must be a truth value") }
    return flag
  }

  /// How many elements a list has; nil when there is no such key.
  func count(_ key: String) throws(PackError) -> Int? {
    guard let value = values[key] else { return nil }
    guard case .array(let array) = value else { throw fault(key, "must be a list") }
    return array.count
  }

  /// The bytes of each text of a list.
  func texts(_ key: String) throws(PackError) -> [UnsafeRawBufferPointer] {
    guard case .array(let array)? = values[key], array.element == .text, let bytes else {
      throw fault(key, "must be a list of texts")
    }
    var cursor = GGUFCursor(UnsafeRawBufferPointer(rebasing: bytes.bytes[array.range]), path: path)
    cursor.place = "key \(key)"
    var texts: [UnsafeRawBufferPointer] = []
    for _ in 0..<array.count {
      let range = try cursor.textRange("a text of the list")
      texts.append(UnsafeRawBufferPointer(rebasing: cursor.bytes[range]))
    }
    return texts
  }

  /// A float32 number for each of some items.
  func reals(_ key: String, count: Int) throws(PackError) -> [Float] {
    guard case .array(let array)? = values[key], array.element == .float32, array.count == count, let bytes
    else { throw fault(key, "must be \(count) numbers of float32") }
    var cursor = GGUFCursor(UnsafeRawBufferPointer(rebasing: bytes.bytes[array.range]), path: path)
    var numbers: [Float] = []
    for _ in 0..<count { numbers.append(try cursor.number(Float.self, "a number of the list")) }
    return numbers
  }

  /// A truth value for each of some layers; nil where the key is missing, or no list.
  func flags(_ key: String, count: Int) throws(PackError) -> [Bool]? {
    guard case .array(let array)? = values[key] else { return nil }
    guard array.count == count, array.element == .boolean, let bytes else {
      throw fault(key, "must be \(count) truth values")
    }
    return bytes.bytes[array.range].map { $0 != 0 }
  }

  /// A number for each of some layers: a list, or one for all.
  func sizes(_ key: String, count: Int, in range: ClosedRange<Int>) throws(PackError) -> [Int] {
    guard case .array(let array)? = values[key] else {
      return [Int](repeating: try size(key, in: range), count: count)
    }
    guard array.count == count else { throw fault(key, "\(array.count) numbers, expected \(count)") }
    guard let bytes, let size = array.element.byteCount else {
      throw fault(key, "must be whole numbers")
    }
    var cursor = GGUFCursor(UnsafeRawBufferPointer(rebasing: bytes.bytes[array.range]), path: path)
    var numbers: [Int] = []
    for index in 0..<min(count, array.range.count / size) {
      guard case .integer(let number) = try cursor.value(array.element), let one = Int(exactly: number),
        range.contains(one)
      else {
        throw fault(
          key, "number \(index) must be a whole number in \(range.lowerBound)...\(range.upperBound)")
      }
      numbers.append(one)
    }
    return numbers
  }
}
