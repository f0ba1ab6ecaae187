import Foundation
import SoniqCore
import SoniqGraph
import SoniqPack
import SoniqQuantizers
import Testing

@Suite struct PackingTests {
  private func packed(
    _ palette: String, target: Double? = nil, _ imported: ImportedModel
  ) throws -> (ModelDescription, PackReport) {
    var options = PackOptions(palette: try Palette(palette))
    options.targetBits = target
    return try ModelPacker(options: options).pack(imported)
  }

  private func rows(_ model: ModelDescription, _ tokens: TokenSequences) throws -> [[Float]] {
    try GraphRunner(model, data: .tokens(tokens), threadCount: 1).outputRows()
  }

  @Test func outputsStayClose() throws {
    let checkpoint = try TinyCheckpoint()
    let imported = try FolderImporter.importModel(path: checkpoint.path)
    let tokens = TokenSequences.random(framing: try #require(imported.framing), count: 12)
    let reference = try rows(imported.description, tokens)
    #expect(reference.allSatisfy { abs($0.reduce(0) { $0 + $1 * $1 } - 1) < 1e-4 })
    for (palette, least) in [("8", 0.999), ("4,8", 0.98), ("4", 0.96), ("4g32", 0.98), ("w8a8", 0.999)] {
      let (model, report) = try packed(palette, imported)
      try model.graph.validate()
      let agreement = OutputAgreement(reference: reference, rows: try rows(model, tokens))
      #expect(agreement.meanCosine > least, "palette \(palette): \(agreement)")
      #expect(report.weights == WeightAccount(model.graph))
    }
  }

  @Test func prefixedCheckpointsAreTheSameModel() throws {
    let plain = try TinyCheckpoint()
    let prefixed = try TinyCheckpoint(prefix: "bert.")
    let first = try FolderImporter.importModel(path: plain.path)
    let second = try FolderImporter.importModel(path: prefixed.path)
    let tokens = TokenSequences.random(framing: try #require(first.framing), count: 3)
    #expect(try rows(first.description, tokens) == rows(second.description, tokens))
  }

  @Test func withoutPoolingTheHiddenStateIsTheOutput() throws {
    let checkpoint = try TinyCheckpoint(isSentenceEncoder: false)
    let graph = try FolderImporter.importModel(path: checkpoint.path).description.graph
    #expect(graph.outputs.map { graph.values[$0].name } == ["last_hidden_state"])
  }

  @Test(arguments: [8.5, 9.5, 10.5]) func targetsAreKept(target: Double) throws {
    let checkpoint = try TinyCheckpoint()
    let imported = try FolderImporter.importModel(path: checkpoint.path)
    let (model, report) = try packed("4,8", target: target, imported)
    #expect(report.weights.averageBits <= target)
    #expect(WeightAccount(model.graph).byteCount == report.weights.byteCount)
  }

  @Test func targetsNeedTwoLevelsAndRoom() throws {
    let checkpoint = try TinyCheckpoint()
    let imported = try FolderImporter.importModel(path: checkpoint.path)
    for (palette, target) in [("8", 5.0), ("4,8", 1.0), ("4,8", -3.0), ("4,8", .nan)] {
      #expect { _ = try packed(palette, target: target, imported) } throws: { error in
        (error as? PackError)?.kind == .usage && "\(error)".contains("--target-bits")
      }
    }
  }

  @Test func filesComeBackAndVerify() throws {
    let checkpoint = try TinyCheckpoint()
    let imported = try FolderImporter.importModel(path: checkpoint.path)
    let path = checkpoint.path + "/m.soniq"
    let (model, report) = try packed("4", imported)
    _ = try OutputFile(path: path).write(model)
    try PackedFile.verify(path)
    let (read, byteCount) = try PackedFile.open(path)
    #expect(WeightAccount(read.graph) == report.weights)
    let inspection = Inspection(read, fileByteCount: byteCount)
    #expect(inspection.tree(title: "m").contains("encoder.layer.1.output.dense.weight  linear 32 x 64"))
    #expect(inspection.json["average_bits"]?.real == report.weights.averageBits)
    let names = try FileManager.default.contentsOfDirectory(atPath: checkpoint.path)
    #expect(!names.contains { $0.contains("part") })
  }

  /// A name in a file can be no line of the tree, and reaches no terminal.
  @Test func namesStayOnTheirLine() {
    var model = ModelDescription(graph: Graph(), metadata: [], owner: [])
    let lines = Inspection(model, fileByteCount: 1).tree(title: "m").split(separator: "\n").count
    model.metadata = [("a\n  forged: 1", .text("\u{1b}[2J\r\u{202e}"))]
    let tree = Inspection(model, fileByteCount: 1).tree(title: "m")
    #expect(tree.split(separator: "\n").count == lines + 1)
    #expect(tree.contains(#"  a\n  forged: 1: \u{1b}[2J\r\u{202e}"#))
  }

  /// Scales of groups, or the units that they count, are widened; what is no bipolar code is refused.
  @Test(arguments: GroupNumber.allCases)
  func slicesWidenTheScalesOfGroups(numbers: GroupNumber) throws {
    let store = ConstantStore()
    let codes = (0..<16 * 32).map { UInt8($0 * 7 % 16) }
    let code = WeightCode.bipolar(4)
    let packing = try #require(WeightPacking(code: code, outputs: 16, channels: 32))
    var weights = [UInt8](repeating: 0, count: packing.byteCount)
    let sums = codes.withUnsafeBufferPointer { codes in
      weights.withUnsafeMutableBytes { packing.pack(codes, into: $0) }
      return packing.storedSums(codes)
    }
    let floats = (0..<16).map { Float($0) * 0.25 - 2 }
    let scales =
      switch numbers {
      case .float32: store.store(floats)
      case .float16: store.store(floats.map { Binary16.bits($0) })
      case .uint8: store.store((0..<16).map { UInt8($0) })
      }
    let level = MatrixLevel(
      level: Level(weight: code, activation: ActivationCode(kind: .symmetric, bits: 8)), channels: 32,
      weights: store.store(weights), scales: numbers == .uint8 ? store.store(floats.map { abs($0) }) : nil,
      storedSums: store.store(sums),
      groups: LevelGroups(length: 32, numbers: numbers, scales: scales))
    var model = ModelDescription(graph: Graph(), metadata: [], owner: [store])
    model.graph.constants = [.matrix(PackedMatrix(outputs: 16, inputs: 32, levels: [level]))]
    model.graph.constantNames = ["m"]
    let cut = try Slice.cut(model, bits: 2)
    defer { withExtendedLifetime((model, cut)) {} }
    guard case .matrix(let matrix) = cut.graph.constants[0] else { return }
    let narrow = matrix.levels[0]
    try matrix.validate()
    let shorter = try #require(WeightPacking(code: .bipolar(2), outputs: 16, channels: 32))
    #expect(shorter.unpack(narrow.weights.raw) == codes.map { $0 >> 2 })
    let groups = try #require(narrow.groups)
    switch numbers {
    case .float32: #expect(Array(groups.scales.bound(to: Float.self)) == floats.map { $0 * 4 })
    case .float16:
      #expect(groups.scales.bound(to: UInt16.self).map { Binary16.value($0) } == floats.map { $0 * 4 })
    case .uint8:
      #expect(Array(groups.scales.raw) == Array(scales.raw))
      #expect(narrow.scales.map { Array($0.bound(to: Float.self)) } == floats.map { abs($0) * 4 })
    }
    var codebook = level
    codebook.level.weight = .codebook([Int8](0..<16))
    model.graph.constants = [.matrix(PackedMatrix(outputs: 16, inputs: 32, levels: [codebook]))]
    #expect { _ = try Slice.cut(model, bits: 2) } throws: { "\($0)".contains("codebook codes") }
  }

  @Test func slicesKeepTheTopBits() throws {
    let checkpoint = try TinyCheckpoint()
    let imported = try FolderImporter.importModel(path: checkpoint.path)
    let (model, _) = try packed("4", imported)
    let cut = try Slice.cut(model, bits: 2)
    defer { withExtendedLifetime((model, cut)) {} }
    try cut.graph.validate()
    for (before, after) in zip(model.graph.constants, cut.graph.constants) {
      guard case .matrix(let wide) = before, case .matrix(let narrow) = after else { continue }
      for (first, second) in zip(wide.levels, narrow.levels) {
        let codes = try #require(
          WeightPacking(code: .bipolar(4), outputs: wide.outputs, channels: first.channels)
        ).unpack(first.weights.raw)
        let shorter = try #require(
          WeightPacking(code: .bipolar(2), outputs: wide.outputs, channels: second.channels)
        ).unpack(second.weights.raw)
        #expect(shorter == codes.map { $0 >> 2 })
        let scales = try #require(first.scales).bound(to: Float.self).map { $0 * 4 }
        #expect(Array(try #require(second.scales).bound(to: Float.self)) == scales)
      }
    }
    #expect { _ = try Slice.cut(packed("8", imported).0, bits: 4) } throws: { error in
      "\(error)".contains("affine") && (error as? PackError)?.kind == .usage
    }
    #expect(throws: PackError.self) { _ = try Slice.cut(model, bits: 5) }
    #expect(throws: PackError.self) { _ = try Slice.cut(model, bits: 0) }
  }
}
