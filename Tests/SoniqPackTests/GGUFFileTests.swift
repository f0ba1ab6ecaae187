import Foundation
import SoniqTestSupport
import Testing

@testable import SoniqPack

/// The container: everything that a file may say, and files that are cut or damaged.
@Suite struct GGUFFileTests {
  private static func small() -> GGUFWriter {
    var writer = GGUFWriter()
    writer.keys = [
      ("a.byte", .byte(200)), ("a.word", .word(4_000_000_000)), ("a.long", .long(.max)),
      ("a.real", .real(0.5)),
      ("a.double", .double(-2)), ("a.flag", .boolean(true)), ("a.text", .text("grüß dich")),
      ("a.words", .words([1, 2, 3])), ("a.texts", .texts(["", "x"])), ("a.flags", .flags([true, false])),
    ]
    writer.floats("first", [3], [1, 2, 3])
    writer.floats("second", [2, 3], [4, 5, 6, 7, 8, 9])
    return writer
  }

  /// The message that a file is refused with, or nil.
  private static func refusal(_ bytes: [UInt8]) throws -> PackError? {
    let folder = try GGUFFolder(["model.gguf": bytes])
    do {
      _ = try GGUFModel(path: folder.file)
      return nil
    } catch {
      return error
    }
  }

  @Test func everyTypeOfValueIsRead() throws {
    let folder = try Self.small().written()
    let model = try GGUFModel(path: folder.file)
    #expect(model.keys["a.byte"] == .integer(200) && model.keys["a.word"] == .integer(4_000_000_000))
    #expect(model.keys["a.long"] == .largeInteger(.max) && model.keys["a.real"] == .real(0.5))
    #expect(model.keys["a.double"] == .real(-2) && model.keys["a.flag"] == .boolean(true))
    #expect(model.keys["a.text"] == .text("grüß dich"))
    let keys = GGUFKeys(model)
    #expect(try keys.sizes("a.words", count: 3, in: 0...9) == [1, 2, 3])
    #expect(try keys.sizes("a.byte", count: 2, in: 0...200) == [200, 200])
    #expect(try keys.flags("a.flags", count: 2) == [true, false])
    #expect(throws: PackError.self) { try keys.sizes("a.words", count: 3, in: 0...2) }
    #expect(throws: PackError.self) { try keys.size("a.text", in: 0...2) }
    let second = try #require(model.tensors["second"])
    #expect(second.shape == [2, 3] && second.rowBytes == 12 && second.type.name == "F32")
    #expect(second.bytes.loadUnaligned(fromByteOffset: 20, as: Float.self) == 9)
  }

  @Test func everyTruncationIsRefused() throws {
    let bytes = Self.small().bytes
    // The last 8 bytes are padding.
    for count in 0..<bytes.count - 8 {
      let error = try Self.refusal(Array(bytes[..<count]))
      #expect(error?.kind == .data && error?.file != nil, "\(count) bytes: \(String(describing: error))")
    }
    #expect(try Self.refusal(bytes) == nil)
  }

