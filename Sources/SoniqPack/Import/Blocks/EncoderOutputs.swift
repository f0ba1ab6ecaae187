import SoniqGraph

/// What comes out of an encoder: a sentence's vector, a head's numbers, or the states themselves.
extension EncoderGraph {
  mutating func addOutputs(_ hidden: ValueID) throws(PackError) {
    if let modules {
      output("sentence_embedding", try sentence(modules, hidden))
      output("last_hidden_state", hidden)
      return
    }
    if let head = try head() {
      for part in head.outputs {
        var value = hidden
        value = try add(part.steps, value, part.name, "")
        output(part.name, value)
      }
      output("last_hidden_state", hidden)
      return
    }
    output("last_hidden_state", hidden)
    if let pooler = family.pooler, has(prefix + pooler.marker) {
      output("pooler_output", try pooled(hidden))
    }
  }

  /// The head of the folder's class; nil for a bare encoder.
  /// - Throws: `data` for a class whose head is not known, unless it is to be left out.
  private func head() throws(PackError) -> HeadLayout? {
    guard !options.withoutHead, let name = architecture,
      !family.decoderClasses.contains(where: name.hasSuffix)
    else { return nil }
    let heads = family.heads.filter { $0.classes.contains { name.hasSuffix($0) } }
    guard heads.isEmpty else { return heads.first { has($0.marker) } }
    guard name.contains("For"), hasMore else { return nil }
    let known = family.heads.flatMap(\.classes).joined(separator: ", ")
    throw folder.fieldError(
      CheckpointFolder.architectures,
      "the head of \(name) is not known; known: \(known); --without-head packs the encoder alone")
  }

  /// Whether the checkpoint has more than the encoder, which is made by now, and its pooler.
  private var hasMore: Bool {
    let pooler = family.pooler.map { $0.marker.prefix { $0 != "." } + "." }
    return folder.tensors.names.contains { name in
      prefix.isEmpty
        ? !used.contains(name) && !isIgnored(name) && !(pooler.map { name.hasPrefix($0) } ?? false)
        : !name.hasPrefix(prefix)
    }
  }

  /// * start: what the names of the steps' tensors begin with.
  private mutating func add(
    _ steps: [HeadStep], _ value: ValueID, _ name: String, _ start: String
  ) throws(PackError) -> ValueID {
    var value = value
    for (index, step) in steps.enumerated() {
      value = try add(step, value, steps.count == 1 ? name : "\(name).\(index)", start)
    }
    return value
  }

  private mutating func add(
    _ step: HeadStep, _ value: ValueID, _ name: String, _ start: String
  ) throws(PackError) -> ValueID {
    switch step {
    case .row(let place): return try row(place, of: value, name)
    case .pooler: return try pooled(value)
    case .endOfText: return try endOfText(value, name)
    case .rowOrMean(let field): return try rowOrMean(field, value, name)
    case .meanOfRows(let first): return try meanOfRows(from: first, of: value, name)
    case .attended(let path): return try attended(start + path, value)
    case .meanOf(let ways): return try mean(of: ways, value, name, start)
    case .dense(let path): return try linear(start + path, value, outputs: try outputs(of: start + path))
    case .function(let function): return self.function(function, name + ".activation", value)
    case .ownFunction: return function(sizes.activation, name + ".activation", value)
    case .stated(let field, let standard):
      let function = try EncoderSizes.function(try folder.text([field]) ?? standard, folder, field)
      return self.function(function, name + ".activation", value)
    case .norm(let path): return try norm(start + path, value)
    case .column(let column):
      var ranges = [SliceRange](repeating: .whole, count: shape(value).count)
      ranges[ranges.count - 1] = SliceRange(begin: column, step: 1, count: 1)
      let cut = try tensor(name + ".column", .slice(ranges), value)
      return try tensor(name, .reshape(Array(shape(value).dropLast())), cut)
    case .words(let matrix, let bias): return try words(matrix, bias, value)
    }
  }

  private mutating func mean(
    of ways: [[HeadStep]], _ value: ValueID, _ name: String, _ start: String
  ) throws(PackError) -> ValueID {
    var total: ValueID?
    for (index, steps) in ways.enumerated() {
      let part = try add(steps, value, "\(name).\(index)", start)
      total = try total.map { left throws(PackError) in try sum(name + ".sum", left, part) } ?? part
    }
    return try tensor(name, .binary(.divide), total ?? value, number(name + ".count", Float(ways.count)))
  }

  /// The one row of the family's pooler, made once.
  private mutating func pooled(_ hidden: ValueID) throws(PackError) -> ValueID {
    if let made = pooledRow { return made }
    guard let pooler = family.pooler else {
      throw PackError(.software, place: "pooler", "the family has none")
    }
    let row = try add(pooler.steps, hidden, "pooler", prefix)
    pooledRow = row
    return row
  }

  /// A score for each word of the vocabulary at each position.
  private mutating func words(_ matrix: String, _ bias: String?, _ value: ValueID) throws(PackError)
    -> ValueID
  {
    guard case .tokens(let layout) = family.input else {
      throw PackError(.software, place: "head", "the family takes no tokens")
    }
    let vocabulary = try folder.size("vocab_size", in: 1...16_777_216)
    let size = inputs(of: value)
    // Other names of the same numbers.
    used.formUnion([matrix + ".bias"] + (bias.map { [$0] } ?? []))
    let table = prefix + layout.words + ".weight"
    var name = matrix + ".weight"
    if !has(name) {
      guard try folder.flag("tie_word_embeddings", default: true) else {
        throw PackError(
          .data, file: folder.tensors.path(of: name), place: "tensor \(name)",
          "missing, and config.json says that the words' table is not used for it")
      }
      name = table
    }
    let values = try floats(name, [vocabulary, size])
    let offset = try bias.map { path throws(PackError) in try floats(path, [vocabulary]) }
    let layer = DraftWeights(outputs: vocabulary, inputs: size, values: values, bias: offset)
    return add(layer, matrix, value)
  }
}
