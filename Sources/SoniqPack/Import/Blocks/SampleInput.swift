import SoniqGraph

/// Samples of sound to rows, by convolutions that each skip some.
extension EncoderGraph {
  /// Thirty seconds at 16 kHz, unless the user says another number.
  private static let longest = 480_000

  mutating func samples(_ layout: SampleLayout) throws(PackError) -> ValueID {
    let whole = [
      try symbol("batch", maximum: 64), try symbol("samples", maximum: Self.longest),
    ]
    let input = host("input_values", .float32, whole)
    let given = host("attention_mask", .int32, whole, fill: 1)
    var states = try tensor("samples.rows", .reshape([whole[0], .fixed(1), whole[1], .fixed(1)]), input)
    for (index, convolution) in layout.convolutions.enumerated() {
      let name = convolution.name
      let result = try convolved(
        states, name, outputs: sizes.hidden * convolution.factor, taps: convolution.taps,
        stride: convolution.stride, hasBias: convolution.hasBias)
      states = function(convolution.function ?? sizes.activation, name + ".activation", result)
      if index == 0 { states = try normOfAll(layout.norm, states) }
    }
    let length = shape(states)[2]
    rows = [whole[0], length]
    // Of the samples that rows begin with.
    let stride = layout.convolutions.reduce(1) { $0 * $1.stride }
    let counted = node("mask.rows", .iota(length), [], [length], type: .int32)
    let places = try tensor("mask.places", .binary(.multiply), counted, number("mask.stride", stride))
    mask = try tensor("mask", .gather(axis: 1), given, places)
    return try tensor("samples", .reshape(rows + [.fixed(sizes.hidden)]), states)
  }

  /// Less the mean of all rows and channels, and by their deviation.
  private mutating func normOfAll(_ name: String, _ value: ValueID) throws(PackError) -> ValueID {
    let size = inputs(of: value)
    let gamma = KnownTensor(floats: try floats(prefix + name + ".weight", [size]), shape: [size])
    let beta = KnownTensor(floats: try floats(prefix + name + ".bias", [size]), shape: [size])
    let mean = Operation.reduce(.mean, axes: [1, 2, 3], keepsDimensions: true)
    let means = try tensor(name + ".mean", mean, value)
    let centred = try tensor(name + ".centred", .binary(.subtract), value, means)
    let squares = try tensor(name + ".squares", .binary(.multiply), centred, centred)
    let variance = try sum(
      name + ".variance", try tensor(name + ".mean_square", mean, squares),
      number(name + ".epsilon", Float(1e-5)))
    let deviation = try tensor(name + ".deviation", .unary(.squareRoot), variance)
    let normed = try tensor(name + ".normed", .binary(.divide), centred, deviation)
    let scaled = try tensor(
      name + ".scaled", .binary(.multiply), normed, draft.constant(gamma, name: name + ".gamma"))
    return try sum(name, scaled, draft.constant(beta, name: name + ".beta"))
  }
}
