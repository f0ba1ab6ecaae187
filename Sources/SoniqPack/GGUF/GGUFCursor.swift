import SoniqCore

/// Walks through the bytes of a GGUF file. Nothing is taken before it is known to be there.
struct GGUFCursor {
  let bytes: UnsafeRawBufferPointer
  let path: String
  private(set) var offset = 0
  /// What is being read, for errors.
  var place: String?

  init(_ bytes: UnsafeRawBufferPointer, path: String) { (self.bytes, self.path) = (bytes, path) }

  func fault(_ message: String, at offset: Int? = nil) -> PackError {
    PackError(.data, file: path, place: place, message + " at byte \(offset ?? self.offset)")
  }

  /// The next bytes.
  mutating func take(_ count: Int, _ what: String) throws(PackError) -> Range<Int> {
    guard count <= bytes.count - offset else {
      throw fault("truncated: \(what) takes \(count) bytes, the file has \(bytes.count - offset) more")
    }
    defer { offset += count }
    return offset..<offset + count
  }

  mutating func number<Number: BitwiseCopyable>(
    _ type: Number.Type, _ what: String
  ) throws(PackError) -> Number {
    let range = try take(MemoryLayout<Number>.size, what)
    return bytes.loadUnaligned(fromByteOffset: range.lowerBound, as: type)
  }

  /// A length or a count, which at 1 byte an item must fit into what is left.
  mutating func count(_ what: String) throws(PackError) -> Int {
    let begin = offset
    let count = try number(UInt64.self, what)
    guard count <= UInt64(bytes.count - offset) else {
      throw fault("\(what) is \(count), more than the bytes that are left,", at: begin)
    }
    return Int(count)
  }

  /// The bytes of a text.
  mutating func textRange(_ what: String) throws(PackError) -> Range<Int> {
    let count = try count("the length of \(what)")
    return try take(count, what)
  }

  mutating func text(_ what: String) throws(PackError) -> String {
    let range = try textRange(what)
    guard let text = String(validating: bytes[range], as: UTF8.self) else {
      throw fault("\(what) is no valid UTF-8", at: range.lowerBound)
    }
    return text
  }

  mutating func type(_ what: String) throws(PackError) -> GGUFType {
    let begin = offset
    let number = try number(UInt32.self, what)
    guard let type = GGUFType(rawValue: number) else {
      throw fault("\(what) is \(number); known are 0 to 12,", at: begin)
    }
    return type
  }

  mutating func value(_ type: GGUFType) throws(PackError) -> GGUFValue {
    switch type {
    case .uint8: .integer(Int64(try number(UInt8.self, "the value")))
    case .int8: .integer(Int64(try number(Int8.self, "the value")))
    case .uint16: .integer(Int64(try number(UInt16.self, "the value")))
    case .int16: .integer(Int64(try number(Int16.self, "the value")))
    case .uint32: .integer(Int64(try number(UInt32.self, "the value")))
    case .int32: .integer(Int64(try number(Int32.self, "the value")))
    case .int64: .integer(try number(Int64.self, "the value"))
    case .uint64: Self.integer(try number(UInt64.self, "the value"))
    case .float32: .real(Double(try number(Float.self, "the value")))
    case .float64: .real(try number(Double.self, "the value"))
    case .boolean: .boolean(try boolean())
    case .text: .text(try text("the text"))
    case .array: .array(try array())
    }
  }

  private static func integer(_ number: UInt64) -> GGUFValue {
    Int64(exactly: number).map { .integer($0) } ?? .largeInteger(number)
  }

  private mutating func boolean() throws(PackError) -> Bool {
    let begin = offset
    let byte = try number(UInt8.self, "the value")
    guard byte <= 1 else { throw fault("a truth value is \(byte), not 0 or 1,", at: begin) }
    return byte == 1
  }

  private mutating func array() throws(PackError) -> GGUFArray {
    let element = try type("the type of the list")
    guard element != .array else { throw fault("a list of lists, which is not known,") }
    let count = try count("the length of the list")
    let begin = offset
    if let size = element.byteCount {
      guard let all = checkedProduct(count, size) else { throw fault("the list is too long") }
      _ = try take(all, "the list")
    } else {
      for _ in 0..<count { _ = try textRange("a text of the list") }
    }
    return GGUFArray(element: element, count: count, range: begin..<offset)
  }
}
