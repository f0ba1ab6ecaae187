import Glibc
import SoniqCore
import SoniqGraph
import SoniqRuntime
import SoniqTestSupport
import Testing

@testable import SoniqPack

/// Decoders whose weights are rounded by what they multiply.
@Suite struct CalibratedDecoderTests {
  /// Token sequences in a file.
  private static func tokens(_ folder: GGUFFolder, count: Int = 24, length: Int = 32) throws -> String {
    var generator = SeededGenerator(seed: 99)
    let ids = (0..<count * length).map { _ in
      Int32.random(in: 0..<Int32(TinyDecoder.vocabulary), using: &generator)
    }
    let path = folder.file + ".safetensors"
    let header =
      "{\"input_ids\":{\"dtype\":\"I32\",\"shape\":[\(count),\(length)],\"data_offsets\":[0,\(ids.count * 4)]}}"
    var bytes = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8)
    bytes += ids.withUnsafeBytes { Array($0) }
    try write(bytes, to: path)
    return path
  }

  private static func write(_ bytes: [UInt8], to path: String) throws {
    let file = try #require(fopen(path, "w"))
    defer { fclose(file) }
    #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
  }

  private static func imported(
    _ folder: GGUFFolder, _ palette: String, words: Int? = nil, text: String? = nil
  ) throws -> ImportedModel {
    let options = try DecoderImportOptions(palette: palette, words: words, calibrates: text != nil)
    var imported = try GGUFImporter.importModel(path: folder.file, options: options)
    if let text { try CalibratedDecoder(options: options).round(&imported, path: text, tokenLimit: 4096) }
    try imported.description.graph.validate()
    return imported
  }

  private static func logits(_ imported: ImportedModel) throws -> [Float] {
    var generator = SeededGenerator(seed: 3)
    let ids = (0..<64).map { _ in Int32.random(in: 0..<Int32(TinyDecoder.vocabulary), using: &generator) }
    let passages = TokenSequences(sequences: [Array(ids[..<32]), Array(ids[32...])], source: "")
    return try GraphRunner(imported.description, data: .passages(passages), maximumBatch: 1).outputRows()
      .flatMap { $0 }
  }

  private static func error(_ numbers: [Float], _ wanted: [Float]) -> Float {
    let errors = zip(numbers, wanted).map { ($0 - $1) * ($0 - $1) }
    return errors.reduce(0, +) / wanted.reduce(0) { $0 + $1 * $1 }
  }

  @Test(arguments: [2, 3, 4]) func textsMakeTheLogitsMoreExact(bits: Int) throws {
    let folder = try TinyDecoder().writer.written()
    let text = try Self.tokens(folder)
    let wanted = try Self.logits(Self.imported(folder, "f32"))
    let nearest = Self.error(try Self.logits(Self.imported(folder, "\(bits)")), wanted)
    let calibrated = Self.error(try Self.logits(Self.imported(folder, "\(bits)", text: text)), wanted)
    #expect(calibrated < 0.7 * nearest, "\(bits) bits: \(calibrated) after \(nearest)")
  }

  @Test func wordsOfStatedBitsAreStoredOnce() throws {
    let folder = try TinyDecoder().writer.written()
    let imported = try Self.imported(folder, "4", words: 4, text: Self.tokens(folder))
    let graph = imported.description.graph
    var tables: [ConstantID] = []
    for node in graph.nodes {
      if case .embedding(let embedding) = node.operation { tables.append(embedding.table) }
      if node.name == DecoderPart.head, case .linear(let linear) = node.operation {
        tables.append(linear.matrix)
      }
    }
    #expect(tables.count == 2 && tables[0] == tables[1])
    #expect(graph.constants.count == graph.constantNames.count)
    let matrices = graph.constants.filter { if case .matrix = $0 { true } else { false } }
    #expect(matrices.count == 15)
    for constant in graph.constants {
      if case .floatMatrix = constant { Issue.record("a matrix of floats is left") }
    }
  }

  @Test func wordsThatAreNotTheOutputMatrixKeepATableOfTheirOwn() throws {
    var decoder = TinyDecoder()
    decoder.addHead()
    let folder = try decoder.writer.written()
    let wanted = try Self.logits(Self.imported(folder, "f32"))
    let imported = try Self.imported(folder, "6", words: 6, text: Self.tokens(folder))
    let matrices = imported.description.graph.constants.filter {
      if case .matrix = $0 { true } else { false }
    }
    #expect(matrices.count == 16)
    #expect(Self.error(try Self.logits(imported), wanted) < 0.01)
  }

  @Test func codesDoNotDependOnHowOftenTheyAreMade() throws {
    let folder = try TinyDecoder().writer.written()
    let text = try Self.tokens(folder)
    let models = try (0..<2).map { _ in try Self.imported(folder, "3", words: 4, text: text).description }
    #expect(models[0].graph.constants.count == models[1].graph.constants.count)
    for (first, second) in zip(models[0].graph.constants, models[1].graph.constants) {
      guard case .matrix(let left) = first, case .matrix(let right) = second else { continue }
      for (one, other) in zip(left.levels, right.levels) {
        #expect(one.weights.raw.elementsEqual(other.weights.raw))
        for (numbers, others) in zip(one.numbers, other.numbers) {
          #expect(numbers.raw.elementsEqual(others.raw))
        }
      }
    }
    withExtendedLifetime(models) {}
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let folder = try TinyDecoder().writer.written()
    for palette in ["keep", "keep,8", "f32"] {
      let error = #expect(throws: PackError.self) {
        try DecoderImportOptions(palette: palette, calibrates: true)
      }
      #expect(error?.kind == .usage && error?.place == "--calibrate")
      #expect(throws: PackError.self) { try DecoderImportOptions(palette: palette, words: 4) }
    }
    for words in [0, 1, 9] {
      #expect(throws: PackError.self) { try DecoderImportOptions(palette: "4", words: words) }
    }
    // Its tokenizer is none that is known.
    let path = folder.file + ".txt"
    try Self.write(Array("a text".utf8), to: path)
    let error = #expect(throws: PackError.self) { try Self.imported(folder, "4", text: path) }
    #expect(error?.kind == .usage && error?.message.contains("no tokenizer") == true)
    let missing = #expect(throws: PackError.self) { try Self.imported(folder, "4", text: path + ".txt") }
    #expect(missing?.kind == .noInput)
    let odd = try Self.tokens(folder, count: 1, length: 1)
    let short = try Self.imported(folder, "4", text: odd)
    // One position, which does not count: there are no moments, and codes are the nearest.
    #expect(try Self.logits(short).allSatisfy(\.isFinite))
  }
}
