import SoniqGraph

/// Token ids to rows: sums of embeddings.
extension EncoderGraph {
  private static let vocabularyField = "vocab_size"

  mutating func tokens(_ layout: TokenLayout) throws(PackError) -> ValueID {
    let vocabulary = try folder.size(Self.vocabularyField, in: 1...16_777_216)
    let padding = try padding(layout, vocabulary)
    let table = try folder.size(
      family.fields.positions, in: 1...1_048_576, default: family.fields.standardPositions)
    let positionsTable = try positionsTable(layout)
    let counted = table - (padding.map { $0 + 1 } ?? 0)
    guard counted > 0 else {
      throw folder.fieldError(family.fields.positions[0], "\(table); no position is behind the padding's")
    }
    rows = [
      try symbol("batch", maximum: 64),
      try symbol("sequence", maximum: counted, isLimit: positionsTable != nil),
    ]
    let longest = draft.maximum(rows[1]) ?? counted
    let ids = host("input_ids", .int32, rows)
    self.ids = ids
    mask = host("attention_mask", .int32, rows, fill: 1)
    let size = try folder.size("embedding_size", in: 1...65536, default: sizes.hidden)
    let types = try typeCount(layout)
    let typeIds = types > 1 ? host("token_type_ids", .int32, rows, fill: 0) : nil
    framing = try framing(layout, vocabulary, longest)
    var parts: [(name: String, value: ValueID)] = []
    parts.append(("", try lookup(layout.words, ids, rows: vocabulary, size: size)))
    if let name = layout.types, let typeIds {
      parts.append(("embeddings.add_token_type", try lookup(name, typeIds, rows: types, size: size)))
    }
    let single = types == 1 ? layout.types : nil
    if let name = positionsTable {
      parts.append(
        (
          "embeddings.add_position",
          try positions(name, ids, padding, rows: table, size: size, types: single)
        ))
    } else if let name = single {
      let row = KnownTensor(floats: try floats(prefix + name + ".weight", [1, size]), shape: [1, 1, size])
      parts.append(("embeddings.add_token_type", draft.constant(row, name: name)))
    }
    var sum = parts[0].value
    for part in parts.dropFirst() { sum = try self.sum(part.name, sum, part.value) }
    if layout.projectsFirst { sum = try projected(sum, layout) }
    if let name = layout.norm { sum = try norm(prefix + name, sum) }
    return layout.projectsFirst ? sum : try projected(sum, layout)
  }

  private func positionsTable(_ layout: TokenLayout) throws(PackError) -> String? {
    guard let field = layout.positionsField else { return layout.positions }
    return try folder.flag(field, default: true) ? layout.positions : nil
  }

  private mutating func projected(_ sum: ValueID, _ layout: TokenLayout) throws(PackError) -> ValueID {
    guard let name = layout.projection, inputs(of: sum) != sizes.hidden else { return sum }
    let bias = layout.projectsFirst ? false : nil
    let weights = try weights(prefix + name, outputs: sizes.hidden, inputs: inputs(of: sum), hasBias: bias)
    return add(weights, name, sum)
  }

  private func padding(_ layout: TokenLayout, _ vocabulary: Int) throws(PackError) -> Int? {
    guard case .behindPadding = layout.counting else { return nil }
    return try folder.size("pad_token_id", in: 0...vocabulary - 1, default: 1)
  }

  private func typeCount(_ layout: TokenLayout) throws(PackError) -> Int {
    guard layout.types != nil else { return 0 }
    return try folder.size("type_vocab_size", in: 0...65536)
  }

  private mutating func lookup(
    _ name: String, _ ids: ValueID, rows: Int, size: Int
  ) throws(PackError) -> ValueID {
    let table = try floats(prefix + name + ".weight", [rows, size])
    return node(
      name, .embedding(table: table, rows: rows, channels: size), [ids], shape(ids) + [.fixed(size)])
  }

  /// * types: a table of one row, which is added to every position.
  private mutating func positions(
    _ name: String, _ ids: ValueID, _ padding: Int?, rows: Int, size: Int, types: String?
  ) throws(PackError) -> ValueID {
    var places = node("embeddings.positions", .positions, [ids], self.rows, type: .int32)
    if let padding {
      let pad = number("embeddings.padding", padding)
      let isPadding = try tensor("embeddings.is_padding", .binary(.equal), ids, pad)
      let isKept = try tensor("embeddings.is_kept", .unary(.not), isPadding)
      let counts = try tensor(
        "embeddings.count", .cumulate(axis: 1, isExclusive: false, isReversed: false), isKept)
      let kept = try tensor("embeddings.counted", .binary(.multiply), counts, isKept)
      places = try tensor("embeddings.positions", .binary(.add), kept, pad)
    }
    var table = try floats(prefix + name + ".weight", [rows, size])
    if let types {
      let row = try floats(prefix + types + ".weight", [1, size])
      for index in table.indices { table[index] += row[index % size] }
    }
    return node(
      name, .embedding(table: table, rows: rows, channels: size), [places], self.rows + [.fixed(size)])
  }

  private func framing(
    _ layout: TokenLayout, _ vocabulary: Int, _ longest: Int
  ) throws(PackError) -> TokenFraming {
    if layout.hasBertVocabulary { return TokenFraming(bertVocabulary: vocabulary, maximumLength: longest) }
    // Ids out of range are those of another vocabulary, as tiny test models have them.
    let ids = 0...Int(Int32.max)
    let first = try folder.size(["cls_token_id", "bos_token_id"], in: ids, default: 0)
    let last = try folder.size(["sep_token_id", "eos_token_id"], in: ids, default: first)
    return TokenFraming(
      vocabularySize: vocabulary, first: min(first, vocabulary - 1), last: min(last, vocabulary - 1),
      maximumLength: longest, firstWord: vocabulary > 4096 ? 4 : 0)
  }
}
