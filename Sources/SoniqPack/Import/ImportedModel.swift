import SoniqFormat
package import SoniqGraph

/// A float32 model and what the packer must know about it beyond the graph.
package struct ImportedModel: Sendable {
  package var description: ModelDescription
  /// The ids that frame a token sequence, for calibration without data; nil when the model takes no tokens.
  package var framing: TokenFraming?
  /// Files beside the model's own that hold its tensors.
  package var dataFiles: [String] = []
  /// The model's own names of inputs and outputs that a packed file cannot hold, by what they are called in it.
  package var fullNames: [String: String] = [:]
  /// Nodes whose codes became real numbers, each with the reason.
  package var decoded: [String] = []
  /// What else the user should know, a line each.
  package var remarks: [String] = []
  /// Parts of the checkpoint that the graph has not, by the names of their tensors.
  package var leftOut: [String] = []

  package init(description: ModelDescription, framing: TokenFraming? = nil, leftOut: [String] = []) {
    self.description = description
    self.framing = framing
    self.leftOut = leftOut
  }

  /// One line for the user about what was left out; nil when nothing was.
  package var notice: String? {
    guard !leftOut.isEmpty else { return nil }
    let graph = description.graph
    let outputs = graph.outputs.map { graph.values[$0].name }.joined(separator: ", ")
    return "left out of the checkpoint: \(leftOut.joined(separator: ", ")); the outputs are \(outputs). "
      + "To have more of it, export the model to ONNX and pack that"
  }

  /// Gives the model another name than its folder's.
  package mutating func setName(_ name: String) {
    description.metadata.removeAll { $0.key == MetadataKey.name }
    description.metadata.insert((MetadataKey.name, .text(name)), at: 0)
  }
}

/// Names and ids of a model's token input.
package struct TokenFraming: Sendable, Hashable {
  package var vocabularySize: Int
  /// Ids put before and after a sequence.
  package var first: Int
  package var last: Int
  package var maximumLength: Int
  /// The id of the most frequent word; special tokens, letters and the like come before it.
  package var firstWord: Int

  package init(vocabularySize: Int, first: Int, last: Int, maximumLength: Int, firstWord: Int = 0) {
    self.vocabularySize = vocabularySize
    self.first = first
    self.last = last
    self.maximumLength = maximumLength
    self.firstWord = firstWord
  }
}

extension TokenFraming {
  /// [CLS], [SEP] and "the" of the uncased BERT vocabulary, if the vocabulary is that large.
  init(bertVocabulary size: Int, maximumLength: Int) {
    self.init(
      vocabularySize: size, first: min(101, size - 1), last: min(102, size - 1), maximumLength: maximumLength,
      firstWord: size > 4096 ? 1996 : 0)
  }
}
