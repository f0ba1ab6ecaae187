import SoniqCore
import SoniqGraph
import SoniqKernels
import SoniqRuntime
import SoniqTestSupport
import Testing

@testable import SoniqPack

/// Decoders of GGUF files, from token ids to logits.
@Suite struct GGUFImportTests {
  static let ids: [Int32] = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 39]

  private static func model(
    _ decoder: TinyDecoder, palette: String = "keep"
  ) throws -> (Model, GGUFFolder) {
    let folder = try decoder.writer.written()
    let imported = try GGUFImporter.importModel(
      path: folder.file, options: try DecoderImportOptions(palette: palette))
    return (try Model(imported.description), folder)
  }

  private static func session(_ model: Model, lanes: Int = 1, instructions: String? = nil) throws -> Session {
    var options = SessionOptions()
    options.threadCount = lanes
    options.maximums = [
      SymbolMaximum(name: "capacity", maximum: 64), SymbolMaximum(name: "sequence", maximum: 32),
    ]
    options.maximumInstructionSet = instructions
    return try Session(model, options: options)
  }

  /// The logits of some rows of a run, of the last one where none are named.
  private static func run(_ session: Session, _ ids: [Int32], rows: [Int32]? = nil) throws -> [Float] {
    try session.setInput(0, data: ids, elementType: .int32, shape: [1, Int64(ids.count)], rank: 2)
    if let rows {
      try session.setInput(1, data: rows, elementType: .int32, shape: [Int64(rows.count)], rank: 1)
    } else {
      try session.clearInput(1)
    }
    try session.run()
    let output = try session.output(0)
    let count = output.shape.reduce(1, *)
    return Array(UnsafeBufferPointer(start: output.data.assumingMemoryBound(to: Float.self), count: count))
  }

  private static var allRows: [Int32] { ids.indices.map { Int32($0) } }

  @Test func codesThatAreKeptAgreeWithFloats() throws {
    var decoder = TinyDecoder()
    decoder.quantize(type: 8, length: 32, bytes: 34, numbers: [0])
    for index in decoder.writer.tensors.indices where decoder.writer.tensors[index].type == 8 {
      // Scales of weights near 1.
      for block in stride(from: 0, to: decoder.writer.tensors[index].bytes.count, by: 34) {
        let half = Float16(0.003).bitPattern
        decoder.writer.tensors[index].bytes[block] = UInt8(half & 255)
        decoder.writer.tensors[index].bytes[block + 1] = UInt8(half >> 8)
      }
    }
    let (kept, first) = try Self.model(decoder)
    let (float, second) = try Self.model(decoder, palette: "f32")
    let got = try Self.run(Self.session(kept), Self.ids, rows: Self.allRows)
    let truth = try Self.run(Self.session(float), Self.ids, rows: Self.allRows)
    let distance = zip(got, truth).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    let whole = truth.reduce(0) { $0 + $1 * $1 }
    #expect(
      got.count == 16 * TinyDecoder.vocabulary && distance < 0.04 * 0.04 * whole, "\(distance) of \(whole)")
    withExtendedLifetime((first, second)) {}
  }

  @Test(arguments: [nil, 2, 3, 6, 8, 20] as [UInt32?]) func sameBitsInAnyPieces(type: UInt32?) throws {
    var decoder = TinyDecoder()
    if let type {
      let bytes = try #require(GGUFTensorType(type)).blockBytes
      decoder.quantize(type: type, length: 32, bytes: bytes, numbers: [3, 7].contains(type) ? [0, 2] : [0])
    }
    try Self.expectSameBits(Self.model(decoder))
  }

  /// Weights that were floats, or other codes.
  @Test(arguments: ["2", "3", "4", "6", "8"]) func sameBitsOfRoundedWeights(palette: String) throws {
    try Self.expectSameBits(Self.model(TinyDecoder(), palette: palette))
    var decoder = TinyDecoder()
    decoder.quantize(type: 8, length: 32, bytes: 34, numbers: [0])
    try Self.expectSameBits(Self.model(decoder, palette: palette))
  }

  @Test func fewerBitsAreFurtherAway() throws {
    let (float, folder) = try Self.model(TinyDecoder(), palette: "f32")
    let truth = try Self.run(Self.session(float), Self.ids, rows: Self.allRows)
    let errors = try (2...8).map { bits in
      let (model, folder) = try Self.model(TinyDecoder(), palette: "\(bits)")
      let got = try Self.run(Self.session(model), Self.ids, rows: Self.allRows)
      withExtendedLifetime(folder) {}
      let distance = zip(got, truth).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
      return (distance / truth.reduce(0) { $0 + $1 * $1 }).squareRoot()
    }
    #expect(errors[0] > errors[1] && errors[1] > errors[2] && errors[2] > 2 * errors[6], "\(errors)")
    #expect(errors[2] < 0.3 && errors[6] < 0.05, "\(errors)")
    withExtendedLifetime(folder) {}
  }

  private static func expectSameBits(_ made: (model: Model, folder: GGUFFolder)) throws {
    let (model, folder) = made
    let whole = try Self.run(Self.session(model), Self.ids, rows: Self.allRows).map(\.bitPattern)
    for instructions in InstructionSet.underTest().map(\.name) {
      for (lanes, lengths) in [
        (1, [Int](repeating: 1, count: 16)), (2, [7, 9]), (3, [15, 1]), (2, [1, 15]),
      ] {
        let session = try Self.session(model, lanes: lanes, instructions: instructions)
        var (bits, begin) = ([UInt32](), 0)
        for length in lengths {
          let part = Array(Self.ids[begin..<begin + length])
          bits += try Self.run(session, part, rows: part.indices.map { Int32($0) }).map(\.bitPattern)
          begin += length
        }
        #expect(bits == whole, "\(instructions), \(lanes) lanes, \(lengths)")
        // The last position again, by itself and by default.
        try session.states.truncate(to: 15)
        let last = try Self.run(session, [Self.ids[15]]).map(\.bitPattern)
        #expect(last == Array(whole.suffix(TinyDecoder.vocabulary)))
      }
    }
    withExtendedLifetime(folder) {}
  }

  @Test func chosenRowsAreTheWholesRows() throws {
    let (model, folder) = try Self.model(TinyDecoder())
    let whole = try Self.run(Self.session(model), Self.ids, rows: Self.allRows)
    let some = try Self.run(Self.session(model), Self.ids, rows: [2, -1, 0])
    let expected = [2, 15, 0].flatMap { row in
      whole[row * TinyDecoder.vocabulary..<(row + 1) * TinyDecoder.vocabulary]
    }
    #expect(some == expected)
    #expect(try Self.run(Self.session(model), Self.ids) == Array(whole.suffix(TinyDecoder.vocabulary)))
    let session = try Self.session(model)
    let error = #expect(throws: RuntimeError.self) { try Self.run(session, Self.ids, rows: [16]) }
    #expect(error?.code == .idOutOfRange)
    withExtendedLifetime(folder) {}
  }

  @Test func metadataAndStatesAreThoseOfTheFile() throws {
    let folder = try TinyDecoder().writer.written()
    let imported = try GGUFImporter.importModel(path: folder.file, options: DecoderImportOptions())
    let graph = imported.description.graph
    #expect(graph.states.map(\.name) == ["keys 0", "values 0", "keys 1", "values 1"])
    #expect(graph.states.allSatisfy { $0.elementType == .int8 && $0.shape[2] == .fixed(32) })
    #expect(graph.symbols.map(\.maximum) == [16, 256, 256, 128])
    let metadata = Dictionary(uniqueKeysWithValues: imported.description.metadata.map { ($0.key, $0.value) })
    #expect(metadata["general.name"] == .text("tiny") && metadata["source.architecture"] == .text("llama"))
    #expect(metadata["tokenizer.eos_token_id"] == .integer(2))
  }

  /// What packing rounds, and what it leaves as the file has it.
  @Test func wordsKeepTheirCodesOrHaveEightBits() throws {
    func levels(_ decoder: TinyDecoder, _ palette: String) throws -> [String: WeightCode] {
      let folder = try decoder.writer.written()
      let options = try DecoderImportOptions(palette: palette)
      let imported = try GGUFImporter.importModel(path: folder.file, options: options)
      #expect(imported.remarks.contains { $0.hasPrefix("the words' table") } == (palette != "8"))
      let graph = imported.description.graph
      return Dictionary(
        uniqueKeysWithValues: zip(graph.constantNames, graph.constants).compactMap { name, constant in
          if case .matrix(let matrix) = constant { (name, matrix.levels[0].level.weight) } else { nil }
        })
    }
    let floats = try levels(TinyDecoder(), "3")
    #expect(floats["blk.1.ffn_up.weight"]?.bits == 3 && floats["token_embd.weight"]?.bits == 8)
    #expect(floats.count == 15)
    var decoder = TinyDecoder()
    decoder.quantize(type: 2, length: 32, bytes: 18, numbers: [0])
    let codes = try levels(decoder, "8")
    #expect(codes["blk.1.ffn_up.weight"]?.bits == 8 && codes["token_embd.weight"]?.bits == 4)
  }

  @Test func palettesOfDecodersAreChecked() throws {
    for odd in ["1", "9", "4,8", "w4a8", "", "4 ", "keep8"] {
      let error = #expect(throws: PackError.self) { try DecoderImportOptions(palette: odd) }
      #expect(error?.kind == .usage && error?.description.contains("language models have one of") == true)
    }
  }

  @Test func aTableThatIsTheHeadIsStoredOnce() throws {
    var decoder = TinyDecoder()
    decoder.quantize(type: 2, length: 32, bytes: 18, numbers: [0])
    let folder = try decoder.writer.written()
    let graph = try GGUFImporter.importModel(path: folder.file, options: DecoderImportOptions()).description
      .graph
    let matrices = graph.constantNames.filter { $0.hasSuffix(".weight") && !$0.contains("norm") }
    #expect(matrices.count == 15 && !matrices.contains("output.weight"))
  }

  // MARK: Faults

  private static func refusal(
    _ change: (inout GGUFWriter) -> Void, _ options: DecoderImportOptions? = nil
  ) throws -> String {
    var writer = TinyDecoder().writer
    change(&writer)
    let folder = try writer.written()
    let chosen = if let options { options } else { try DecoderImportOptions() }
    do {
      _ = try GGUFImporter.importModel(path: folder.file, options: chosen)
      return "accepted"
    } catch {
      #expect(error.kind == .usage || error.file == folder.file)
      return error.description
    }
  }

  @Test func whatIsNotKnownIsNamed() throws {
    func set(_ name: String, _ value: GGUFWriter.Value) -> (inout GGUFWriter) -> Void {
      { writer in
        writer.keys.removeAll { $0.name == name }
        writer.keys.append((name, value))
      }
    }
    let changes: [(String, (inout GGUFWriter) -> Void)] = [
      (
        "key general.architecture: unknown architecture \"mamba\"; known: ",
        set("general.architecture", .text("mamba"))
      ),
      ("key llama.new_thing: not known", set("llama.new_thing", .word(1))),
      ("key llama.expert_count: known: integer(0)", set("llama.expert_count", .word(8))),
      ("key llama.rope.scaling.type: \"ntk\"", set("llama.rope.scaling.type", .text("ntk"))),
      ("key llama.embedding_length: must be", set("llama.embedding_length", .text("64"))),
      ("key llama.block_count: must be", set("llama.block_count", .word(0))),
      (
        "key llama.attention.head_count_kv: 3 does not divide", set("llama.attention.head_count_kv", .word(3))
      ),
      (
        "key llama.attention.layer_norm_rms_epsilon: must be",
        set("llama.attention.layer_norm_rms_epsilon", .real(0))
      ),
      ("key llama.attention.value_length: 8", set("llama.attention.value_length", .word(8))),
      ("key llama.rope.dimension_count: must be", set("llama.rope.dimension_count", .word(18))),
      ("key llama.rope.freq_base: must be above 1", set("llama.rope.freq_base", .real(1))),
      (
        "key llama.feed_forward_length: 3 numbers, expected 2",
        set("llama.feed_forward_length", .words([96, 96, 96]))
      ),
      ("tensor blk.1.ffn_up.weight: missing", { $0.tensors.removeAll { $0.name == "blk.1.ffn_up.weight" } }),
      ("tensor odd: nothing of llama", { $0.floats("odd", [1], [1]) }),
      ("tensor token_embd.weight: missing", { $0.tensors.removeFirst() }),
      ("tensor output_norm.weight: shape [64], expected", set("llama.embedding_length", .word(32))),
    ]
    for (words, change) in changes.dropLast() {
      let line = try Self.refusal(change)
      #expect(line.contains(words), "\(line)")
    }
    // Sizes that do not fit each other: some tensor is named.
    #expect(try Self.refusal(set("llama.embedding_length", .word(32))).contains("tensor "))
    for count in [UInt32(64), 65] {
      let line = try Self.refusal(set("llama.attention.head_count", .word(count)))
      #expect(line.contains("key llama.attention.head_count: \(count) heads of 64 numbers"))
    }
  }

  @Test func sizesThatAreAskedForAreChecked() throws {
    var options = try DecoderImportOptions()
    options.maximums = ["capacity": 257]
    #expect(try Self.refusal({ _ in }, options).contains("--maximum capacity=257: the model has at most 256"))
    options.maximums = ["tokens": 5]
    #expect(try Self.refusal({ _ in }, options).contains("--maximum tokens: a decoder has no such size"))
  }

  @Test func numbersThatAreNotFiniteAreNamed() throws {
    let line = try Self.refusal {
      $0.tensors[2].bytes.replaceSubrange(8..<12, with: TinyCheckpoint.floats([.nan]))
    }
    #expect(line.contains("tensor blk.0.attn_q.weight: the number at [0, 2] is nan"))
  }

  @Test func everyCutFileIsRefused() throws {
    let bytes = TinyDecoder().writer.bytes
    var generator = SeededGenerator(seed: 41)
    for _ in 0..<60 {
      let count = Int.random(in: 0..<bytes.count, using: &generator)
      let folder = try GGUFFolder(["model.gguf": Array(bytes[..<count])])
      let error = #expect(throws: PackError.self) {
        try GGUFImporter.importModel(path: folder.file, options: DecoderImportOptions())
      }
      #expect(error?.kind == .data, "\(count)")
    }
  }
}
