import SoniqGraph

/// Features of sound to rows.
extension EncoderGraph {
  private static let taps = 3

  mutating func frames(_ layout: FrameLayout) throws(PackError) -> ValueID {
    let features = try folder.size(layout.features, in: 1...65536)
    let count = try folder.size(layout.rows, in: 1...65536)
    let batch = try symbol("batch", maximum: 64)
    var length = layout.convolutions.reduce(count) { $0 * $1.stride }
    let input = host("input_features", .float32, [batch, .fixed(features), .fixed(length)])
    let moved = try tensor("features.moved", .transpose([0, 2, 1]), input)
    var states = try tensor(
      "features.rows", .reshape([batch, .fixed(1), .fixed(length), .fixed(features)]), moved)
    for (name, stride) in layout.convolutions {
      length /= stride
      let result = try convolved(
        states, name, outputs: sizes.hidden, taps: Self.taps, stride: stride, margin: 1, hasBias: true)
      states = function(sizes.activation, name + ".activation", result)
    }
    rows = [batch, .fixed(count)]
    states = try tensor("features", .reshape(rows + [.fixed(sizes.hidden)]), states)
    let positions = draft.constant(
      KnownTensor(
        floats: try floats(prefix + layout.positions + ".weight", [count, sizes.hidden]),
        shape: [1, count, sizes.hidden]), name: layout.positions)
    return try sum("embeddings.add_position", states, positions)
  }
}
