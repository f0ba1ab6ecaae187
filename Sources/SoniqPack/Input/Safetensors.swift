import SoniqCore

extension TensorFile {
  /// The longest header that is read, in bytes.
  private static let maximumHeader = 100_000_000

  /// Maps a safetensors file and checks its header: the length, the JSON, every shape against its bytes,
  /// and that the tensors cover the data without hole or overlap.
  package static func safetensors(path: String) throws(PackError) -> TensorFile {
    let file = try MappedFile(path: path)
    let bytes = file.bytes
    guard bytes.count >= 8 else {
      throw PackError(.data, file: path, "truncated: \(bytes.count) bytes, a header length takes 8")
    }
    let stated = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard stated <= UInt64(Self.maximumHeader) else {
      throw PackError(.data, file: path, "header of \(stated) bytes: not a safetensors file")
    }
    let headerEnd = 8 + Int(stated)
    guard headerEnd <= bytes.count else {
      throw PackError(
        .data, file: path, "truncated: the header ends at byte \(headerEnd), the file at \(bytes.count)")
    }
    let header: JSONValue
    do throws(JSONParser.Failure) {
      header = try JSONParser.parse(UnsafeRawBufferPointer(rebasing: bytes[8..<headerEnd]))
    } catch {
      throw PackError(
        .data, file: path, "header is not JSON at byte \(8 + error.offset): \(error.message)")
    }
    guard let members = header.object else { throw PackError(.data, file: path, "header is no object") }
    let tensors = try tensors(members, path: path, dataStart: headerEnd, fileEnd: bytes.count)
    return TensorFile(
      file: file, tensors: Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0) }))
  }

  private static func tensors(
    _ members: [JSONMember], path: String, dataStart: Int, fileEnd: Int
  ) throws(PackError) -> [StoredTensor] {
    var tensors: [StoredTensor] = []
    for member in members where member.key != "__metadata__" {
      tensors.append(try tensor(member, path: path, dataStart: dataStart, fileEnd: fileEnd))
    }
    let order = tensors.sorted {
      ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
    }
    var covered = dataStart
    for tensor in order {
      guard tensor.range.lowerBound == covered else {
        let fault =
          tensor.range.lowerBound < covered ? "overlaps the tensor before it" : "has a hole before it"
        throw PackError(.data, file: path, place: "tensor \(tensor.name)", fault)
      }
      covered = tensor.range.upperBound
    }
    guard covered == fileEnd else {
      throw PackError(.data, file: path, "\(fileEnd - covered) bytes after the last tensor")
    }
    return tensors
  }

  private static func tensor(
    _ member: JSONMember, path: String, dataStart: Int, fileEnd: Int
  ) throws(PackError) -> StoredTensor {
    let place = "tensor \(member.key)"
    func fail(_ message: String) -> PackError { PackError(.data, file: path, place: place, message) }
    guard let type = member.value["dtype"]?.text else { throw fail("no dtype") }
    guard let element = TensorElement(rawValue: type) else { throw fail("unknown type \(type)") }
    guard let sizes = member.value["shape"]?.array, sizes.count <= 8 else { throw fail("no valid shape") }
    var shape: [Int] = []
    var byteCount = element.byteCount
    for size in sizes {
      guard let size = size.integer, let product = checkedProduct(byteCount, size) else {
        throw fail("no valid shape")
      }
      byteCount = product
      shape.append(size)
    }
    guard let offsets = member.value["data_offsets"]?.array?.compactMap(\.integer), offsets.count == 2,
      offsets[0] >= 0, offsets[1] >= offsets[0]
    else { throw fail("no valid data_offsets") }
    guard offsets[1] <= fileEnd - dataStart else {
      throw fail("truncated: needs \(offsets[1]) bytes of data, the file has \(fileEnd - dataStart)")
    }
    guard offsets[1] - offsets[0] == byteCount else {
      throw fail("\(offsets[1] - offsets[0]) bytes stored, shape \(shape) of \(type) needs \(byteCount)")
    }
    return StoredTensor(
      name: member.key, element: element, shape: shape,
      range: dataStart + offsets[0]..<dataStart + offsets[1])
  }
}