  @Test func damageNeverTraps() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    let bytes = Self.small().bytes
    let odd: [UInt8] = [0, 1, 0x7f, 0x80, 0xff]
    var refused = 0
    for _ in 0..<2000 {
      var damaged = bytes
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let place = Int.random(in: 0..<damaged.count, using: &generator)
        damaged[place] = odd.randomElement(using: &generator) ?? 0
      }
      if let error = try Self.refusal(damaged) {
        refused += 1
        #expect(error.kind == .data, "seed \(seed): \(error)")
      }
    }
    #expect(refused > 200, "seed \(seed)")
  }

  @Test func faultsNameTheirPlace() throws {
    func expect(
      _ parts: [String], _ change: (inout GGUFWriter) -> Void, _ place: SourceLocation = #_sourceLocation
    )
      throws
    {
      var writer = Self.small()
      change(&writer)
      let line = try Self.refusal(writer.bytes)?.description ?? "accepted"
      #expect(parts.allSatisfy { line.contains($0) }, "\(line)", sourceLocation: place)
    }
    try expect(["version 1"]) { $0.version = 1 }
    try expect(["big-endian"]) { $0.version = 0x0300_0000 }
    try expect(["key a.byte", "twice"]) { $0.keys.append(("a.byte", .byte(1))) }
    try expect(["tensor first", "twice"]) { $0.tensors[1].name = "first" }
    try expect(["tensor first", "type 4 "]) { $0.tensors[0].type = 4 }
    try expect(["tensor first", "whole blocks of Q4_0"]) { $0.tensors[0].type = 2 }
    try expect(["tensor first", "5 dimensions"]) { $0.tensors[0].shape = [3, 1, 1, 1, 1] }
    try expect(["tensor first", "dimension is 0"]) { $0.tensors[0].shape = [0] }
    try expect(["tensor first", "dimension is -3"]) { $0.tensors[0].shape = [-3] }
    try expect(["tensor second", "too large"]) {
      $0.tensors[1].shape = [2_000_000_000, 2_000_000_000, 2_000_000_000]
    }
    try expect(["tensor second", "truncated"]) { $0.tensors[1].shape = [2_000_000, 3] }
    try expect(["tensor second", "multiple of 32"]) { $0.tensors[1].offset = 33 }
    try expect(["tensor second", "truncated"]) { $0.tensors[1].offset = .max - 31 }
    try expect(["shares bytes"]) { $0.tensors[1].offset = 0 }
    try expect([GGUFFile.alignmentKey, "power of two"]) { $0.keys.append((GGUFFile.alignmentKey, .word(48))) }
    try expect([GGUFFile.alignmentKey, "power of two"]) { $0.keys.append((GGUFFile.alignmentKey, .long(0))) }
  }

  @Test func otherAlignmentsAreKept() throws {
    for alignment in [1, 8, 4096] {
      var writer = Self.small()
      writer.alignment = alignment
      writer.keys.append((GGUFFile.alignmentKey, .word(UInt32(alignment))))
      let folder = try writer.written()
      let second = try #require(try GGUFModel(path: folder.file).tensors["second"])
      #expect(second.bytes.loadUnaligned(as: Float.self) == 4, "alignment \(alignment)")
    }
  }

  // MARK: Parts

  private static func parts(_ change: (inout [GGUFWriter]) -> Void = { _ in }) throws -> GGUFFolder {
    var writers = (0..<2).map { index in
      var writer = GGUFWriter()
      writer.keys = [
        ("split.no", .word(UInt32(index))), ("split.count", .word(2)), ("split.tensors.count", .word(2)),
      ]
      writer.floats("tensor \(index)", [2], [Float(index), 7])
      return writer
    }
    change(&writers)
    var files: [String: [UInt8]] = [:]
    for (index, writer) in writers.enumerated() { files["m-0000\(index + 1)-of-00002.gguf"] = writer.bytes }
    return try GGUFFolder(files)
  }

  private static func refusal(_ folder: GGUFFolder, part: Int = 1) -> String {
    do {
      _ = try GGUFModel(path: folder.path + "/m-0000\(part)-of-00002.gguf")
      return "accepted"
    } catch {
      return error.description
    }
  }

  @Test func partsAreOneModel() throws {
    let folder = try Self.parts()
    let model = try GGUFModel(path: folder.file)
    #expect(model.tensors.keys.sorted() == ["tensor 0", "tensor 1"] && model.files.count == 2)
    #expect(Self.refusal(folder, part: 2).contains("part 2 of 2"))
    try FileManager.default.removeItem(atPath: folder.path + "/m-00002-of-00002.gguf")
    #expect(Self.refusal(folder).contains("m-00002-of-00002.gguf"))
  }

  @Test func partsThatDoNotFitAreRefused() throws {
    let twice = try Self.parts { $0[1].tensors[0].name = "tensor 0" }
    #expect(Self.refusal(twice).contains("tensor tensor 0: another part"))
    let missing = try Self.parts { $0[0].keys[2].value = .word(3) }
    #expect(Self.refusal(missing).contains("split.tensors.count: 3, but the 2 parts hold 2"))
    let other = try Self.parts { $0[1].keys[0].value = .word(0) }
    #expect(Self.refusal(other).contains("split.no: 0, expected 1"))
    let name = try GGUFFolder(["model.gguf": [UInt8](Data(contentsOf: URL(fileURLWithPath: twice.file)))])
    #expect(throws: PackError.self) { try GGUFModel(path: name.file) }
  }
}
