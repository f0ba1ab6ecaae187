import SoniqGraph

/// Reads the packed little-endian fields of one table, checking that the bytes are there before each.
///
/// The bytes are a private copy of the table: what was checked cannot change afterwards.
struct ByteCursor {
  let bytes: UnsafeRawBufferPointer
  /// Offset of the table in the file.
  let start: Int
  /// What errors call the table: "nodes".
  let table: String
  /// Index of the record being read, for the names in errors.
  var record: Int?
  /// Part of the record being read, "levels[0].", for the names in errors.
  var prefix = ""
  private(set) var position = 0

  init(_ bytes: UnsafeRawBufferPointer, start: Int, table: String) {
    self.bytes = bytes
    self.start = start
    self.table = table
  }

  /// Offset in the file of the next field.
  var offset: Int { start + position }
  var remaining: Int { bytes.count - position }

  /// An error about a field of the current record.
  func fault(
    _ code: FormatError.Code, _ field: String, at offset: Int, got: FormatError.Quantity = .none,
    expected: FormatError.Quantity = .none
  ) -> FormatError {
    let place = record.map { "\(table)[\($0)]" } ?? table
    return FormatError(
      code, offset: offset, field: "\(place).\(prefix)\(field)", got: got, expected: expected)
  }

  private func require(_ count: Int, _ field: String) throws(FormatError) {
    guard count <= remaining else {
      throw fault(.truncated, field, at: offset, got: .integer(remaining), expected: .integer(count))
    }
  }

