import Glibc

/// What a file is, whatever it is called: links and other spellings of a path lead to the same one.
struct FileIdentity: Equatable {
  private let device: UInt
  private let inode: UInt

  /// nil when nothing is there.
  init?(path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    device = UInt(status.st_dev)
    inode = UInt(status.st_ino)
  }

  /// A folder of a model is small; what is deeper, or behind so many, is not of the model.
  private static let mostFiles = 10_000
  private static let mostLevels = 4

  /// The path of this file inside a folder, or nil. Links to folders are not followed.
  func file(under folder: String) -> String? {
    var left = Self.mostFiles
    return file(under: folder, levels: Self.mostLevels, &left)
  }

  private func file(under folder: String, levels: Int, _ left: inout Int) -> String? {
    guard levels > 0, let stream = opendir(folder) else { return nil }
    defer { closedir(stream) }
    // One name at a time: a folder may have more of them than there is memory for.
    while left > 0, let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      guard name != ".", name != ".." else { continue }
      left -= 1
      let path = folder + (folder.hasSuffix("/") ? "" : "/") + name
      if FileIdentity(path: path) == self { return path }
      var status = stat()
      guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { continue }
      if let found = file(under: path, levels: levels - 1, &left) { return found }
    }
    return nil
  }
}
