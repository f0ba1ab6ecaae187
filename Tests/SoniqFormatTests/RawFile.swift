import SoniqCore
import SoniqGraph

@testable import SoniqFormat

/// A file taken apart into its sections, to be damaged and put together again with right checksums: so the
/// checks behind the checksums are reached.
struct RawFile {
  struct RawSection {
    var kind: UInt32
    var bytes: [UInt8]
  }
  var sections: [RawSection]
  private let version: Int
  /// Changes to the finished directory and header, before their checksums are made.
  var directoryEdits: [(offset: Int, bytes: [UInt8])] = []

  init(_ model: ModelDescription) throws {
    // The serializer reads through pointers, which keep nothing alive.
    defer { withExtendedLifetime(model) {} }
    let serializer = try ModelSerializer(model)
    version = serializer.version
    sections = try serializer.sections.map { section in
      try section.withBytes { (bytes) throws(FormatError) in
        RawSection(kind: section.kind.rawValue, bytes: Array(bytes))
      }
    }
  }

  /// Header, directory, sections: everything consistent but for `directoryEdits`.
  func build() -> [UInt8] {
    var directory = ByteSink()
    var body = ByteSink()
    let start = (64 + sections.count * 32 + 63) / 64 * 64
    for section in sections {
      directory.word(Int(section.kind))
      directory.word(0)
      directory.bits64(UInt64(start + body.bytes.count))
      directory.bits64(UInt64(section.bytes.count))
      directory.bits64(section.bytes.withUnsafeBytes { XXHash64.hash($0) })
      body.bytes += section.bytes
      body.zeros((64 - body.bytes.count % 64) % 64)
    }
    var head = ByteSink()
    let header = FileHeader(
      version: version, fileSize: start + body.bytes.count, sectionCount: sections.count, directoryChecksum: 0
    )
    header.write(to: &head)
    head.bytes += directory.bytes
    head.zeros(start - head.bytes.count)
    var file = head.bytes + body.bytes
    for edit in directoryEdits {
      file.replaceSubrange(edit.offset..<(edit.offset + edit.bytes.count), with: edit.bytes)
    }
    Self.seal(&file, directoryEnd: 64 + sections.count * 32)
    return file
  }

  /// Makes the checksums of directory and header right.
  static func seal(_ file: inout [UInt8], directoryEnd: Int) {
    let directory = file.withUnsafeBytes {
      XXHash64.hash(UnsafeRawBufferPointer(rebasing: $0[64..<directoryEnd]))
    }
    file.replaceSubrange(48..<56, with: littleEndian(directory))
    let header = file.withUnsafeBytes { XXHash64.hash(UnsafeRawBufferPointer(rebasing: $0[0..<56])) }
    file.replaceSubrange(56..<64, with: littleEndian(header))
  }

  static func littleEndian<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }
}

extension RawFile {
  /// Overwrites bytes of a table, `distance` bytes behind the end of the first `name` in it.
  mutating func set<T: FixedWidthInteger>(
    _ table: SectionKind, after name: String, _ distance: Int, to value: T
  ) throws {
    let index = Int(table.rawValue) - 1
    let begin = try end(of: name, in: index) + distance
    let bytes = Self.littleEndian(value)
    sections[index].bytes.replaceSubrange(begin..<(begin + bytes.count), with: bytes)
  }

  /// Puts bytes into a table, at the place that `set` overwrites.
  mutating func insert<T: FixedWidthInteger>(
    _ table: SectionKind, after name: String, _ distance: Int, _ value: T
  ) throws {
    let index = Int(table.rawValue) - 1
    let begin = try end(of: name, in: index) + distance
    sections[index].bytes.insert(contentsOf: Self.littleEndian(value), at: begin)
  }

  /// Overwrites bytes of section `index`.
  mutating func set<T: FixedWidthInteger>(section index: Int, at offset: Int, to value: T) {
    let bytes = Self.littleEndian(value)
    sections[index].bytes.replaceSubrange(offset..<(offset + bytes.count), with: bytes)
  }

  /// Replaces text by text of the same length.
  mutating func replace(_ table: SectionKind, _ name: String, with other: [UInt8]) throws {
    let index = Int(table.rawValue) - 1
    let end = try end(of: name, in: index)
    sections[index].bytes.replaceSubrange((end - name.utf8.count)..<end, with: other)
  }

  /// Changes a field of a directory entry.
  mutating func setEntry<T: FixedWidthInteger>(_ index: Int, _ field: Int, to value: T) {
    directoryEdits.append((Section.entryOffset(index) + field, Self.littleEndian(value)))
  }

  /// Changes a field of the header.
  mutating func setHeader<T: FixedWidthInteger>(_ offset: Int, to value: T) {
    directoryEdits.append((offset, Self.littleEndian(value)))
  }

  private func end(of name: String, in index: Int) throws -> Int {
    let pattern = Self.littleEndian(UInt32(name.utf8.count)) + Array(name.utf8)
    let bytes = sections[index].bytes
    for begin in 0...(bytes.count - pattern.count)
    where bytes[begin..<(begin + pattern.count)].elementsEqual(pattern) {
      return begin + pattern.count
    }
    throw MissingText(name: name)
  }

  struct MissingText: Error { var name: String }
}
