@testable import SoniqFormat

/// Headers, directories and layouts that must be refused.
enum MalformedHeaders {
  static let header: [MalformedCase] = [
    MalformedCase("magic: line ends converted", .wrongMagic, "header.magic") {
      $0.setHeader(5, to: UInt8(0x0a))
    },
    MalformedCase("magic: stripped to 7 bits", .wrongMagic, "header.magic") {
      $0.setHeader(0, to: UInt8(0x09))
    },
    MalformedCase("magic: version 4", .unsupportedVersion, "header.magic") {
      $0.setHeader(4, to: UInt8(0x34))
    },
    MalformedCase("magic: version 0", .unsupportedVersion, "header.magic") {
      $0.setHeader(4, to: UInt8(0x30))
    },
    MalformedCase("version 2 with the magic of 1", .unsupportedVersion, "header.version") {
      $0.setHeader(12, to: UInt32(2))
    },
    MalformedCase("version 3", .unsupportedVersion, "header.version", in: .tensors) {
      $0.setHeader(12, to: UInt32(3))
    },
    MalformedCase("header size 0", .wrongSize, "header.headerSize") { $0.setHeader(8, to: UInt32(0)) },
    MalformedCase("header size above the file", .wrongSize, "header.headerSize") {
      $0.setHeader(8, to: UInt32.max)
    },
    MalformedCase("file size above the file", .truncated, "header.fileSize") {
      $0.setHeader(16, to: UInt64.max)
    },
    MalformedCase("file size below the file", .wrongSize, "header.fileSize") {
      $0.setHeader(16, to: UInt64(64))
    },
    MalformedCase("reserved header bytes", .reservedNotZero, "header.reserved") {
      $0.setHeader(47, to: UInt8(1))
    },
    MalformedCase("2^32-1 sections", .limitExceeded, "header.sectionCount") {
      $0.setHeader(24, to: UInt32.max)
    },
    MalformedCase("no sections", .limitExceeded, "header.sectionCount") { $0.setHeader(24, to: UInt32(0)) },
    MalformedCase("directory above the file", .truncated, "directory") {
      $0.setHeader(24, to: UInt32(65_536))
    },
  ]

  static let directory: [MalformedCase] = [
    MalformedCase("unaligned section", .wrongOffset, "directory[1].offset") {
      $0.setEntry(1, 8, to: UInt8(1))
    },
    MalformedCase("section over the header", .wrongOffset, "directory[0].offset") {
      $0.setEntry(0, 8, to: UInt64(0))
    },
    MalformedCase("section past the end", .wrongOffset, "directory[6].offset") {
      $0.setEntry(6, 8, to: UInt64(1) << 40)
    },
    MalformedCase("offset 2^64-64", .wrongOffset, "directory[6].offset") {
      $0.setEntry(6, 8, to: UInt64.max - 63)
    },
    MalformedCase("section aliased", .wrongOffset, "directory[8].offset") { file in
      file.setEntry(8, 8, to: UInt64((64 + file.sections.count * 32 + 63) / 64 * 64))
    },
    MalformedCase("hole between sections", .wrongOffset, "directory[1].offset") {
      $0.setEntry(0, 16, to: UInt64(1))
      $0.sections[0].bytes += [UInt8](repeating: 0, count: 64)
    },
    MalformedCase("length 2^64-1", .truncated, "directory[6].length") { $0.setEntry(6, 16, to: UInt64.max) },
    MalformedCase("length 2^63", .truncated, "directory[2].length") {
      $0.setEntry(2, 16, to: UInt64(1) << 63)
    },
    MalformedCase("length 0", .wrongSize, "directory[9].length") { $0.setEntry(9, 16, to: UInt64(0)) },
    MalformedCase("overlapping sections", .wrongOffset, "directory[14].offset") {
      $0.setEntry(13, 16, to: UInt64(192))
    },
    MalformedCase("metadata above its limit", .limitExceeded, "directory[0].length") {
      $0.sections[0].bytes += [UInt8](repeating: 0, count: 4 << 20)
    },
    MalformedCase("reserved directory bytes", .reservedNotZero, "directory[3].reserved") {
      $0.setEntry(3, 4, to: UInt32(1))
    },
    MalformedCase("unknown section kind", .wrongSection, "directory[8].kind") { $0.sections[8].kind = 99 },
    MalformedCase("kind 2^32-1", .wrongSection, "directory[0].kind") { $0.sections[0].kind = .max },
    MalformedCase("tables out of order", .wrongSection, "directory[1].kind") { $0.sections.swapAt(1, 2) },
    MalformedCase("second metadata", .wrongSection, "directory[6].kind") {
      $0.sections.insert($0.sections[0], at: 6)
    },
    MalformedCase("table missing", .wrongSection, "directory[5].kind") { $0.sections.remove(at: 5) },
    MalformedCase("data section nobody owns", .wrongSection, "directory[19]") {
      $0.sections.append($0.sections[12])
    },
    MalformedCase("data section missing", .wrongSection, "constants[1].levels[1].storedSums") {
      $0.sections.removeLast()
    },
    MalformedCase("data sections swapped", .wrongSection, "constants[1].gather") {
      $0.sections.swapAt(11, 12)
    },
    MalformedCase("section used twice", .wrongSection, "constants[1].levels[1].weights") {
      try $0.set(.constants, after: "projection", 69, to: UInt32(13))
    },
    MalformedCase("section index 2^32-1", .wrongSection, "constants[1].levels[0].scales") {
      try $0.set(.constants, after: "projection", 41, to: UInt32.max)
    },
    MalformedCase("section needed but absent", .wrongSection, "constants[1].levels[0].storedSums") {
      try $0.set(.constants, after: "projection", 49, to: UInt32(0))
    },
    MalformedCase("a table as data", .wrongSection, "constants[0].scatter") {
      try $0.set(.constants, after: "words", 13, to: UInt32(1))
    },
    MalformedCase("bytes after the last record", .trailingBytes, "values") { $0.sections[2].bytes.append(0) },
    MalformedCase("empty table", .truncated, "nodes.count") { $0.sections[4].bytes = [0, 0, 0] },
    MalformedCase("half a record", .truncated, "nodes[1].matrix") { $0.sections[4].bytes.removeLast() },
    MalformedCase("channel maps above their limit", .limitExceeded, "directory[6].length") {
      $0.sections[6].bytes = [UInt8](repeating: 0, count: 16 << 20 | 64)
    },
  ]
}
