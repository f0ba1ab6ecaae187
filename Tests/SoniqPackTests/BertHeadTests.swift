import Foundation
import SoniqFormat
import SoniqGraph
import SoniqPack
import SoniqTestSupport
import Testing

/// Heads and poolers of BERT folders, against the same arithmetic on the bare encoder's hidden state.
@Suite struct BertHeadTests {
  private static let hidden = TinyCheckpoint.hidden
  private static let vocabulary = TinyCheckpoint.vocabulary
  private static let length = 7

  /// A layer behind the encoder, and its numbers.
  private struct Layer {
    let weights: [Float]
    let bias: [Float]

    init(_ outputs: Int, seed: UInt64) {
      var generator = SeededGenerator(seed: seed)
      weights = (0..<outputs * hidden).map { _ in Float.random(in: -0.3...0.3, using: &generator) }
      bias = (0..<outputs).map { _ in Float.random(in: -0.3...0.3, using: &generator) }
    }

    func callAsFunction(_ row: [Double]) -> [Double] { apply(weights, row) }

    func apply(_ weights: [Float], _ row: [Double]) -> [Double] {
      bias.indices.map { output in
        row.indices.reduce(Double(bias[output])) { $0 + Double(weights[output * row.count + $1]) * row[$1] }
      }
    }

    func add(_ name: String, to tensors: inout [String: TinyCheckpoint.Tensor], hasWeights: Bool = true) {
      if hasWeights {
        tensors[name + ".weight"] = .init(
          shape: [bias.count, weights.count / bias.count], bytes: TinyCheckpoint.floats(weights))
      }
      tensors[name + ".bias"] = .init(shape: [bias.count], bytes: TinyCheckpoint.floats(bias))
    }
  }

  private let pooler = Layer(hidden, seed: 1)
  private let transform = Layer(hidden, seed: 2)
  private let classifier = Layer(3, seed: 3)
  private let spans = Layer(2, seed: 4)
  private let words = Layer(vocabulary, seed: 5)
  private let relationship = Layer(2, seed: 6)

  private func imported(
    _ architecture: String?, isSentenceEncoder: Bool = false, withoutHead: Bool = false
  ) throws -> ImportedModel {
    let checkpoint = try TinyCheckpoint(prefix: "bert.", isSentenceEncoder: isSentenceEncoder) {
      tensors, config in
      if let architecture { config["architectures"] = "[\"\(architecture)\"]" }
      pooler.add("bert.pooler.dense", to: &tensors)
      classifier.add("classifier", to: &tensors)
      spans.add("qa_outputs", to: &tensors)
      relationship.add("cls.seq_relationship", to: &tensors)
      transform.add("cls.predictions.transform.dense", to: &tensors)
      let ones = [Float](repeating: 1, count: Self.hidden)
      let norm = "cls.predictions.transform.LayerNorm"
      tensors[norm + ".weight"] = .init(shape: [Self.hidden], bytes: TinyCheckpoint.floats(ones))
      tensors[norm + ".bias"] = .init(shape: [Self.hidden], bytes: TinyCheckpoint.floats(ones))
      words.add("cls.predictions", to: &tensors, hasWeights: false)
    }
    return try FolderImporter.importModel(
      path: checkpoint.path, options: FolderOptions(withoutHead: withoutHead))
  }

  private var tokens: TokenSequences {
    let sequences = (0..<3).map { row in
      (0..<Self.length).map { Int32((row * 11 + $0 * 5 + 1) % Self.vocabulary) }
    }
    var tokens = TokenSequences.random(
      framing: TokenFraming(vocabularySize: 2, first: 0, last: 0, maximumLength: 2))
    tokens.sequences = sequences
    return tokens
  }

  /// Rows of the first output.
  private func rows(_ imported: ImportedModel) throws -> [[Double]] {
    try imported.description.graph.validate()
    return try GraphRunner(imported.description, data: .tokens(tokens), threadCount: 1).outputRows()
      .map { $0.map(Double.init) }
  }

  private func names(_ imported: ImportedModel) -> [String] {
    imported.description.graph.outputs.map { imported.description.graph.values[$0].name }
  }

  /// The hidden state [sequence][position].
  private func hiddenStates() throws -> [[[Double]]] {
    let bare = try rows(imported(nil))
    return stride(from: 0, to: bare.count, by: Self.length).map { Array(bare[$0..<$0 + Self.length]) }
  }

  private func pooled() throws -> [[Double]] { try hiddenStates().map { pooler($0[0]).map(tanh) } }

  private func predicted(_ row: [Double]) throws -> [Double] {
    let active = transform(row).map { 0.5 * $0 * (1 + erf($0 / 2.0.squareRoot())) }
    let mean = active.reduce(0, +) / Double(active.count)
    let variance = active.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(active.count)
    let normed = active.map { ($0 - mean) / (variance + 1e-12).squareRoot() + 1 }
    let checkpoint = try TinyCheckpoint()
    let table = try checkpoint.tensor("embeddings.word_embeddings.weight")
    return words.apply(table, normed)
  }

