package import SoniqGraph

/// Writes models. The same model always gives the same bytes; what the reader would refuse is not written.
package enum ModelWriter {
  /// The bytes of a file.
  /// - Throws: `invalidModel` for a graph that is not valid, or the reader's error about the bytes.
  package static func serialize(_ description: ModelDescription) throws(FormatError) -> [UInt8] {
    // The serializer reads constants through pointers, which keep nothing alive.
    defer { withExtendedLifetime(description) {} }
    let serializer = try ModelSerializer(description)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(serializer.fileSize)
    try serializer.forEachPiece { (piece) throws(FormatError) in bytes.append(contentsOf: piece) }
    try bytes.withRawBytes { (raw) throws(FormatError) in _ = try ModelFile.read(bytes: raw) }
    return bytes
  }

  /// Writes a file, reads it back, and only then gives it its name, replacing a file of that name in one step (its
  /// mappings live on). On an error nothing is left behind and `path` is as it was.
  package static func write(
    _ description: ModelDescription, toPath path: String
  ) throws(FormatError) {
    defer { withExtendedLifetime(description) {} }
    let serializer = try ModelSerializer(description)
    let file = try AtomicFile(target: path)
    try serializer.forEachPiece { (piece) throws(FormatError) in try file.append(piece) }
    try file.synchronize()
    let written = try file.storage()
    _ = try ModelFile.read(bytes: written.bytes, owner: written)
    try file.publish()
  }
}
