import SoniqCore

/// The first 64 bytes of a file.
struct FileHeader {
  var version: Int
  var fileSize: Int
  var sectionCount: Int
  var directoryChecksum: UInt64

  init(version: Int, fileSize: Int, sectionCount: Int, directoryChecksum: UInt64) {
    self.version = version
    self.fileSize = fileSize
    self.sectionCount = sectionCount
    self.directoryChecksum = directoryChecksum
  }

  /// Offset of the end of the directory.
  var directoryEnd: Int { FormatLimits.headerSize + sectionCount * FormatLimits.directoryEntrySize }

  /// Reads and checks a header; `fileSize` is the number of bytes that there are.
  init(_ bytes: UnsafeRawBufferPointer, fileSize present: Int) throws(FormatError) {
    guard bytes.count >= FormatLimits.headerSize else {
      throw FormatError(
        .truncated, offset: bytes.count, field: "header", got: .integer(bytes.count),
        expected: .integer(FormatLimits.headerSize))
    }
    version = try Self.version(bytes)
    var cursor = ByteCursor(
      UnsafeRawBufferPointer(rebasing: bytes[8..<FormatLimits.headerSize]), start: 8, table: "header")
    try Self.expect(&cursor, .wrongSize, "headerSize", FormatLimits.headerSize)
    try Self.expect(&cursor, .unsupportedVersion, "version", version)
    let statedSize = UInt64(bitPattern: try cursor.int64("fileSize"))
    let sectionCount = try cursor.word("sectionCount")
    try cursor.reserved(20)
    directoryChecksum = UInt64(bitPattern: try cursor.int64("directoryChecksum"))
    let checksum = UInt64(bitPattern: try cursor.int64("checksum"))
    let actual = XXHash64.hash(UnsafeRawBufferPointer(rebasing: bytes[0..<56]))
    guard checksum == actual else {
      throw FormatError(
        .checksumMismatch, offset: 56, field: "header.checksum", got: .bits(checksum), expected: .bits(actual)
      )
    }
    guard statedSize == UInt64(present) else {
      let code: FormatError.Code = statedSize > UInt64(present) ? .truncated : .wrongSize
      throw FormatError(
        code, offset: 16, field: "header.fileSize", got: .bits(statedSize), expected: .bits(UInt64(present)))
    }
    let sections = SectionKind.tables.count...FormatLimits.maximumSections
    guard sections.contains(sectionCount) else {
      throw FormatError(
        .limitExceeded, offset: 24, field: "header.sectionCount", got: .integer(sectionCount),
        expected: .range(sections))
    }
    fileSize = present
    self.sectionCount = sectionCount
    guard directoryEnd <= present else {
      throw FormatError(
        .truncated, offset: present, field: "directory", got: .integer(present),
        expected: .integer(directoryEnd))
    }
  }

  /// The version that the magic bytes say.
  private static func version(_ bytes: UnsafeRawBufferPointer) throws(FormatError) -> Int {
    let magic = FormatLimits.magic(version: 0)
    guard bytes[0..<3].elementsEqual(magic[0..<3]), bytes[5..<8].elementsEqual(magic[5..<8]) else {
      throw FormatError(.wrongMagic, offset: 0, field: "header.magic")
    }
    for version in FormatLimits.versions
    where bytes[3..<5].elementsEqual(FormatLimits.magic(version: version)[3..<5]) { return version }
    throw FormatError(
      .unsupportedVersion, offset: 3, field: "header.magic",
      got: .bits(UInt64(bytes[3]) << 8 | UInt64(bytes[4])),
      expected: .bits(0x3030 + UInt64(FormatLimits.versions.upperBound)))
  }

  private static func expect(
    _ cursor: inout ByteCursor, _ code: FormatError.Code, _ field: String, _ expected: Int
  ) throws(FormatError) {
    let place = cursor.offset
    let value = try cursor.word(field)
    guard value == expected else {
      throw cursor.fault(code, field, at: place, got: .integer(value), expected: .integer(expected))
    }
  }

  /// Appends the 64 bytes.
  func write(to sink: inout ByteSink) {
    let begin = sink.bytes.count
    sink.bytes += FormatLimits.magic(version: version)
    sink.word(FormatLimits.headerSize)
    sink.word(version)
    sink.bits64(UInt64(fileSize))
    sink.word(sectionCount)
    sink.zeros(20)
    sink.bits64(directoryChecksum)
    sink.bits64(sink.bytes.withUnsafeBytes { XXHash64.hash(UnsafeRawBufferPointer(rebasing: $0[begin...])) })
  }
}
