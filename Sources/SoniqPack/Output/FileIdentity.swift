import FoundationEssentials
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

  /// The path of this file inside a folder, or nil.
  func file(under folder: String) -> String? {
    var left = Self.mostFiles
    return file(under: folder, levels: Self.mostLevels, &left)
  }

  private func file(under folder: String, levels: Int, _ left: inout Int) -> String? {
    guard levels > 0, let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
      return nil
    }
    for name in names {
      left -= 1
      guard left >= 0 else { return nil }
      let path = folder + (folder.hasSuffix("/") ? "" : "/") + name
      if FileIdentity(path: path) == self { return path }
      if let found = file(under: path, levels: levels - 1, &left) { return found }
    }
    return nil
  }
}