  private func expectClose(_ got: [[Double]], _ wanted: [[Double]], _ comment: Comment) {
    #expect(got.count == wanted.count, comment)
    for (row, other) in zip(got, wanted) {
      #expect(row.count == other.count, comment)
      for (number, reference) in zip(row, other) { #expect(abs(number - reference) < 2e-5, comment) }
    }
  }

  @Test func poolersAreOutputs() throws {
    let model = try imported("BertModel")
    #expect(names(model) == ["last_hidden_state", "pooler_output"])
    var second = model.description
    second.graph.outputs.swapAt(0, 1)
    let output = try GraphRunner(second, data: .tokens(tokens), threadCount: 1).outputRows()
    expectClose(output.map { $0.map(Double.init) }, try pooled(), "pooler_output")
    #expect(model.leftOut.contains("classifier") && !model.leftOut.contains("bert.pooler.dense"))
  }

  @Test func headsGiveTheirLogits() throws {
    let hidden = try hiddenStates()
    let positions = hidden.flatMap { $0 }
    let cases: [(String, [[Double]])] = [
      ("BertForSequenceClassification", try pooled().map { classifier($0) }),
      ("BertForTokenClassification", positions.map { classifier($0) }),
      ("BertForMaskedLM", try positions.map(predicted)),
      ("BertForNextSentencePrediction", try pooled().map { relationship($0) }),
    ]
    for (architecture, wanted) in cases {
      let model = try imported(architecture)
      #expect(names(model) == ["logits", "last_hidden_state"], "\(architecture)")
      expectClose(try rows(model), wanted, "\(architecture)")
    }
  }

  @Test func headsOfTwoOutputs() throws {
    let hidden = try hiddenStates()
    let answering = try imported("BertForQuestionAnswering")
    #expect(names(answering) == ["start_logits", "end_logits", "last_hidden_state"])
    for column in 0..<2 {
      var model = answering
      model.description.graph.outputs.swapAt(0, column)
      expectClose(try rows(model), hidden.map { $0.map { spans($0)[column] } }, "column \(column)")
    }
    var training = try imported("BertForPreTraining")
    #expect(names(training) == ["prediction_logits", "seq_relationship_logits", "last_hidden_state"])
    expectClose(try rows(training), try hidden.flatMap { $0 }.map(predicted), "prediction_logits")
    training.description.graph.outputs.swapAt(0, 1)
    expectClose(try rows(training), try pooled().map { relationship($0) }, "seq_relationship_logits")
  }

  @Test func whatIsLeftOutIsNamed() throws {
    let sentences = try imported("BertModel", isSentenceEncoder: true)
    #expect(names(sentences) == ["sentence_embedding", "last_hidden_state"])
    #expect(sentences.leftOut.contains("bert.pooler.dense"))
    let notice = try #require(sentences.notice)
    #expect(notice.contains("bert.pooler.dense") && notice.contains("ONNX"))
    let stated = sentences.description.metadata.first { $0.key == MetadataKey.leftOut }?.value
    guard case .text(let text) = stated else {
      Issue.record("no metadata")
      return
    }
    #expect(text == sentences.leftOut.joined(separator: ", "))
    for architecture in ["BertForSomethingNew", "BertForSequenceClassification"] {
      let encoder = try imported(architecture, withoutHead: true)
      #expect(names(encoder) == ["last_hidden_state", "pooler_output"])
      #expect(encoder.leftOut.contains("classifier") && encoder.leftOut.contains("qa_outputs"))
    }
    let bare = try TinyCheckpoint()
    let plain = try FolderImporter.importModel(path: bare.path)
    #expect(plain.leftOut.isEmpty && plain.notice == nil)
  }

  /// A head is never left out unless the user says so.
  @Test func unknownHeadsAreRefused() {
    #expect { _ = try imported("BertForSomethingNew") } throws: { error in
      let line = "\(error)"
      return (error as? PackError)?.kind == .data
        && ["architectures", "BertForSomethingNew", "ForMaskedLM", "--without-head"].allSatisfy(line.contains)
    }
  }

  @Test(arguments: ["BertForSequenceClassification", "BertForMaskedLM", "BertForQuestionAnswering"])
  func headsPackAtEightBits(architecture: String) throws {
    let model = try imported(architecture)
    let (packed, _) = try ModelPacker(options: PackOptions(palette: Palette("8"))).pack(model)
    try packed.graph.validate()
    let reference = try GraphRunner(model.description, data: .tokens(tokens), threadCount: 1).outputRows()
    let rows = try GraphRunner(packed, data: .tokens(tokens), threadCount: 1).outputRows()
    #expect(OutputAgreement(reference: reference, rows: rows).meanCosine > 0.99, "\(architecture)")
  }

  /// Classes name a head that the checkpoint may lack, and labels may be none.
  @Test func headsWithoutTensors() throws {
    let bare = try TinyCheckpoint(isSentenceEncoder: false) { _, config in
      config["architectures"] = "[\"BertForMaskedLM\"]"
    }
    #expect(names(try FolderImporter.importModel(path: bare.path)) == ["last_hidden_state"])
    let broken = try TinyCheckpoint(isSentenceEncoder: false) { tensors, config in
      config["architectures"] = "[\"BertForTokenClassification\"]"
      tensors["classifier.weight"] = .init(
        shape: [3, 5], bytes: TinyCheckpoint.floats([Float](repeating: 0, count: 15)))
    }
    #expect { _ = try FolderImporter.importModel(path: broken.path) } throws: { error in
      (error as? PackError)?.kind == .data && "\(error)".contains("classifier")
    }
  }
}

extension TinyCheckpoint {
  /// The numbers of one of its tensors.
  fileprivate func tensor(_ name: String) throws -> [Float] {
    let file = try TensorFile.safetensors(path: path + "/model.safetensors")
    return try file.floats(name, shape: file.tensors[name]?.shape ?? [])
  }
}
