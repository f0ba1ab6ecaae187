import Glibc

/// A file that appears under its name when it is complete, in one step, or not at all. Used by one thread.
///
/// Where the file system can, the file has no name while it is written: nothing is left of it however the process
/// ends. Elsewhere, and for the moment in which it takes the place of an older file, it lies beside its target, and
/// `UnfinishedFiles` knows of it.
package final class AtomicFile {
  private let target: String
  private let descriptor: Int32
  /// The name that it has before its own.
  private var name: String?

  /// * target: the name that it will have.
  package init(target: String) throws(FormatError) {
    self.target = target
    if let unnamed = Self.unnamed(in: Self.folder(of: target)) {
      descriptor = unnamed
      return
    }
    var opened: Int32 = -1
    name = try Self.temporaryName(for: target) { candidate in
      opened = Glibc.open(candidate, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      return opened >= 0
    }
    descriptor = opened
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    guard let name else { return }
    unlink(name)
    UnfinishedFiles.forget(name)
  }

  package func append(_ bytes: [UInt8]) throws(FormatError) {
    try bytes.withRawBytes { (raw) throws(FormatError) in try append(raw) }
  }

  func append(_ bytes: UnsafeRawBufferPointer) throws(FormatError) {
    var done = 0
    while done < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw Self.fault(target, errno) }
      done += count
    }
  }

  /// Waits until the bytes are on the disk.
  package func synchronize() throws(FormatError) {
    guard fsync(descriptor) == 0 else { throw Self.fault(target, errno) }
  }

  /// The bytes that were written, as a reader sees them.
  func storage() throws(FormatError) -> FileStorage {
    try FileStorage.file(descriptor: descriptor, path: target, copies: false)
  }

  /// Gives the file its name, in the place of a file that has it.
  package func publish() throws(FormatError) {
    if name == nil {
      if link(to: target) { return Self.synchronize(folder: Self.folder(of: target)) }
      guard errno == EEXIST else { throw Self.fault(target, errno) }
      name = try Self.temporaryName(for: target) { link(to: $0) }
    }
    guard let temporary = name, rename(temporary, target) == 0 else {
      throw Self.fault(target, errno)
    }
    UnfinishedFiles.forget(temporary)
    name = nil
    Self.synchronize(folder: Self.folder(of: target))
  }

  private func link(to name: String) -> Bool {
    linkat(AT_FDCWD, Self.place(of: descriptor), AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0
  }

  private static func fault(_ target: String, _ number: Int32) -> FormatError {
    FormatError(.cannotWrite, offset: 0, field: target, systemError: number)
  }

  // MARK: Names

  /// A file without a name, or nil where the system has none or cannot name it later.
  private static func unnamed(in folder: String) -> Int32? {
    // O_TMPFILE, which Swift does not import.
    let withoutName: Int32 = 0o20_000_000 | O_DIRECTORY
    let descriptor = Glibc.open(folder, withoutName | O_RDWR | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { return nil }
    guard access(place(of: descriptor), F_OK) == 0 else {
      close(descriptor)
      return nil
    }
    return descriptor
  }

  private static func place(of descriptor: Int32) -> String { "/proc/self/fd/\(descriptor)" }

  /// The name beside `target` under which `make` made a file.
  private static func temporaryName(
    for target: String, _ make: (String) -> Bool
  ) throws(FormatError) -> String {
    for attempt in 0..<1000 {
      let candidate = "\(target).\(getpid()).\(attempt).part"
      let number = UnfinishedFiles.making(candidate) { make(candidate) }
      if number == 0 { return candidate }
      guard number == EEXIST else { throw fault(target, number) }
    }
    throw fault(target, EEXIST)
  }

  private static func folder(of target: String) -> String {
    target.lastIndex(of: "/").map { String(target[...$0]) } ?? "."
  }

  /// Makes the new name durable where the file system can; the file itself is complete either way.
  private static func synchronize(folder: String) {
    let directory = Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { return }
    fsync(directory)
    close(directory)
  }
}
