import SoniqGraph

/// Images to rows: one of each square, by a linear layer of its pixels.
extension EncoderGraph {
  mutating func patches(_ layout: PatchLayout) throws(PackError) -> ValueID {
    let channels = try folder.size("num_channels", in: 1...4096, default: 3)
    let image = try sides("image_size")
    let patch = try sides("patch_size")
    guard image.height % patch.height == 0, image.width % patch.width == 0 else {
      throw folder.fieldError("patch_size", "\(patch) does not divide image_size \(image)")
    }
    let grid = (height: image.height / patch.height, width: image.width / patch.width)
    let batch = try symbol("batch", maximum: 64)
    let pixels = host(
      "pixel_values", .float32, [batch, .fixed(channels), .fixed(image.height), .fixed(image.width)])
    let name = layout.projection
    let size = channels * patch.height * patch.width
    // [batch, channel, grid row, row, grid column, column] to the order of the weights.
    let parts = [channels, grid.height, patch.height, grid.width, patch.width].map(Dimension.fixed)
    let split = try tensor(name + ".split", .reshape([batch] + parts), pixels)
    let moved = try tensor(name + ".moved", .transpose([0, 2, 4, 1, 3, 5]), split)
    let count = grid.height * grid.width
    let squares = try tensor(
      name + ".squares", .reshape([batch, .fixed(count), .fixed(size)]), moved)
    let stored = [sizes.hidden, channels, patch.height, patch.width]
    let values = try floats(prefix + name + ".weight", stored)
    let hasBias = family.block.hasBiases || has(prefix + name + ".bias")
    let bias = hasBias ? try floats(prefix + name + ".bias", [sizes.hidden]) : nil
    let weights = DraftWeights(outputs: sizes.hidden, inputs: size, values: values, bias: bias)
    var states = add(weights, name, squares)
    var tokens: [ValueID] = []
    for token in layout.tokens { tokens.append(try self.token(token, batch)) }
    rows = [batch, .fixed(count + tokens.count)]
    if !tokens.isEmpty { states = try draft.tensor(.concatenate(axis: 1), tokens + [states], name: "tokens") }
    let positions = try row(layout.positions, count: count + tokens.count)
    let constant = draft.constant(
      KnownTensor(floats: positions, shape: [1, count + tokens.count, sizes.hidden]), name: layout.positions)
    states = try sum("embeddings.add_position", states, constant)
    return try layout.norm.map { path throws(PackError) in try norm(prefix + path, states) } ?? states
  }

  /// A field of one number, or of height and width.
  private func sides(_ key: String) throws(PackError) -> (height: Int, width: Int) {
    guard let list = folder.config[key]?.array else {
      let side = try folder.size(key, in: 1...16384)
      return (side, side)
    }
    let sides = list.compactMap(\.integer).filter { (1...16384).contains($0) }
    guard list.count == 2, sides.count == 2 else {
      throw folder.fieldError(key, "must be a whole number in 1...16384, or two")
    }
    return (sides[0], sides[1])
  }

  /// A stored row for each image.
  private mutating func token(_ name: String, _ batch: Dimension) throws(PackError) -> ValueID {
    let row = try row(name, count: 1)
    let constant = draft.constant(KnownTensor(floats: row, shape: [1, 1, sizes.hidden]), name: name)
    return try tensor(name + ".each", .expand([batch, .fixed(1), .fixed(sizes.hidden)]), constant)
  }

  /// Rows of the hidden size under a name, or under it and ".weight"; leading axes of 1 may be there.
  private mutating func row(_ name: String, count: Int) throws(PackError) -> [Float] {
    var full = prefix + name
    if !has(full), has(full + ".weight") { full += ".weight" }
    let wanted = count == 1 ? [sizes.hidden] : [count, sizes.hidden]
    guard let shape = folder.tensors.shape(full), Array(shape.drop { $0 == 1 }) == wanted else {
      return try floats(full, wanted)
    }
    return try floats(full, shape)
  }
}
