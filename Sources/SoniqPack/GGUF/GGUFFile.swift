import SoniqCore

/// One GGUF file, mapped: what it says of keys, and where its tensors lie. Numbers of the file allocate nothing: what is
/// kept was read, so it is no more than the file.
struct GGUFFile: Sendable {
  let file: MappedFile
  private(set) var keys: [String: GGUFValue] = [:]
  private(set) var tensors: [GGUFTensor] = []

  static let alignmentKey = "general.alignment"
  private static let magic: [UInt8] = Array("GGUF".utf8)
  private static let maximumDimensions = 4
  private static let maximumKeyLength = 65535

  /// A tensor as its record says it, before the place of the data is known.
  private struct Record {
    var name: String
    var type: GGUFTensorType
    var shape: [Int]
    var rowBytes: Int
    var byteCount: Int
    var offset: UInt64
    /// Of the record.
    var place: Int
  }

  /// Whether a file begins as GGUF files do.
  static func isGGUF(_ path: String) -> Bool {
    guard !MappedFile.isDirectory(path), let file = try? MappedFile(path: path) else { return false }
    return file.bytes.count >= 4 && file.bytes.prefix(4).elementsEqual(magic)
  }

  init(path: String) throws(PackError) { try self.init(MappedFile(path: path)) }

  /// - Throws: `data`, with the key or the tensor and the byte.
  init(_ file: MappedFile) throws(PackError) {
    self.file = file
    var cursor = GGUFCursor(file.bytes, path: file.path)
    let (tensorCount, keyCount) = try Self.header(&cursor)
    for index in 0..<keyCount { try readKey(index, &cursor) }
    let alignment = try alignment(cursor)
    var records: [Record] = []
    var names: Set<String> = []
    for index in 0..<tensorCount {
      let record = try Self.record(index, &cursor)
      guard names.insert(record.name).inserted else {
        throw cursor.fault("is there twice, again", at: record.place)
      }
      records.append(record)
    }
    cursor.place = nil
    guard let start = roundedUp(cursor.offset, to: alignment) else {
      throw cursor.fault("the data is too far")
    }
    try place(records, start: start, alignment: alignment, cursor)
  }

  private static func header(_ cursor: inout GGUFCursor) throws(PackError) -> (tensors: UInt64, keys: UInt64)
  {
    let magic = try cursor.take(4, "the mark of GGUF files")
    guard cursor.bytes[magic].elementsEqual(Self.magic) else {
      throw cursor.fault("does not begin with GGUF", at: 0)
    }
    let version = try cursor.number(UInt32.self, "the version")
    guard version & 0xffff != 0 else {
      throw cursor.fault("big-endian numbers, which are not known: version \(version.byteSwapped)", at: 4)
    }
    guard version == 2 || version == 3 else {
      throw cursor.fault("version \(version); known are 2 and 3,", at: 4)
    }
    // Records take more than a byte: larger counts cannot be true.
    return (
      UInt64(try cursor.count("the number of tensors")), UInt64(try cursor.count("the number of keys"))
    )
  }

  private mutating func readKey(_ index: UInt64, _ cursor: inout GGUFCursor) throws(PackError) {
    cursor.place = "key \(index)"
    let begin = cursor.offset
    let name = try cursor.text("the name")
    guard !name.isEmpty, name.utf8.count <= Self.maximumKeyLength, !name.utf8.contains(0) else {
      throw cursor.fault("the name is empty, too long or has a byte 0", at: begin)
    }
    cursor.place = "key \(name)"
    let type = try cursor.type("the type")
    let value = try cursor.value(type)
    guard keys.updateValue(value, forKey: name) == nil else {
      throw cursor.fault("is there twice, again", at: begin)
    }
  }

  private func alignment(_ cursor: GGUFCursor) throws(PackError) -> Int {
    guard let stated = keys[Self.alignmentKey] else { return 32 }
    guard case .integer(let number) = stated, let alignment = Int(exactly: number), alignment > 0,
      alignment <= 1 << 30, alignment & (alignment - 1) == 0
    else {
      throw PackError(
        .data, file: file.path, place: "key \(Self.alignmentKey)", "must be a power of two up to 2^30")
    }
    return alignment
  }

  private static func record(_ index: UInt64, _ cursor: inout GGUFCursor) throws(PackError) -> Record {
    cursor.place = "tensor \(index)"
    let begin = cursor.offset
    let name = try cursor.text("the name")
    guard (1...256).contains(name.utf8.count), !name.utf8.contains(0) else {
      throw cursor.fault("the name is empty, longer than 256 bytes or has a byte 0", at: begin)
    }
    cursor.place = "tensor \(name)"
    let rank = try cursor.number(UInt32.self, "the number of dimensions")
    guard (1...UInt32(maximumDimensions)).contains(rank) else {
      throw cursor.fault("\(rank) dimensions; known are 1 to \(maximumDimensions),", at: cursor.offset - 4)
    }
    var shape: [Int] = []
    for _ in 0..<rank {
      let size = try cursor.number(Int64.self, "a dimension")
      guard (1...Int64(Int32.max)).contains(size) else {
        throw cursor.fault("a dimension is \(size)", at: cursor.offset - 8)
      }
      shape.insert(Int(size), at: 0)
    }
    let number = try cursor.number(UInt32.self, "the type")
    guard let type = GGUFTensorType(number) else {
      throw cursor.fault("type \(number) is not known", at: cursor.offset - 4)
    }
    let length = shape[shape.count - 1]
    guard length % type.blockLength == 0 else {
      throw cursor.fault(
        "rows of \(length) are no whole blocks of \(type.name), which has \(type.blockLength),")
    }
    let rowBytes = length / type.blockLength * type.blockBytes
    var byteCount = rowBytes
    for size in shape.dropLast() {
      guard let product = checkedProduct(byteCount, size) else { throw cursor.fault("it is too large") }
      byteCount = product
    }
    return Record(
      name: name, type: type, shape: shape, rowBytes: rowBytes, byteCount: byteCount,
      offset: try cursor.number(UInt64.self, "the offset"), place: begin)
  }

  /// Offsets are multiples of the alignment, within the file, and no two tensors share a byte.
  private mutating func place(
    _ records: [Record], start: Int, alignment: Int, _ cursor: GGUFCursor
  ) throws(PackError) {
    var cursor = cursor
    let space = max(0, file.bytes.count - start)
    for record in records {
      cursor.place = "tensor \(record.name)"
      guard record.offset % UInt64(alignment) == 0 else {
        throw cursor.fault("offset \(record.offset) is no multiple of \(alignment)", at: record.place)
      }
      guard record.byteCount <= space, record.offset <= UInt64(space - record.byteCount) else {
        throw cursor.fault(
          "truncated: \(record.byteCount) bytes from \(record.offset) on, the file has \(space) of data",
          at: record.place)
      }
      let begin = start + Int(record.offset)
      tensors.append(
        GGUFTensor(
          name: record.name, type: record.type, shape: record.shape, rowBytes: record.rowBytes, file: file,
          range: begin..<begin + record.byteCount))
    }
    var end = start
    for tensor in tensors.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
      guard tensor.range.lowerBound >= end else { throw tensor.fault("shares bytes with another tensor") }
      end = tensor.range.upperBound
    }
  }
}
