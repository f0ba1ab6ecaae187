import Glibc
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

  /// Writes a file under a temporary name beside `path`, reads it back, and only then gives it its name,
  /// replacing a file of that name in one step (its mappings live on). On an error nothing is left behind
  /// and `path` is as it was.
  package static func write(
    _ description: ModelDescription, toPath path: String
  ) throws(FormatError) {
    defer { withExtendedLifetime(description) {} }
    let serializer = try ModelSerializer(description)
    let temporary = try TemporaryFile(beside: path)
    try serializer.forEachPiece { (piece) throws(FormatError) in try temporary.append(piece) }
    try temporary.synchronize()
    _ = try ModelFile.open(path: temporary.path)
    try temporary.rename(to: path)
  }
}

/// A file that is removed with its last reference unless it was renamed. Used by one thread.
private final class TemporaryFile {
  let path: String
  private let target: String
  private var descriptor: Int32
  private var isRenamed = false

  init(beside target: String) throws(FormatError) {
    self.target = target
    var attempt = 0
    repeat {
      let candidate = "\(target).\(getpid()).\(attempt).part"
      descriptor = Glibc.open(candidate, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      attempt += 1
      if descriptor >= 0 {
        path = candidate
        return
      }
    } while errno == EEXIST && attempt < 1000
    throw FormatError(.cannotWrite, offset: 0, field: target, systemError: errno)
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    if !isRenamed { unlink(path) }
  }

  func append(_ bytes: UnsafeRawBufferPointer) throws(FormatError) {
    var done = 0
    while done < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw fault() }
      done += count
    }
  }

  /// Waits until the bytes are on the disk.
  func synchronize() throws(FormatError) {
    guard fsync(descriptor) == 0 else { throw fault() }
    let closed = close(descriptor)
    descriptor = -1
    guard closed == 0 else { throw fault() }
  }

  func rename(to target: String) throws(FormatError) {
    guard Glibc.rename(path, target) == 0 else { throw fault() }
    isRenamed = true
    synchronizeDirectory(of: target)
  }

  /// Makes the new name durable where the file system can; the file itself is complete either way.
  private func synchronizeDirectory(of target: String) {
    let parent = target.lastIndex(of: "/").map { String(target[...$0]) } ?? "."
    let directory = Glibc.open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { return }
    fsync(directory)
    close(directory)
  }

  private func fault() -> FormatError {
    FormatError(.cannotWrite, offset: 0, field: target, systemError: errno)
  }
}
