import SoniqCore

/// A .npz file: a zip archive of .npy arrays, stored without compression (numpy.savez).
extension TensorFile {
  package static func numpyArchive(path: String) throws(PackError) -> TensorFile {
    let file = try MappedFile(path: path)
    let reader = ZipReader(bytes: file.bytes, path: path)
    var tensors: [String: StoredTensor] = [:]
    for entry in try reader.entries() {
      guard entry.name.hasSuffix(".npy") else { continue }
      let name = String(entry.name.dropLast(4))
      tensors[name] = try NumpyArray.tensor(name, entry.range, file.bytes, path: path)
    }
    return TensorFile(file: file, tensors: tensors)
  }

  /// A single .npy array, under a name of the caller's.
  package static func numpyArray(path: String, name: String) throws(PackError) -> TensorFile {
    let file = try MappedFile(path: path)
    let tensor = try NumpyArray.tensor(name, 0..<file.bytes.count, file.bytes, path: path)
    return TensorFile(file: file, tensors: [name: tensor])
  }
}

/// The directory of a zip archive whose entries are stored, not compressed.
private struct ZipReader {
  let bytes: UnsafeRawBufferPointer
  let path: String

  struct Entry {
    var name: String
    var range: Range<Int>
  }

  private func fail(_ message: String, _ place: String? = nil) -> PackError {
    PackError(.data, file: path, place: place, message)
  }

  private func read16(_ offset: Int) -> Int? {
    guard offset >= 0, offset <= bytes.count - 2 else { return nil }
    return Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
  }

  private func read32(_ offset: Int) -> Int? {
    guard offset >= 0, offset <= bytes.count - 4 else { return nil }
    return Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
  }

  func entries() throws(PackError) -> [Entry] {
    guard read32(0) == 0x0403_4b50 else { throw fail("not an .npz file (no zip archive)") }
    guard let end = endRecord(), let count = read16(end + 10), var offset = read32(end + 16) else {
      throw fail("truncated: the zip archive has no end record")
    }
    var entries: [Entry] = []
    for _ in 0..<count {
      guard read32(offset) == 0x0201_4b50, let method = read16(offset + 10),
        let packed = read32(offset + 20), let size = read32(offset + 24),
        let nameLength = read16(offset + 28), let extraLength = read16(offset + 30),
        let commentLength = read16(offset + 32), let local = read32(offset + 42),
        offset + 46 + nameLength <= bytes.count
      else { throw fail("broken zip directory") }
      let name = String(decoding: bytes[offset + 46..<offset + 46 + nameLength], as: UTF8.self)
      guard method == 0 else {
        throw fail("compressed; write it with numpy.savez, not savez_compressed", "array \(name)")
      }
      entries.append(Entry(name: name, range: try data(local, size, packed, name)))
      offset += 46 + nameLength + extraLength + commentLength
    }
    return entries
  }

  /// Where the end record starts, looked for from the back.
  private func endRecord() -> Int? {
    var offset = bytes.count - 22
    let first = max(0, bytes.count - 22 - 65535)
    while offset >= first {
      if read32(offset) == 0x0605_4b50 { return offset }
      offset -= 1
    }
    return nil
  }

  private func data(_ local: Int, _ size: Int, _ packed: Int, _ name: String) throws(PackError) -> Range<Int>
  {
    guard read32(local) == 0x0403_4b50, let nameLength = read16(local + 26),
      let extraLength = read16(local + 28), size == packed
    else { throw fail("broken zip entry", "array \(name)") }
    let start = local + 30 + nameLength + extraLength
    guard start <= bytes.count, size <= bytes.count - start else { throw fail("truncated", "array \(name)") }
    return start..<start + size
  }
}

/// The header of a .npy array.
private enum NumpyArray {
  static func tensor(
    _ name: String, _ range: Range<Int>, _ bytes: UnsafeRawBufferPointer, path: String
  ) throws(PackError) -> StoredTensor {
    func fail(_ message: String) -> PackError {
      PackError(.data, file: path, place: "array \(name)", message)
    }
    let magic: [UInt8] = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]
    guard range.count >= 12, bytes[range].starts(with: magic) else { throw fail("no .npy array") }
    let isFirstVersion = bytes[range.lowerBound + 6] == 1
    let lengthPlace = range.lowerBound + 8
    let length =
      isFirstVersion
      ? Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: lengthPlace, as: UInt16.self)))
      : Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: lengthPlace, as: UInt32.self)))
    let headerStart = lengthPlace + (isFirstVersion ? 2 : 4)
    guard length <= range.upperBound - headerStart else { throw fail("truncated header") }
    let header = String(decoding: bytes[headerStart..<headerStart + length], as: UTF8.self)
    let types: [String: TensorElement] = [
      "'<i8'": .int64, "'<i4'": .int32, "'<i2'": .int16, "'|i1'": .int8, "'|u1'": .uint8, "'|b1'": .boolean,
      "'<f8'": .float64, "'<f4'": .float32, "'<f2'": .float16,
    ]
    guard let type = types.first(where: { header.contains($0.key) })?.value else {
      throw fail("unknown element type in \(header.prefix(60))")
    }
    guard !header.contains("'fortran_order': True") else { throw fail("column-major order is not read") }
    guard let shape = shape(header) else { throw fail("no valid shape") }
    var byteCount = type.byteCount
    for size in shape {
      guard let product = checkedProduct(byteCount, size) else { throw fail("no valid shape") }
      byteCount = product
    }
    let start = headerStart + length
    guard byteCount == range.upperBound - start else {
      throw fail("\(range.upperBound - start) bytes stored, shape \(shape) needs \(byteCount)")
    }
    return StoredTensor(name: name, element: type, shape: shape, range: start..<range.upperBound)
  }

  private static func shape(_ header: String) -> [Int]? {
    guard let mark = header.firstRange(of: "'shape': (") else { return nil }
    let rest = header[mark.upperBound...]
    guard let end = rest.firstIndex(of: ")") else { return nil }
    var shape: [Int] = []
    for part in rest[..<end].split(separator: ",") {
      let digits = part.filter { $0 != " " }
      if digits.isEmpty { continue }
      guard let size = Int(digits), size >= 0 else { return nil }
      shape.append(size)
    }
    return shape
  }
}
