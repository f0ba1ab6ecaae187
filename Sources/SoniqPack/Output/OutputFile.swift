import Glibc
import SoniqFormat
package import SoniqGraph

/// The file that a command makes: checked before the long work starts, complete or absent afterwards.
package struct OutputFile: Sendable {
  package let path: String

  /// Checks, before any long work, that the file can be made.
  /// - Throws: `cannotCreate`.
  package init(path: String) throws(PackError) {
    guard !path.isEmpty else { throw PackError(.cannotCreate, place: "output", "empty path") }
    guard !MappedFile.isDirectory(path) else {
      throw PackError(.cannotCreate, file: path, "is a directory; name the file to write")
    }
    let parent = Self.parent(of: path)
    guard MappedFile.isDirectory(parent) else {
      throw PackError(.cannotCreate, file: path, "no directory \(parent)")
    }
    guard access(parent, W_OK | X_OK) == 0 else {
      throw PackError(.cannotCreate, file: path, "cannot write to \(parent): \(MappedFile.reason(errno))")
    }
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
      throw PackError(.cannotCreate, file: path, "exists and is no regular file")
    }
    self.path = path
  }

  /// Checks, before any long work, that the file is none that the command reads, under whatever name.
  ///
  /// * inputs: files, or folders of which no file may be replaced but packed ones.
  /// - Throws: `usage`.
  package func refuse(inputs: [String]) throws(PackError) {
    guard let own = FileIdentity(path: path) else { return }
    for input in inputs {
      if MappedFile.isDirectory(input) {
        if let file = own.file(under: input), !PackedFile.isPacked(file) {
          throw PackError(
            .usage, file: path, "is also a file of the model, \(file); name another file to write")
        }
      } else if FileIdentity(path: input) == own {
        let words = input == path ? "is also an input" : "is also an input, \(input)"
        throw PackError(.usage, file: path, words + "; name another file to write")
      }
    }
  }

  /// Writes bytes, which appear under the file's name only when they are complete.
  package func write(_ bytes: [UInt8]) throws(PackError) {
    do throws(FormatError) {
      let file = try AtomicFile(target: path)
      try file.append(bytes)
      try file.synchronize()
      try file.publish()
    } catch {
      throw PackError(.cannotCreate, file: path, error.message)
    }
  }

  /// Writes the model; `ModelWriter` makes it appear under its name only when it is complete.
  ///
  /// Returns the bytes written.
  package func write(_ model: ModelDescription) throws(PackError) -> Int {
    do throws(FormatError) {
      try ModelWriter.write(model, toPath: path)
    } catch {
      let kind: PackError.Kind = error.code == .cannotWrite ? .cannotCreate : .software
      throw PackError(kind, file: path, error.message)
    }
    return try MappedFile(path: path).bytes.count
  }

  private static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
