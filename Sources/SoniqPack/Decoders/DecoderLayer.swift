import SoniqGraph

/// One layer of a decoder: attention over all positions so far, then the gated layers, each added to the rows.
extension DecoderGraph {
  mutating func layer(_ index: Int, _ input: ValueID) throws(PackError) -> ValueID {
    let path = "blk.\(index)."
    let isNormed = family.norms != .behind
    let attended = try attention(index, path, isNormed ? norm(path + "attn_norm", input) : input)
    var (rows, context) = (input, attended)
    if index == sizes.layers.count - 1 {
      rows = try chosenRows(input, path + "rows")
      context = try chosenRows(attended, path + "attn_rows")
    }
    if family.hasSubNorms { context = try norm(path + "attn_sub_norm", context) }
    var change = try linear(path + "attn_output", context, outputs: sizes.hidden)
    if family.norms != .before { change = try norm(path + "post_attention_norm", change) }
    let middle = try sum(rows, change, path + "attn_add")
    change = try gatedLayers(index, path, isNormed ? norm(path + "ffn_norm", middle) : middle)
    if family.norms != .before { change = try norm(path + "post_ffw_norm", change) }
    return try sum(middle, change, path + "ffn_add")
  }

  private mutating func sum(_ rows: ValueID, _ change: ValueID, _ name: String) throws(PackError) -> ValueID {
    try append(name, .add, [rows, scaled(change, sizes.residualScale, name + ".scale")])
  }

  // MARK: Attention

  private mutating func attention(_ index: Int, _ path: String, _ input: ValueID) throws(PackError) -> ValueID
  {
    let layer = sizes.layers[index]
    var (query, key, value) = try projections(path, input)
    query = try headNorm(query, path + "attn_q_norm", heads: sizes.heads)
    key = try headNorm(key, path + "attn_k_norm", heads: sizes.keyValueHeads)
    if let angles = layer.angles {
      query = try turned(query, angles, heads: sizes.heads, path + "attn_q_rotary")
      key = try turned(key, angles, heads: sizes.keyValueHeads, path + "attn_k_rotary")
    }
    let attention = GroupedAttention(
      heads: sizes.heads, keyValueHeads: sizes.keyValueHeads, scale: sizes.attentionScale, isCausal: true,
      window: layer.window, softcap: sizes.scoreCap, keyState: 2 * index, valueState: 2 * index + 1)
    return try append(path + "attention", .groupedAttention(attention), [query, key, value])
  }

  private mutating func projections(
    _ path: String, _ input: ValueID
  ) throws(PackError) -> (query: ValueID, key: ValueID, value: ValueID) {
    let (wide, narrow) = (sizes.heads * sizes.headLength, sizes.keyValueHeads * sizes.headLength)
    guard family.isFused else {
      return (
        try linear(path + "attn_q", input, outputs: wide),
        try linear(path + "attn_k", input, outputs: narrow),
        try linear(path + "attn_v", input, outputs: narrow)
      )
    }
    let name = path + "attn_qkv"
    _ = try rows(name, inputs: length(input), outputs: wide + 2 * narrow)
    return (
      try linear(name, input, outputs: wide, part: 0..<wide, label: path + "attn_q"),
      try linear(name, input, outputs: narrow, part: wide..<wide + narrow, label: path + "attn_k"),
      try linear(
        name, input, outputs: narrow, part: wide + narrow..<wide + 2 * narrow, label: path + "attn_v")
    )
  }

  private mutating func headNorm(_ value: ValueID, _ name: String, heads: Int) throws(PackError) -> ValueID {
    switch family.headNorm {
    case .none: return value
    case .rows: return try norm(name, value)
    case .heads:
      let whole = shape(value)
      let split = whole.dropLast() + [.fixed(heads), .fixed(sizes.headLength)]
      let parts = try append(name + ".heads", .reshape(Array(split)), [value])
      return try append(name + ".rows", .reshape(whole), [norm(name, parts)])
    }
  }

  private mutating func turned(
    _ value: ValueID, _ angles: RotaryAngles, heads: Int, _ name: String
  ) throws(PackError) -> ValueID {
    let tables = self.angles(angles)
    let rotary = Rotary(
      heads: heads, isInterleaved: family.isInterleaved, cosine: tables.cosine, sine: tables.sine)
    return try append(name, .rotary(rotary), [value, places])
  }

  // MARK: Gated layers

  private mutating func gatedLayers(_ index: Int, _ path: String, _ input: ValueID) throws(PackError)
    -> ValueID
  {
    let wide = sizes.layers[index].intermediate
    let (gate, up): (ValueID, ValueID)
    if family.isFused {
      let name = path + "ffn_up"
      _ = try rows(name, inputs: length(input), outputs: 2 * wide)
      gate = try linear(name, input, outputs: wide, part: 0..<wide, label: path + "ffn_gate")
      up = try linear(name, input, outputs: wide, part: wide..<2 * wide, label: name)
    } else {
      gate = try linear(path + "ffn_gate", input, outputs: wide)
      up = try linear(path + "ffn_up", input, outputs: wide)
    }
    var product = try gated(gate, up, path + "ffn_product")
    if family.hasSubNorms { product = try norm(path + "ffn_sub_norm", product) }
    return try linear(path + "ffn_down", product, outputs: sizes.hidden)
  }

  private mutating func gated(_ gate: ValueID, _ up: ValueID, _ name: String) throws(PackError) -> ValueID {
    switch family.gate {
    case .function(let function):
      return try append(name, .gatedProduct(GatedProduct(function)), [gate, up])
    case .squaredRelu:
      let once = try append(name + ".once", .gatedProduct(GatedProduct(.relu)), [gate, up])
      return try append(name, .gatedProduct(GatedProduct(.relu)), [gate, once])
    }
  }
}
