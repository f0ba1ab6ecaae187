import SoniqGraph

/// What stands behind the encoder, by the class that config.json names as the model's architecture.
enum BertHead: String {
  case sequenceClassification = "BertForSequenceClassification"
  case tokenClassification = "BertForTokenClassification"
  case questionAnswering = "BertForQuestionAnswering"
  case maskedLanguageModel = "BertForMaskedLM"
  case preTraining = "BertForPreTraining"
  case nextSentence = "BertForNextSentencePrediction"

  init?(_ folder: CheckpointFolder) {
    guard let name = folder.config["architectures"]?.array?.first?.text else { return nil }
    self.init(rawValue: name)
  }

  /// A tensor without which a checkpoint has no such head: whoever saves the bare encoder keeps the class's name.
  fileprivate var marker: String {
    switch self {
    case .sequenceClassification, .tokenClassification: "classifier.weight"
    case .questionAnswering: "qa_outputs.weight"
    case .maskedLanguageModel, .preTraining: "cls.predictions.transform.dense.weight"
    case .nextSentence: "cls.seq_relationship.weight"
    }
  }
}

extension BertEncoder {
  /// The outputs of a checkpoint that is no sentence encoder: the head's if there is one, then the hidden
  /// state, then the pooler's unless a head has it for itself.
  mutating func addHead(_ hidden: ValueID, _ rows: [Dimension]) throws(PackError) {
    guard let head = BertHead(folder), has(head.marker) else {
      builder.output(hidden, name: "last_hidden_state")
      if has(prefix + "pooler.dense.weight") {
        builder.output(try pooler(hidden, rows), name: "pooler_output")
      }
      return
    }
    switch head {
    case .sequenceClassification:
      let pooled = try pooler(hidden, rows)
      builder.output(try classifier("classifier", pooled, [rows[0]]), name: "logits")
    case .tokenClassification:
      builder.output(try classifier("classifier", hidden, rows), name: "logits")
    case .questionAnswering:
      try addSpans(hidden, rows)
    case .maskedLanguageModel:
      builder.output(try predictions(hidden, rows), name: "logits")
    case .preTraining:
      builder.output(try predictions(hidden, rows), name: "prediction_logits")
      let pooled = try pooler(hidden, rows)
      let relationship = try classifier("cls.seq_relationship", pooled, [rows[0]])
      builder.output(relationship, name: "seq_relationship_logits")
    case .nextSentence:
      let pooled = try pooler(hidden, rows)
      builder.output(try classifier("cls.seq_relationship", pooled, [rows[0]]), name: "logits")
    }
    builder.output(hidden, name: "last_hidden_state")
  }

  private func has(_ tensor: String) -> Bool { folder.tensors.tensors[tensor] != nil }

  /// tanh of a linear layer of the first position.
  private mutating func pooler(_ hidden: ValueID, _ rows: [Dimension]) throws(PackError) -> ValueID {
    let size = Dimension.fixed(sizes.hidden)
    let place = builder.integers("pooler.position", [0])
    let first = builder.node(
      "pooler.first", .gather(axis: 1), [hidden, place], [rows[0], .fixed(1), size])
    let shape = [rows[0], size]
    let row = builder.node("pooler.row", .reshape(shape), [first], shape)
    let dense = try linear("pooler.dense", row, (sizes.hidden, sizes.hidden), shape)
    return builder.node("pooler.activation", .activation(.tanh), [dense], shape)
  }

  /// A linear layer with as many outputs as its bias has numbers.
  private mutating func classifier(
    _ name: String, _ input: ValueID, _ rows: [Dimension]
  ) throws(PackError) -> ValueID {
    let outputs = folder.tensors.tensors[name + ".bias"]?.shape.first ?? 1
    guard (1...1_048_576).contains(outputs) else {
      throw PackError(
        .data, file: folder.tensors.path, place: "tensor \(name).bias",
        "\(outputs) labels; known: 1 to 1048576")
    }
    return try linear(name, input, (outputs, sizes.hidden), rows + [.fixed(outputs)], prefix: "")
  }

  /// Where the answer begins and where it ends: the two columns of one linear layer.
  private mutating func addSpans(_ hidden: ValueID, _ rows: [Dimension]) throws(PackError) {
    let both = try linear("qa_outputs", hidden, (2, sizes.hidden), rows + [.fixed(2)], prefix: "")
    for (column, name) in ["start_logits", "end_logits"].enumerated() {
      let whole = SliceRange(begin: 0, step: 1, count: nil)
      let range = SliceRange(begin: column, step: 1, count: 1)
      let cut = builder.node(
        "qa_outputs.\(name).column", .slice([whole, whole, range]), [both], rows + [.fixed(1)])
      builder.output(builder.node("qa_outputs.\(name)", .reshape(rows), [cut], rows), name: name)
    }
  }

  /// A score for each word of the vocabulary at each position.
  private mutating func predictions(_ hidden: ValueID, _ rows: [Dimension]) throws(PackError) -> ValueID {
    let name = "cls.predictions"
    let shape = rows + [.fixed(sizes.hidden)]
    let dense = try linear(
      name + ".transform.dense", hidden, (sizes.hidden, sizes.hidden), shape, prefix: "")
    let active = builder.node(name + ".transform.activation", .activation(sizes.activation), [dense], shape)
    let normed = try layerNorm(name + ".transform.LayerNorm", active, shape, prefix: "")
    let weights = try decoderWeights(name + ".decoder.weight")
    let bias = try tensor(name + ".bias", [sizes.vocabulary], prefix: "")
    // Another name of the same numbers.
    used.insert(name + ".decoder.bias")
    let matrix = try builder.matrix(
      name + ".decoder.weight", weights: weights, outputs: sizes.vocabulary, inputs: sizes.hidden, bias: bias)
    return builder.node(
      name + ".decoder", .linear(matrix: matrix), [normed], rows + [.fixed(sizes.vocabulary)])
  }

  /// The words' table again, unless the checkpoint has a matrix of its own.
  private mutating func decoderWeights(_ name: String) throws(PackError) -> [Float] {
    let shape = [sizes.vocabulary, sizes.hidden]
    if has(name) { return try tensor(name, shape, prefix: "") }
    guard folder.config["tie_word_embeddings"]?.boolean != false else {
      throw PackError(
        .data, file: folder.tensors.path, place: "tensor \(name)",
        "missing, and config.json says that the words' table is not used for it")
    }
    return try tensor("embeddings.word_embeddings.weight", shape)
  }

  /// The modules whose tensors no part of the graph was made of, sorted; the last may be a count of further ones.
  var leftOut: [String] {
    // No weights: the numbers 0, 1, 2, ... that older checkpoints keep.
    let counted = prefix + "embeddings.position_ids"
    let unused = folder.tensors.tensors.keys.filter { !used.contains($0) && $0 != counted }
    let modules = Set(unused.map(Self.module)).sorted()
    let most = 12
    guard modules.count > most else { return modules }
    return modules.prefix(most) + ["and \(modules.count - most) more"]
  }

  /// The module that a tensor belongs to.
  private static func module(of tensor: String) -> String {
    for ending in [".weight", ".bias"] where tensor.hasSuffix(ending) {
      return String(tensor.dropLast(ending.count))
    }
    return tensor
  }
}