  private mutating func load<T: FixedWidthInteger & BitwiseCopyable>(
    _ type: T.Type, _ field: String
  ) throws(FormatError) -> T {
    try require(MemoryLayout<T>.size, field)
    let value = T(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: T.self))
    position += MemoryLayout<T>.size
    return value
  }

  mutating func byte(_ field: String) throws(FormatError) -> Int { Int(try load(UInt8.self, field)) }
  mutating func word(_ field: String) throws(FormatError) -> Int { Int(try load(UInt32.self, field)) }
  mutating func int32(_ field: String) throws(FormatError) -> Int32 { try load(Int32.self, field) }
  mutating func int64(_ field: String) throws(FormatError) -> Int64 { try load(Int64.self, field) }
  mutating func float(_ field: String) throws(FormatError) -> Float {
    Float(bitPattern: try load(UInt32.self, field))
  }
  mutating func double(_ field: String) throws(FormatError) -> Double {
    Double(bitPattern: try load(UInt64.self, field))
  }

  /// A 32-bit number inside `range`.
  mutating func word(_ field: String, in range: ClosedRange<Int>) throws(FormatError) -> Int {
    let place = offset
    let value = try word(field)
    guard range.contains(value) else {
      throw fault(.outOfRange, field, at: place, got: .integer(value), expected: .range(range))
    }
    return value
  }

  /// A byte inside `range`.
  mutating func byte(_ field: String, in range: ClosedRange<Int>) throws(FormatError) -> Int {
    let place = offset
    let value = try byte(field)
    guard range.contains(value) else {
      throw fault(.outOfRange, field, at: place, got: .integer(value), expected: .range(range))
    }
    return value
  }

  /// A byte 0 or 1.
  mutating func flag(_ field: String) throws(FormatError) -> Bool { try byte(field, in: 0...1) == 1 }

  /// An index into a table of `count` records.
  mutating func index(_ field: String, below count: Int) throws(FormatError) -> Int {
    let place = offset
    let value = try word(field)
    guard value < count else {
      let allowed: FormatError.Quantity = count == 0 ? .none : .range(0...(count - 1))
      throw fault(.indexOutOfRange, field, at: place, got: .integer(value), expected: allowed)
    }
    return value
  }

  /// A number of things of at least `size` bytes each that follow in this table.
  mutating func count(_ field: String, limit: Int, size: Int) throws(FormatError) -> Int {
    let place = offset
    let value = try word(field)
    return try checkedCount(value, field, at: place, limit: limit, size: size)
  }

  /// As `count`, held in one byte.
  mutating func shortCount(_ field: String, limit: Int, size: Int) throws(FormatError) -> Int {
    let place = offset
    let value = try byte(field)
    return try checkedCount(value, field, at: place, limit: limit, size: size)
  }

  private func checkedCount(
    _ value: Int, _ field: String, at place: Int, limit: Int, size: Int
  ) throws(FormatError) -> Int {
    guard value <= limit else {
      throw fault(.limitExceeded, field, at: place, got: .integer(value), expected: .range(0...limit))
    }
    guard value * size <= remaining else {
      throw fault(.truncated, field, at: place, got: .integer(remaining), expected: .integer(value * size))
    }
    return value
  }

  /// A tag of an enumeration.
  mutating func tag<T: RawRepresentable<UInt8>>(_ type: T.Type, _ field: String) throws(FormatError) -> T {
    let place = offset
    let value = try byte(field)
    guard let tag = T(rawValue: UInt8(value)) else {
      throw fault(.unknownTag, field, at: place, got: .integer(value))
    }
    return tag
  }

  /// A tag that this version of the format has.
  mutating func tag<T: AttributeTag>(_ type: T.Type, _ field: String, version: Int) throws(FormatError) -> T {
    let place = offset
    let value = try tag(type, field)
    guard value.since <= version else {
      throw fault(.unknownTag, field, at: place, got: .integer(Int(value.rawValue)))
    }
    return value
  }

  mutating func reserved(_ count: Int) throws(FormatError) {
    for _ in 0..<count {
      let place = offset
      let value = try byte("reserved")
      guard value == 0 else { throw fault(.reservedNotZero, "reserved", at: place, got: .integer(value)) }
    }
  }

  /// The bytes of a text: 32-bit length, then that many bytes. Valid only as long as the table.
  mutating func textBytes(
    _ field: String, limit: Int, allowsEmpty: Bool
  ) throws(FormatError) -> UnsafeRawBufferPointer {
    let place = offset
    let length = try count("\(field).length", limit: limit, size: 1)
    guard length > 0 || allowsEmpty else {
      throw fault(.invalidText, field, at: place, got: .integer(0), expected: .range(1...limit))
    }
    let text = UnsafeRawBufferPointer(rebasing: bytes[position..<(position + length)])
    position += length
    return text
  }

  /// So many bytes as they are. Valid only as long as the table.
  mutating func run(_ count: Int, _ field: String) throws(FormatError) -> UnsafeRawBufferPointer {
    try require(count, field)
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<(position + count)])
  }

  /// A text of UTF-8 without the character 0.
  mutating func text(_ field: String, limit: Int, allowsEmpty: Bool = false) throws(FormatError) -> String {
    let place = offset
    let raw = try textBytes(field, limit: limit, allowsEmpty: allowsEmpty)
    guard let text = String(validating: raw, as: UTF8.self), !raw.contains(0) else {
      throw fault(.invalidText, field, at: place)
    }
    return text
  }

  /// A name that must not be in `names` yet.
  mutating func uniqueName(
    _ field: String, limit: Int = FormatLimits.maximumNameLength, in names: inout Set<TextBytes>
  ) throws(FormatError) -> String {
    let place = offset
    let name = try text(field, limit: limit)
    let raw = UnsafeRawBufferPointer(rebasing: bytes[(position - name.utf8.count)..<position])
    guard names.insert(TextBytes(raw)).inserted else {
      throw fault(.duplicate, field, at: place, got: .text(name))
    }
    return name
  }

  /// Checks that the table ends here.
  func requireEnd() throws(FormatError) {
    guard remaining == 0 else {
      throw FormatError(.trailingBytes, offset: offset, field: table, got: .integer(remaining))
    }
  }
}

/// A text compared byte by byte (`String` compares by canonical equivalence). Borrows its bytes.
struct TextBytes: Hashable {
  private let bytes: UnsafeRawBufferPointer
  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  static func == (left: TextBytes, right: TextBytes) -> Bool { left.bytes.elementsEqual(right.bytes) }
  func hash(into hasher: inout Hasher) { hasher.combine(bytes: bytes) }
}
