/// Token sequences to run the model on while packing.
package struct TokenSequences: Sendable, Hashable {
  /// One list of ids a sequence; masked positions at the end are cut off.
  package var sequences: [[Int32]]
  /// Where they come from, for the report and the metadata.
  package var source: String

  package var tokenCount: Int { sequences.reduce(0) { $0 + $1.count } }

  /// Reads `input_ids` and, if there, `attention_mask` ([sequences][positions], whole numbers) from an .npz
  /// or .safetensors file.
  package static func read(path: String, framing: TokenFraming) throws(PackError) -> TokenSequences {
    let file = path.hasSuffix(".npz") ? try TensorFile.numpyArchive(path: path) : try .safetensors(path: path)
    let place = "tensor input_ids"
    let (shape, ids) = try file.integers("input_ids")
    guard shape.count == 2, shape[0] > 0, shape[1] > 0 else {
      throw PackError(.data, file: path, place: place, "shape \(shape), expected [sequences, positions]")
    }
    var mask = [Int64](repeating: 1, count: ids.count)
    if file.tensors["attention_mask"] != nil {
      let (maskShape, values) = try file.integers("attention_mask")
      guard maskShape == shape else {
        throw PackError(
          .data, file: path, place: "tensor attention_mask", "shape \(maskShape), expected \(shape)")
      }
      mask = values
    }
    if let index = ids.firstIndex(where: { $0 < 0 || $0 >= Int64(framing.vocabularySize) }) {
      throw PackError(
        .data, file: path, place: place,
        "element \(index) is \(ids[index]), the vocabulary has \(framing.vocabularySize) entries")
    }
    var sequences: [[Int32]] = []
    for row in 0..<shape[0] {
      let positions = (row * shape[1]..<(row + 1) * shape[1]).filter { mask[$0] != 0 }
      if !positions.isEmpty {
        sequences.append(positions.prefix(framing.maximumLength).map { Int32(ids[$0]) })
      }
    }
    guard !sequences.isEmpty else {
      throw PackError(.data, file: path, place: place, "no position is unmasked")
    }
    return TokenSequences(sequences: sequences, source: "\(sequences.count) sequences given")
  }

  /// Random sequences between the framing ids, always the same ones. Vocabularies are mostly sorted by
  /// frequency, so ids are drawn evenly by their magnitude above `firstWord`, as words of a text are.
  package static func random(framing: TokenFraming, count: Int = 256) -> TokenSequences {
    var state: UInt64 = 0x5eed
    func next(below bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(max(bound, 1)))
    }
    let words = max(1, framing.vocabularySize - framing.firstWord)
    let magnitudes = Int.bitWidth - words.leadingZeroBitCount
    func word() -> Int {
      let magnitude = 1 << next(below: magnitudes)
      return framing.firstWord + min(magnitude - 1 + next(below: magnitude), words - 1)
    }
    let lengths = [5, 6, 8, 10, 12, 16, 24, 32, 48, 64, 96, 128].map { min($0, framing.maximumLength) }
    let sequences = (0..<count).map { _ -> [Int32] in
      let length = lengths[next(below: lengths.count)]
      return (0..<length).map { position in
        if position == 0 { return Int32(framing.first) }
        return Int32(position == length - 1 ? framing.last : word())
      }
    }
    return TokenSequences(sequences: sequences, source: "\(count) random sequences (no --calibrate given)")
  }

  /// At most `tokenLimit` tokens, whole sequences spread evenly over all of them.
  package func limited(to tokenLimit: Int) -> TokenSequences {
    guard tokenCount > tokenLimit else { return self }
    let step = max(1, (tokenCount + tokenLimit - 1) / max(tokenLimit, 1))
    var chosen: [[Int32]] = []
    var tokens = 0
    for index in stride(from: 0, to: sequences.count, by: step) {
      if tokens + sequences[index].count > tokenLimit, !chosen.isEmpty { continue }
      chosen.append(sequences[index])
      tokens += sequences[index].count
    }
    return TokenSequences(sequences: chosen, source: source)
  }

  /// Batches of sequences of one length each, so that no position is padding.
  package func batches(maximumRows: Int, maximumBatch: Int) -> [[[Int32]]] {
    var batches: [[[Int32]]] = []
    for sequence in sequences.sorted(by: { ($0.count, $0.first ?? 0) < ($1.count, $1.first ?? 0) }) {
      if let last = batches.last, last.count < maximumBatch, last[0].count == sequence.count,
        (last.count + 1) * sequence.count <= maximumRows
      {
        batches[batches.count - 1].append(sequence)
      } else {
        batches.append([sequence])
      }
    }
    return batches
  }
}
