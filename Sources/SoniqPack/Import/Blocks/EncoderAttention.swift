import SoniqGraph

/// Attention of one layer, with what its family's scores know of places.
extension EncoderGraph {
  mutating func attention(_ index: Int, _ path: String, _ input: ValueID) throws(PackError) -> ValueID {
    let block = family.block
    let width = sizes.heads * sizes.headLength
    let scale = block.isUnscaled ? 1 : 1 / Float(sizes.headLength).squareRoot()
    var context: ValueID
    switch block.places {
    case .rotary(let layout):
      let parts = try projections(path, input)
      let query = try turned(layout, index, parts[0], path + ".query")
      let key = try turned(layout, index, parts[1], path + ".key")
      context = try attention(
        path, [query, key, parts[2]], scale: scale, bias: try scoreBias(index))
    case .rows(let layout):
      let parts = try projections(path, input)
      let (bias, scale) = try distanceScores(layout, path, query: parts[0], key: parts[1])
      context = try attention(path, parts, scale: scale, bias: bias)
    case .none, .slopes, .buckets:
      if let norms = block.queryKeyNorms {
        var parts = try projections(path, input)
        parts[0] = try norm(prefix + path + "." + norms.query, parts[0])
        parts[1] = try norm(prefix + path + "." + norms.key, parts[1])
        context = try attention(path, parts, scale: scale, bias: try scoreBias(index))
        break
      }
      let merged = try merged(path, input)
      let bias = try scoreBias(index)
      let attention = Attention(
        heads: sizes.heads, scale: scale, isCausal: block.isCausal, hasBias: bias != nil)
      context = node(
        path + ".attention", .attention(attention), [merged] + [mask, bias].compactMap { $0 },
        shape(input).dropLast() + [.fixed(width)])
    }
    return try linear(prefix + path + "." + block.output, context, outputs: sizes.hidden)
  }

  /// * parts: query, key and value.
  private mutating func attention(
    _ path: String, _ parts: [ValueID], scale: Float, bias: ValueID?
  ) throws(PackError) -> ValueID {
    let attention = GroupedAttention(
      heads: sizes.heads, keyValueHeads: sizes.heads, scale: scale, hasBias: bias != nil)
    return try draft.tensor(
      .groupedAttention(attention), parts + [mask, bias].compactMap { $0 }, name: path + ".attention")
  }

  /// The weights of query, key and value.
  private mutating func parts(_ path: String, inputs: Int) throws(PackError) -> [DraftWeights] {
    let width = sizes.heads * sizes.headLength
    switch family.block.projection {
    case .either(let name, _, _, _) where has(prefix + path + "." + name + ".weight"), .packed(let name):
      let all = try weights(prefix + path + "." + name, outputs: 3 * width, inputs: inputs)
      return (0..<3).map { all.part($0, of: 3) }
    case .separate(let query, let key, let value), .either(_, let query, let key, let value):
      var parts: [DraftWeights] = []
      for part in [query, key, value] {
        parts.append(try weights(prefix + path + "." + part, outputs: width, inputs: inputs))
      }
      return parts
    }
  }

  private mutating func projections(_ path: String, _ input: ValueID) throws(PackError) -> [ValueID] {
    let parts = try parts(path, inputs: inputs(of: input))
    return zip(parts, ["query", "key", "value"]).map { add($0, path + ".attention." + $1, input) }
  }

  /// Query, key and value side by side, as one layer.
  private mutating func merged(_ path: String, _ input: ValueID) throws(PackError) -> ValueID {
    var name = ""
    switch family.block.projection {
    case .packed(let packed): name = path + "." + packed
    case .separate(let query, _, _), .either(_, let query, _, _): name = beside(path + "." + query, "qkv")
    }
    guard let joined = DraftWeights(joining: try parts(path, inputs: inputs(of: input))) else {
      throw PackError(.software, place: "layer \(path)", "its query, key and value cannot be joined")
    }
    return add(joined, name, input)
  }

  /// What is added to the scores of a layer, made by the first that has it.
  private mutating func scoreBias(_ index: Int) throws(PackError) -> ValueID? {
    switch family.block.places {
    case .none, .rows: return nil
    case .slopes:
      if let made = scoreBiases[""] { return made }
      scoreBiases[""] = try slopeBias()
      return scoreBiases[""]
    case .buckets(let each, let count, let farthest):
      let table = replaced(each, "#", index)
      if let made = scoreBiases[table] { return made }
      scoreBiases[table] = try bucketBias(table, count, farthest)
      return scoreBiases[table]
    case .rotary(let layout):
      guard let local = layout.local, try isLocal(index, local) else { return nil }
      if let made = scoreBiases[local.width] { return made }
      let reach = try folder.size([local.width], in: 2...1_048_576, default: local.standardWidth) / 2
      scoreBiases[local.width] = try distanceBias("local_attention", columns: 1) {
        // exp of what is left of such a score is 0.
        [abs($0) <= reach ? 0 : -1e30]
      }
      return scoreBiases[local.width]
    }
  }
}
