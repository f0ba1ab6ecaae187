import SoniqFormat
import SoniqGraph
import SoniqQuantizers
import SoniqText

/// Gives the matrices of a decoder few bits by what they multiply while it reads texts.
package struct CalibratedDecoder {
  package let options: DecoderImportOptions
  package let progress: ProgressReport

  package init(options: DecoderImportOptions, progress: ProgressReport = .silent) {
    (self.options, self.progress) = (options, progress)
  }

  /// Rounds all matrices of floats.
  /// * path: what to calibrate on, as `Passages` reads it.
  /// * tokenLimit: the most that are read of it.
  /// - Throws: `usage`, `noInput` and `data` for texts that do not suit, `data` for a model whose numbers are not finite.
  package func round(_ imported: inout ImportedModel, path: String, tokenLimit: Int) throws(PackError) {
    guard let rounding = options.calibratedRounding else { return }
    let passages = try passages(imported.description, path).sequences(limit: tokenLimit)
    let store = ConstantStore()
    imported.description.owner.append(store)
    let words = FloatWords(imported.description.graph)
    let layers = GroupedLayers(
      data: .passages(passages), skipsFirstRow: true, store: store, progress: progress)
    let longest = passages.sequences.map(\.count).max() ?? 1
    try layers.round(&imported.description, bounded: { $0.bounded(passage: longest) }) {
      ($0 == DecoderPart.head ? rounding.words : rounding.matrices).form
    }
    try words?.replace(in: &imported.description.graph, rounding.words, store)
    imported.description.metadata.append(
      (MetadataKey.calibrationTokens, .integer(Int64(passages.tokenCount))))
  }

  private func passages(_ model: ModelDescription, _ path: String) throws(PackError) -> Passages {
    let tokenizer: Tokenizer?
    do throws(FormatError) {
      tokenizer = try TokenizerCoding.tokenizer(of: model)
    } catch {
      throw PackError(.software, place: "tokenizer", error.message)
    }
    let vocabulary = model.graph.outputs.first.flatMap { model.graph.values[$0].shape.last?.fixedSize }
    return try Passages(path: path, tokenizer: tokenizer, vocabulary: vocabulary ?? 0)
  }
}

extension ModelDescription {
  /// A decoder with room for one passage, and logits of all its positions.
  fileprivate func bounded(passage length: Int) -> ModelDescription {
    var bounded = self
    for index in graph.symbols.indices {
      bounded.graph.symbols[index].maximum = graph.symbols[index].name == "batch" ? 1 : length
    }
    return bounded
  }
}
