import Foundation
import SoniqPack
import Testing

@Suite struct TokenSequencesTests {
  static let framing = TokenFraming(vocabularySize: 50, first: 1, last: 2, maximumLength: 24)

  /// A .npz archive as numpy.savez writes it.
  static func archive(_ arrays: [(name: String, type: String, shape: String, bytes: [UInt8])]) -> [UInt8] {
    func little(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(value >> ($0 * 8) & 0xff) } }
    var bytes: [UInt8] = []
    var directory: [UInt8] = []
    for array in arrays {
      var header = "{'descr': '\(array.type)', 'fortran_order': False, 'shape': \(array.shape), }"
      header += String(repeating: " ", count: 64 - (header.utf8.count + 11) % 64) + "\n"
      let body =
        [0x93] + Array("NUMPY".utf8) + [1, 0] + little(header.utf8.count, 2) + Array(header.utf8)
        + array.bytes
      let name = Array((array.name + ".npy").utf8)
      let common =
        little(0, 2) + little(0, 4) + little(0, 4) + little(body.count, 4) + little(body.count, 4)
        + little(name.count, 2)
      let local = little(0x0403_4b50, 4) + little(20, 2) + little(0, 2) + common + little(0, 2) + name
      directory +=
        little(0x0201_4b50, 4) + little(20, 2) + little(20, 2) + little(0, 2) + common + little(0, 2)
        + little(0, 2)
      directory += little(0, 2) + little(0, 2) + little(0, 4) + little(bytes.count, 4) + name
      bytes += local + body
    }
    let end = little(0x0605_4b50, 4) + little(0, 4) + little(arrays.count, 2) + little(arrays.count, 2)
    return bytes + directory + end + little(directory.count, 4) + little(bytes.count, 4) + little(0, 2)
  }

  static func integers(_ values: [Int64]) -> [UInt8] { values.withUnsafeBytes { [UInt8]($0) } }

  private func read(_ bytes: [UInt8]) throws -> TokenSequences {
    let path = NSTemporaryDirectory() + "soniq-tokens-" + UUID().uuidString + ".npz"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return try TokenSequences.read(path: path, framing: Self.framing)
  }

  @Test func archivesAreRead() throws {
    let tokens = try read(
      Self.archive([
        ("input_ids", "<i8", "(2, 3)", Self.integers([1, 7, 2, 1, 2, 0])),
        ("attention_mask", "<i8", "(2, 3)", Self.integers([1, 1, 1, 1, 1, 0])),
      ]))
    #expect(tokens.sequences == [[1, 7, 2], [1, 2]])
    #expect(tokens.tokenCount == 5)
  }

  @Test func idsOutsideTheVocabularyAreRefused() throws {
    let archive = Self.archive([("input_ids", "<i8", "(1, 2)", Self.integers([1, 50]))])
    #expect { _ = try read(archive) } throws: { error in
      "\(error)".contains("element 1 is 50") && (error as? PackError)?.kind == .data
    }
  }

  @Test func everyTruncationOfAnArchiveIsAnError() throws {
    let archive = Self.archive([("input_ids", "<i8", "(1, 2)", Self.integers([1, 2]))])
    for count in 0..<archive.count {
      #expect(throws: PackError.self, "\(count) bytes") { _ = try read(Array(archive.prefix(count))) }
    }
  }

  /// Every byte turned: what is read all the same is what was written, and what is not says which file is broken.
  @Test func everyChangedByteIsSeenOrDoesNotMatter() throws {
    let archive = Self.archive([("input_ids", "<i8", "(1, 2)", Self.integers([1, 2]))])
    let whole = try read(archive)
    var seen = 0
    for index in archive.indices {
      for mask in [UInt8(0xff), 0x80, 0x40] {
        var damaged = archive
        damaged[index] ^= mask
        do {
          #expect(try read(damaged) == whole, "byte \(index) ^ \(mask)")
        } catch {
          seen += 1
          #expect(
            (error as? PackError)?.kind == .data && "\(error)".contains(".npz"), "byte \(index): \(error)")
        }
      }
    }
    // The magic numbers, sizes, offsets and names, the array's header and its 16 bytes.
    #expect(seen > archive.count)
  }

  @Test func randomSequencesAreAlwaysTheSame() {
    let tokens = TokenSequences.random(framing: Self.framing)
    #expect(tokens == TokenSequences.random(framing: Self.framing))
    #expect(tokens.sequences.allSatisfy { $0.first == 1 && $0.count <= 24 })
    #expect(tokens.sequences.allSatisfy { $0.allSatisfy { (0..<50).contains($0) } })
    #expect(tokens.limited(to: 100).tokenCount <= 124)
  }

  @Test func batchesHoldOneLengthEach() {
    let tokens = TokenSequences.random(framing: Self.framing)
    let batches = tokens.batches(maximumRows: 64, maximumBatch: 4)
    #expect(batches.reduce(0) { $0 + $1.count } == tokens.sequences.count)
    for batch in batches {
      #expect(batch.count <= 4 && Set(batch.map(\.count)).count == 1)
    }
  }
}
