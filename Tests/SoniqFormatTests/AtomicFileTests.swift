import Foundation
import SoniqFormat
import Testing

/// Files that appear when they are complete.
@Suite struct AtomicFileTests {
  private func folder() throws -> String {
    let path = FileManager.default.temporaryDirectory.path + "/atomic-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }

  private func names(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  @Test func appearsWhole() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for text in ["first", "second, in the place of the first"] {
      let file = try AtomicFile(target: folder + "/file")
      try file.append(Array(text.utf8))
      let before = try? String(contentsOfFile: folder + "/file", encoding: .utf8)
      #expect(before != text)
      try file.synchronize()
      try file.publish()
      #expect(try String(contentsOfFile: folder + "/file", encoding: .utf8) == text)
      #expect(try names(folder) == ["file"])
    }
  }

  @Test func nothingIsLeft() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    do {
      let file = try AtomicFile(target: folder + "/file")
      try file.append([1, 2, 3])
    }
    #expect(try names(folder) == [])
    #expect(throws: FormatError.self) { _ = try AtomicFile(target: folder + "/none/file") }
    // A folder in its place: the file cannot take the name, and goes.
    try FileManager.default.createDirectory(
      atPath: folder + "/taken/inside", withIntermediateDirectories: true)
    do {
      let file = try AtomicFile(target: folder + "/taken")
      #expect(throws: FormatError.self) { try file.publish() }
    }
    #expect(try names(folder) == ["taken"])
  }
}
