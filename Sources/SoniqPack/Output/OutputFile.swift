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
