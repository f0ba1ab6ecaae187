import Glibc

/// A whole regular file, mapped read-only for as long as this object lives.
package final class MappedFile: @unchecked Sendable {
  package let path: String
  package let bytes: UnsafeRawBufferPointer

  /// - Throws: `noInput` when the path is missing, no regular file, or not readable.
  package init(path: String) throws(PackError) {
    self.path = path
    // O_NONBLOCK: opening a pipe must not wait for a writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw PackError(.noInput, file: path, Self.reason(errno)) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw PackError(.noInput, file: path, Self.reason(errno))
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw PackError(
        .noInput, file: path, "not a regular file; pipes and devices must be saved to a file first")
    }
    let count = Int(status.st_size)
    guard count > 0 else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let start = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED else {
      throw PackError(.noInput, file: path, Self.reason(errno))
    }
    bytes = UnsafeRawBufferPointer(start: start, count: count)
  }

  deinit {
    if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
  }

  /// The operating system's words for an error number.
  static func reason(_ number: Int32) -> String { String(cString: strerror(number)) }

  /// Whether something exists at the path.
  package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// Whether a directory exists at the path.
  package static func isDirectory(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }
}
