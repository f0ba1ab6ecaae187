import Foundation
import SoniqCore
import SoniqGraph
import Testing

@testable import SoniqFormat

/// What the path names, and what is left on the disk.
@Suite final class FileTests {
  let folder: String

  init() throws {
    folder = NSTemporaryDirectory() + "soniq-format-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
  }
  deinit { try? FileManager.default.removeItem(atPath: folder) }

  private func openError(_ path: String, copies: Bool = false) -> FormatError? {
    MalformedTests.error { () throws(FormatError) in
      _ = try ModelFile.open(path: path, options: ReadOptions(copiesFile: copies))
    }
  }

  private func listing() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder) }

  @Test(arguments: [false, true])
  func writtenFileOpens(copies: Bool) throws {
    let model = SampleModels.complete()
    let path = folder + "/model.soniq"
    try ModelWriter.write(model, toPath: path)
    #expect(try listing() == ["model.soniq"])
    let expected = ModelText.describe(model)
    let read = try ModelFile.open(path: path, options: ReadOptions(verifyData: true, copiesFile: copies))
    try ModelFile.verify(path: path)
    // The model outlives its name.
    try FileManager.default.removeItem(atPath: path)
    #expect(ModelText.describe(read) == expected)
  }

  @Test func linksAreFollowed() throws {
    try ModelWriter.write(SampleModels.small(), toPath: folder + "/model.soniq")
    try FileManager.default.createSymbolicLink(
      atPath: folder + "/link", withDestinationPath: folder + "/model.soniq")
    #expect(openError(folder + "/link") == nil)
  }

  @Test(arguments: [false, true])
  func whatIsNotAFileIsRefused(copies: Bool) throws {
    #expect(mkfifo(folder + "/pipe", 0o600) == 0)
    #expect(openError(folder, copies: copies)?.code == .notARegularFile)
    #expect(openError(folder + "/pipe", copies: copies)?.code == .notARegularFile)
    #expect(openError("/dev/null", copies: copies)?.code == .notARegularFile)
    let missing = openError(folder + "/missing", copies: copies)
    #expect(missing?.code == .cannotRead)
    #expect(missing?.systemError == ENOENT)
    #expect(missing?.message.contains("No such file") == true)
  }

  @Test(arguments: [0, 1, 63, 64, 4096])
  func shortAndEmptyFiles(size: Int) throws {
    let path = folder + "/short"
    #expect(FileManager.default.createFile(atPath: path, contents: Data(count: size)))
    #expect(openError(path)?.code == (size < 64 ? .truncated : .wrongMagic))
  }

  /// A file that promises a terabyte costs nothing.
  @Test(arguments: [false, true])
  func hugeSparseFile(copies: Bool) throws {
    let path = folder + "/sparse"
    let bytes = try ModelWriter.serialize(SampleModels.small())
    #expect(FileManager.default.createFile(atPath: path, contents: Data(bytes)))
    #expect(truncate(path, 1 << 40) == 0)
    #expect(openError(path, copies: copies)?.field == "header.fileSize")
    if truncate(path, (1 << 44) + 64) == 0 {
      #expect(openError(path, copies: copies)?.code == .limitExceeded)
    }
  }

  @Test func unalignedBytesAreCopied() throws {
    let bytes = try ModelWriter.serialize(SampleModels.small())
    let expected = ModelText.describe(SampleModels.small())
    for shift in [1, 4, 63] {
      let buffer = AlignedBuffer(copying: [UInt8](repeating: 0, count: shift) + bytes)
      let read = try ModelFile.read(
        bytes: UnsafeRawBufferPointer(start: buffer.start + shift, count: bytes.count))
      #expect(ModelText.describe(read) == expected)
    }
  }

  @Test func ownerLivesAsLongAsTheModel() throws {
    let bytes = try ModelWriter.serialize(SampleModels.small())
    weak var owner: AlignedBuffer?
    var model: ModelDescription?
    do {
      let buffer = AlignedBuffer(copying: bytes)
      owner = buffer
      model = try ModelFile.read(bytes: ConstantBytes(buffer).raw, owner: buffer)
    }
    #expect(owner != nil)
    #expect(model != nil)
    model = nil
    #expect(owner == nil)
  }

  @Test func refusedModelsLeaveNothingBehind() throws {
    var model = SampleModels.small()
    let path = folder + "/model.soniq"
    try ModelWriter.write(model, toPath: path)
    let before = FileManager.default.contents(atPath: path)
    // Found by the reader when the file is read back.
    model.metadata.append(("general.name", .text("again")))
    #expect(writeError(model, path)?.code == .duplicate)
    model.metadata = [("key", .text("zero\0inside"))]
    #expect(writeError(model, path)?.code == .invalidText)
    // Found before anything is written.
    model.graph.nodes[0].output = 7
    #expect(writeError(model, path)?.code == .invalidModel)
    #expect(try listing() == ["model.soniq"])
    #expect(FileManager.default.contents(atPath: path) == before)
  }

  @Test func unwritablePaths() throws {
    let model = SampleModels.small()
    try FileManager.default.createDirectory(
      atPath: folder + "/folder/inside", withIntermediateDirectories: true)
    #expect(writeError(model, folder + "/missing/model.soniq")?.systemError == ENOENT)
    #expect(writeError(model, folder + "/folder")?.code == .cannotWrite)
    #expect(writeError(model, "/proc/model.soniq")?.code == .cannotWrite)
    #expect(try listing() == ["folder"])
  }

  private func writeError(_ model: ModelDescription, _ path: String) -> FormatError? {
    MalformedTests.error { () throws(FormatError) in try ModelWriter.write(model, toPath: path) }
  }
}
