import SoniqFormat
package import SoniqGraph

/// Reading of .soniq files with the packer's errors.
package enum PackedFile {
  /// The most outputs of a file.
  package static let mostOutputs = FormatLimits.maximumInterfaceValues

  /// Maps a file; its checksums are checked.
  package static func open(_ path: String) throws(PackError) -> (ModelDescription, byteCount: Int) {
    let byteCount = try MappedFile(path: path).bytes.count
    return try reading(path) { () throws(FormatError) in
      (try ModelFile.open(path: path, options: ReadOptions(verifyData: true)), byteCount)
    }
  }

  /// Checks everything that the format promises.
  package static func verify(_ path: String) throws(PackError) {
    _ = try MappedFile(path: path)
    try reading(path) { () throws(FormatError) in try ModelFile.verify(path: path) }
  }

  /// Whether a file begins as packed ones do.
  static func isPacked(_ path: String) -> Bool {
    guard let file = try? MappedFile(path: path), file.bytes.count >= 3 else { return false }
    return file.bytes.prefix(3).elementsEqual([0x89, 0x53, 0x51])
  }

  private static func reading<Result>(
    _ path: String, _ body: () throws(FormatError) -> Result
  ) throws(PackError) -> Result {
    do throws(FormatError) {
      return try body()
    } catch {
      throw PackError(.data, file: path, error.message)
    }
  }
}
