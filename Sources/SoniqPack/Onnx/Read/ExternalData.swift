import Glibc

/// The files beside a model that hold its large tensors. They must lie in the model's folder.
struct ExternalData {
  private let folder: String
  private let modelPath: String

  init(modelPath: String) {
    self.modelPath = modelPath
    let parts = modelPath.split(separator: "/", omittingEmptySubsequences: false).dropLast()
    let parent = parts.joined(separator: "/")
    folder = parts.isEmpty ? "." : (parent.isEmpty ? "/" : parent)
  }

  /// The bytes of a tensor, copied out.
  /// * byteCount: what its type and shape need.
  /// - Throws: `data` when the place leaves the folder or the file, `noInput` when the file is not there.
  func bytes(_ entries: [StringStringEntryProto], tensor: String, byteCount: Int) throws(PackError) -> [UInt8]
  {
    func fail(_ message: String) -> PackError {
      PackError(.data, file: modelPath, place: "tensor \(tensor)", message)
    }
    var fields: [String: String] = [:]
    for entry in entries { fields[entry.key] = entry.value }
    guard let location = fields["location"], !location.isEmpty else {
      throw fail("its external data has no location")
    }
    guard Self.isInside(location) else {
      throw fail("its external data \"\(location)\" is outside the model's folder")
    }
    let path = folder + "/" + location
    guard let real = realPath(path), let realFolder = realPath(folder) else {
      throw PackError(
        .noInput, file: path, place: "tensor \(tensor)", MappedFile.reason(errno))
    }
    guard real.hasPrefix(realFolder.hasSuffix("/") ? realFolder : realFolder + "/") else {
      throw fail("its external data \"\(location)\" is a link to outside the model's folder")
    }
    guard let offset = number(fields["offset"] ?? "0"),
      let length = number(fields["length"] ?? String(byteCount))
    else { throw fail("its external data has an offset or length that is no size") }
    guard length == byteCount else {
      throw fail("\(length) bytes of external data, its type and shape need \(byteCount)")
    }
    let file = try MappedFile(path: real)
    guard offset <= file.bytes.count, length <= file.bytes.count - offset else {
      throw fail(
        "its external data is bytes \(offset) to \(offset.addingReportingOverflow(length).partialValue) of "
          + "\"\(location)\", which has \(file.bytes.count)")
    }
    return Array(file.bytes[offset..<offset + length])
  }

  private static func isInside(_ location: String) -> Bool {
    let parts = location.split(separator: "/", omittingEmptySubsequences: false)
    return !location.hasPrefix("/") && !parts.contains("..") && !location.utf8.contains(0)
  }

  /// The paths that tensors are in; those outside the folder left out.
  func paths(of tensors: [TensorProto]) -> [String] {
    let locations = tensors.filter { $0.dataLocation == 1 }.flatMap { tensor in
      tensor.externalData.filter { $0.key == "location" && !$0.value.isEmpty }.map(\.value)
    }.filter(Self.isInside)
    return Set(locations).sorted().map { folder + "/" + $0 }
  }

  /// - Throws: `noInput` that names every file that is missing, and the tensors in it.
  func requireFiles(of tensors: [TensorProto]) throws(PackError) {
    for path in paths(of: tensors) where !MappedFile.exists(path) {
      let reason = MappedFile.reason(errno)
      let names = tensors.filter { paths(of: [$0]) == [path] }.map(\.name)
      let what = names.count == 1 ? "tensor \(names[0])" : "\(names.count) tensors, \(names[0]) the first"
      let others = paths(of: tensors).filter { $0 != path && !MappedFile.exists($0) }
      let more = others.isEmpty ? "" : "; also missing: " + others.joined(separator: ", ")
      throw PackError(
        .noInput, file: path, "\(reason); it holds \(what) of \(modelPath) and must lie beside it" + more)
    }
  }

  private func number(_ text: String) -> Int? {
    guard let number = Int(text), number >= 0 else { return nil }
    return number
  }

  private func realPath(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }
}
