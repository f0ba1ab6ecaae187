import SoniqCore

/// One entry of the directory.
struct Section: Sendable {
  var kind: SectionKind
  /// Of the first byte, from the start of the file.
  var offset: Int
  /// True bytes, without the padding that follows.
  var length: Int
  var checksum: UInt64

  /// The file offset of a field of entry `index`.
  static func entryOffset(_ index: Int) -> Int {
    FormatLimits.headerSize + index * FormatLimits.directoryEntrySize
  }
}

/// Where every byte of a file belongs: sections follow each other without holes.
struct SectionDirectory: Sendable {
  private(set) var sections: [Section] = []
  /// Of the file: what its tables may hold.
  let version: Int
  /// Of the directory, which holds those of all sections.
  let checksum: UInt64

  /// Reads the directory and checks that header, directory, sections and zero padding cover the file.
  init(_ file: UnsafeRawBufferPointer) throws(FormatError) {
    let header = try FileHeader(file, fileSize: file.count)
    version = header.version
    checksum = header.directoryChecksum
    // A private copy: what is checked here cannot change before it is used.
    let copy = [UInt8](file[FormatLimits.headerSize..<header.directoryEnd])
    sections.reserveCapacity(header.sectionCount)
    try copy.withRawBytes { (bytes) throws(FormatError) in
      let checksum = XXHash64.hash(bytes)
      guard checksum == header.directoryChecksum else {
        throw FormatError(
          .checksumMismatch, offset: 48, field: "header.directoryChecksum",
          got: .bits(header.directoryChecksum), expected: .bits(checksum))
      }
      try read(bytes, count: header.sectionCount, fileSize: header.fileSize)
    }
    try checkPadding(file, directoryEnd: header.directoryEnd)
  }

  private mutating func read(
    _ bytes: UnsafeRawBufferPointer, count: Int, fileSize: Int
  ) throws(FormatError) {
    var cursor = ByteCursor(bytes, start: FormatLimits.headerSize, table: "directory")
    var begin = FormatLimits.headerSize + bytes.count
    for index in 0..<count {
      cursor.record = index
      let kind = try readKind(&cursor, index)
      try cursor.reserved(4)
      begin = try aligned(begin, cursor, fileSize)
      let place = cursor.offset
      let offset = try cursor.int64("offset")
      guard offset == begin else {
        throw cursor.fault(
          .wrongOffset, "offset", at: place, got: .bits(UInt64(bitPattern: offset)),
          expected: .bits(UInt64(begin)))
      }
      let length = try readLength(&cursor, kind, space: fileSize - begin)
      let checksum = UInt64(bitPattern: try cursor.int64("checksum"))
      sections.append(Section(kind: kind, offset: begin, length: length, checksum: checksum))
      begin += length
    }
    cursor.record = nil
    guard try aligned(begin, cursor, fileSize) == fileSize else {
      throw FormatError(
        .wrongSize, offset: 16, field: "header.fileSize", got: .integer(fileSize), expected: .integer(begin))
    }
  }

  private func readKind(_ cursor: inout ByteCursor, _ index: Int) throws(FormatError) -> SectionKind {
    let place = cursor.offset
    let value = try cursor.word("kind")
    let tables = SectionKind.tables
    guard let kind = SectionKind(rawValue: UInt32(value)),
      index < tables.count ? kind == tables[index] : kind.isData || isNextOptionalTable(kind)
    else {
      let expected: FormatError.Quantity =
        index < tables.count ? .integer(Int(tables[index].rawValue)) : .none
      throw cursor.fault(.wrongSection, "kind", at: place, got: .integer(value), expected: expected)
    }
    return kind
  }

  private func isNextOptionalTable(_ kind: SectionKind) -> Bool {
    guard let last = sections.last?.kind, version >= 3 else { return false }
    return SectionKind.optionalTables.contains(kind) && !last.isData && last.rawValue < kind.rawValue
  }

  private func readLength(
    _ cursor: inout ByteCursor, _ kind: SectionKind, space: Int
  ) throws(FormatError) -> Int {
    let place = cursor.offset
    let length = UInt64(bitPattern: try cursor.int64("length"))
    guard length > 0 else {
      throw cursor.fault(.wrongSize, "length", at: place, got: .integer(0))
    }
    guard length <= UInt64(space) else {
      throw cursor.fault(
        .truncated, "length", at: place, got: .bits(length), expected: .range(1...max(1, space)))
    }
    let limit = kind == .metadata ? FormatLimits.maximumMetadataSize : FormatLimits.maximumTableSize
    guard kind.isData || length <= UInt64(limit) else {
      throw cursor.fault(.limitExceeded, "length", at: place, got: .bits(length), expected: .range(1...limit))
    }
    return Int(length)
  }

  private func aligned(_ value: Int, _ cursor: ByteCursor, _ fileSize: Int) throws(FormatError) -> Int {
    guard let rounded = roundedUp(value, to: FormatLimits.alignment), rounded <= fileSize else {
      throw FormatError(
        .truncated, offset: fileSize, field: cursor.record.map { "directory[\($0)].offset" } ?? "file",
        got: .integer(fileSize), expected: .integer(value))
    }
    return rounded
  }

  private func checkPadding(_ file: UnsafeRawBufferPointer, directoryEnd: Int) throws(FormatError) {
    var end = directoryEnd
    for index in 0...sections.count {
      let begin = index < sections.count ? sections[index].offset : file.count
      for offset in end..<begin where file[offset] != 0 {
        throw FormatError(.paddingNotZero, offset: offset, field: "padding", got: .integer(Int(file[offset])))
      }
      if index < sections.count { end = begin + sections[index].length }
    }
  }
}

extension SectionDirectory {
  /// Hashes one section.
  func verifyChecksum(_ index: Int, _ bytes: UnsafeRawBufferPointer) throws(FormatError) {
    let actual = XXHash64.hash(bytes)
    guard actual == sections[index].checksum else {
      throw FormatError(
        .checksumMismatch, offset: sections[index].offset, field: "directory[\(index)].checksum",
        got: .bits(sections[index].checksum), expected: .bits(actual))
    }
  }

  /// Those before the data.
  var tableCount: Int { sections.prefix { !$0.kind.isData }.count }

  /// A private copy of a table, its checksum verified; nil when the file does not have it.
  func table(_ kind: SectionKind, of file: UnsafeRawBufferPointer) throws(FormatError) -> TableCopy? {
    guard let index = sections.firstIndex(where: { $0.kind == kind }) else { return nil }
    let section = sections[index]
    let copy = [UInt8](file[section.offset..<(section.offset + section.length)])
    try copy.withRawBytes { (bytes) throws(FormatError) in try verifyChecksum(index, bytes) }
    return TableCopy(bytes: copy, offset: section.offset)
  }
}

/// The bytes of a table, out of reach of whoever can change the file.
struct TableCopy {
  var bytes: [UInt8]
  /// Of the table in the file.
  var offset: Int

  /// Reads all of the table.
  func read<Result>(
    _ name: String, _ body: (inout ByteCursor) throws(FormatError) -> Result
  ) throws(FormatError) -> Result {
    try bytes.withRawBytes { (raw) throws(FormatError) in
      var cursor = ByteCursor(raw, start: offset, table: name)
      let result = try body(&cursor)
      cursor.record = nil
      try cursor.requireEnd()
      return result
    }
  }
}
