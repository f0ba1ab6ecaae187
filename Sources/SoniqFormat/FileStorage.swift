import Glibc

/// Memory of one mapping: a file seen in place, or an anonymous copy. Read-only once handed out, shared
/// by any number of threads; unmapped when the last reference goes.
package final class FileStorage: @unchecked Sendable {
  private let start: UnsafeMutableRawPointer
  private let count: Int

  private init(start: UnsafeMutableRawPointer, count: Int) {
    self.start = start
    self.count = count
  }
  deinit { munmap(start, count) }

  package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }
  /// For filling a copy before it is handed out.
  var mutableBytes: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: start, count: count)
  }

  /// Zeroed memory for a copy, at least 64-byte aligned.
  static func anonymous(byteCount: Int) throws(FormatError) -> FileStorage {
    let flags = MAP_PRIVATE | MAP_ANONYMOUS
    guard let start = mmap(nil, max(1, byteCount), PROT_READ | PROT_WRITE, flags, -1, 0), start != MAP_FAILED
    else { throw FormatError(.outOfMemory, offset: 0, field: "file", got: .integer(byteCount)) }
    return FileStorage(start: start, count: max(1, byteCount))
  }

  /// The bytes of a regular file, mapped or copied.
  static func file(path: String, copies: Bool) throws(FormatError) -> FileStorage {
    // O_NONBLOCK: opening a pipe must not wait for a writer.
    let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw systemFault(path) }
    defer { close(descriptor) }
    return try file(descriptor: descriptor, path: path, copies: copies)
  }

  /// The bytes of a regular file that is open for reading.
  static func file(descriptor: Int32, path: String, copies: Bool) throws(FormatError) -> FileStorage {
    let size = try sizeOfRegularFile(descriptor, path)
    if copies { return try copy(descriptor, size, path) }
    guard let start = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED else {
      throw systemFault(path)
    }
    return FileStorage(start: start, count: size)
  }

  private static func sizeOfRegularFile(_ descriptor: Int32, _ path: String) throws(FormatError) -> Int {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw systemFault(path) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw FormatError(.notARegularFile, offset: 0, field: path)
    }
    let size = Int(status.st_size)
    guard size >= FormatLimits.headerSize else {
      throw FormatError(
        .truncated, offset: size, field: "header", got: .integer(size),
        expected: .integer(FormatLimits.headerSize))
    }
    guard size <= FormatLimits.maximumFileSize else {
      throw FormatError(
        .limitExceeded, offset: 0, field: "file", got: .integer(size),
        expected: .range(FormatLimits.headerSize...FormatLimits.maximumFileSize))
    }
    return size
  }

  private static func copy(_ descriptor: Int32, _ size: Int, _ path: String) throws(FormatError)
    -> FileStorage
  {
    // A sparse file can promise far more than memory holds: ask the header before memory is taken.
    var header = [UInt8](repeating: 0, count: FormatLimits.headerSize)
    guard pread(descriptor, &header, header.count, 0) >= 0 else { throw systemFault(path) }
    try header.withRawBytes { (bytes) throws(FormatError) in _ = try FileHeader(bytes, fileSize: size) }
    let storage = try anonymous(byteCount: size)
    var done = 0
    while done < size {
      let count = pread(descriptor, storage.start + done, size - done, off_t(done))
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw systemFault(path) }
      guard count > 0 else {
        throw FormatError(
          .truncated, offset: done, field: "file", got: .integer(done), expected: .integer(size))
      }
      done += count
    }
    return storage
  }

  private static func systemFault(_ path: String) -> FormatError {
    let number = errno
    if number == ENOMEM { return FormatError(.outOfMemory, offset: 0, field: "file") }
    return FormatError(.cannotRead, offset: 0, field: path, systemError: number)
  }
}
