import SoniqGraph

/// Features of sound to rows.
extension EncoderGraph {
  private static let taps = 3

  mutating func frames(_ layout: FrameLayout) throws(PackError) -> ValueID {
    let features = try folder.size(layout.features, in: 1...65536)
    let count = try folder.size(layout.rows, in: 1...65536)
    let batch = symbol("batch", maximum: 64)
    var length = layout.convolutions.reduce(count) { $0 * $1.stride }
    let input = host("input_features", .float32, [batch, .fixed(features), .fixed(length)])
    let moved = try tensor("features.moved", .transpose([0, 2, 1]), input)
    var states = try tensor(
      "features.rows", .reshape([batch, .fixed(1), .fixed(length), .fixed(features)]), moved)
    for (name, stride) in layout.convolutions {
      length /= stride
      let weights = try convolution(name, inputs: inputs(of: states))
      let window = Window(
        height: 1, width: Self.taps, strides: (1, stride), padding: (top: 0, left: 1, bottom: 0, right: 1))
      let shape = [batch, .fixed(1), .fixed(length), .fixed(sizes.hidden)]
      let result = node(name, .convolution(window, groups: [weights]), [states], shape)
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

  /// Stored [outputs, inputs, taps]; here the inputs of a tap follow each other.
  private mutating func convolution(_ name: String, inputs: Int) throws(PackError) -> DraftWeights {
    let (outputs, taps) = (sizes.hidden, Self.taps)
    let stored = try floats(prefix + name + ".weight", [outputs, inputs, taps])
    var values = [Float](repeating: 0, count: stored.count)
    for output in 0..<outputs {
      let start = output * inputs * taps
      for input in 0..<inputs {
        for tap in 0..<taps { values[start + tap * inputs + input] = stored[start + input * taps + tap] }
      }
    }
    return DraftWeights(
      outputs: outputs, inputs: inputs * taps, values: values,
      bias: try floats(prefix + name + ".bias", [outputs]))
  }
}
