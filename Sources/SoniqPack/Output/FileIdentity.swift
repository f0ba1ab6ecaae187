import Foundation
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
    guard let files = FileManager.default.enumerator(atPath: folder) else { return nil }
    var count = 0
    for case let name as String in files {
      if files.level >= Self.mostLevels { files.skipDescendants() }
      count += 1
      guard count <= Self.mostFiles else { return nil }
      let path = folder + (folder.hasSuffix("/") ? "" : "/") + name
      if FileIdentity(path: path) == self { return path }
    }
    return nil
  }
}
