import SoniqGraph

/// One row of a sequence.
extension EncoderGraph {
  /// * place: -1 for the last.
  mutating func row(_ place: Int, of value: ValueID, _ name: String) throws(PackError) -> ValueID {
    let index = number(name + ".position", place)
    let cut = try tensor(name + ".first", .gather(axis: 1), value, index)
    return try tensor(name + ".row", .reshape([shape(value)[0], shape(value)[2]]), cut)
  }

  /// Of rows that none hides.
  mutating func meanOfRows(from first: Int, of value: ValueID, _ name: String) throws(PackError) -> ValueID {
    guard case .fixed(let count) = shape(value)[1], count > first else {
      throw PackError(.software, place: name, "no fixed number of rows above \(first)")
    }
    let kept = SliceRange(begin: first, step: 1, count: count - first)
    let rows = first == 0 ? value : try tensor(name + ".rows", .slice([.whole, kept, .whole]), value)
    return node(name, .meanPool, [rows], [shape(value)[0], shape(value)[2]])
  }

  mutating func rowOrMean(_ field: String, _ value: ValueID, _ name: String) throws(PackError) -> ValueID {
    let mode = try folder.text(field) ?? "cls"
    switch mode {
    case "cls": return try row(0, of: value, name)
    case "mean":
      return node(
        name, .meanPool, [value] + (mask.map { [$0] } ?? []), [shape(value)[0], shape(value)[2]])
    default: throw folder.fieldError(field, "\"\(mode)\"; known: cls, mean")
    }
  }

  /// The first of the ids that end a text; of the largest ids where config.json has the number 2, as CLIP's first
  /// configurations had, whatever their vocabulary.
  mutating func endOfText(_ hidden: ValueID, _ name: String) throws(PackError) -> ValueID {
    guard let ids else { throw PackError(.software, place: name, "the family takes no tokens") }
    let end = try folder.size("eos_token_id", in: 0...Int(Int32.max), default: 49407)
    let marks =
      end == 2 ? ids : try tensor(name + ".is_end", .binary(.equal), ids, number(name + ".end", end))
    let place = try tensor(
      name + ".place", .argument(isMinimum: false, axis: 1, keepsDimensions: true, selectsLast: false),
      try real(marks, name))
    let positions = node(name + ".positions", .positions, [ids], rows, type: .int32)
    let isEnd = try tensor(name + ".at_end", .binary(.equal), positions, place)
    return node(name, .meanPool, [hidden, isEnd], [shape(hidden)[0], shape(hidden)[2]])
  }

  /// Attention of one stored query, then two layers. Its keys meet that query alone, so that query and keys are one
  /// linear layer of a score for each head.
  mutating func attended(_ path: String, _ hidden: ValueID) throws(PackError) -> ValueID {
    let (size, heads) = (sizes.hidden, sizes.heads)
    let length = size / heads
    let probe = try floats(path + ".probe", [1, 1, size])
    let name = label(path) + ".attention"
    let packed = DraftWeights(
      outputs: 3 * size, inputs: size,
      values: try floats(path + ".attention.in_proj_weight", [3 * size, size]),
      bias: try floats(path + ".attention.in_proj_bias", [3 * size]))
    let (query, key) = (packed.part(0, of: 3).applied(to: probe, count: 1), packed.part(1, of: 3))
    let scale = 1 / Float(length).squareRoot()
    var scores = DraftWeights(outputs: heads, inputs: size, values: [], bias: [])
    for head in 0..<heads {
      let range = head * length..<(head + 1) * length
      for input in 0..<size {
        scores.values.append(scale * range.reduce(0) { $0 + query[$1] * key.values[$1 * size + input] })
      }
      scores.bias?.append(scale * range.reduce(0) { $0 + query[$1] * (key.bias?[$1] ?? 0) })
    }
    let batch = shape(hidden)[0]
    let split = [batch, shape(hidden)[1], .fixed(heads), .fixed(length)]
    let shares = try tensor(
      name + ".softmax", .softmax(Softmax(axis: 1)), add(scores, name + ".scores", hidden))
    let column = try tensor(name + ".shares", .reshape(split.dropLast() + [.fixed(1)]), shares)
    let values = add(packed.part(2, of: 3), name + ".value", hidden)
    let rows = try tensor(name + ".heads", .reshape(split), values)
    let products = try tensor(name + ".products", .binary(.multiply), rows, column)
    let sums = try tensor(
      name + ".sum", .reduce(.sum, axes: [1], keepsDimensions: false), products)
    let context = try tensor(name + ".context", .reshape([batch, .fixed(size)]), sums)
    let attended = try linear(path + ".attention.out_proj", context, outputs: size)
    let normed = try norm(path + ".layernorm", attended)
    let inner = label(path)
    return try sum(inner + ".add", attended, try plain(inner + ".mlp.fc1", inner + ".mlp.fc2", normed))
  }
}
