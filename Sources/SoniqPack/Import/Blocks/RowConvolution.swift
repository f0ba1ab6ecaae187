import SoniqGraph

/// Convolutions along the rows of sequences.
extension EncoderGraph {
  /// [B, 1, length, channels] -> [B, 1, shorter, outputs].
  /// * name: within the prefix.
  /// * margin: zeros on each side.
  mutating func convolved(
    _ value: ValueID, _ name: String, outputs: Int, taps: Int, stride: Int = 1, margin: Int = 0,
    groups: Int = 1, hasBias: Bool
  ) throws(PackError) -> ValueID {
    let weights = try convolution(
      name, outputs: outputs, inputs: inputs(of: value) / groups, taps: taps, hasBias: hasBias)
    let window = Window(
      height: 1, width: taps, strides: (1, stride), padding: (top: 0, left: margin, bottom: 0, right: margin))
    let before = shape(value)
    let length = try draft.dimension(window.outputWidth(before[2]))
    return node(
      name, .convolution(window, groups: (0..<groups).map { weights.part($0, of: groups) }), [value],
      [before[0], .fixed(1), length, .fixed(outputs)])
  }

  /// Stored [outputs, inputs, taps]; here the inputs of a tap follow each other.
  private mutating func convolution(
    _ name: String, outputs: Int, inputs: Int, taps: Int, hasBias: Bool
  ) throws(PackError) -> DraftWeights {
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
      bias: hasBias ? try floats(prefix + name + ".bias", [outputs]) : nil)
  }

  /// What the first layer made, and a convolution of what it was made of. Hidden positions count as zeros there.
  mutating func beside(
    _ output: ValueID, _ layout: SideConvolution, of input: ValueID
  ) throws(PackError) -> ValueID {
    let taps = try folder.size([layout.taps], in: 0...1024, default: 0)
    guard taps > 0 else { return output }
    let groups = try folder.size([layout.groups], in: 1...65536, default: 1)
    guard taps % 2 == 1 else { throw folder.fieldError(layout.taps, "\(taps); an odd number is known") }
    guard sizes.hidden % groups == 0 else {
      throw folder.fieldError(layout.groups, "\(groups) groups of \(sizes.hidden) channels")
    }
    let stated = try folder.text([layout.function]) ?? layout.standardFunction
    let function = try EncoderSizes.function(stated, folder, layout.function)
    let name = layout.convolution
    var rows = input
    if let mask {
      let column = try tensor(name + ".mask", .reshape(shape(mask) + [.fixed(1)]), try real(mask, name))
      rows = try tensor(name + ".masked", .binary(.multiply), input, column)
    }
    let whole = shape(input)
    let image = try tensor(name + ".rows", .reshape([whole[0], .fixed(1), whole[1], whole[2]]), rows)
    let result = try convolved(
      image, name, outputs: sizes.hidden, taps: taps, margin: taps / 2, groups: groups, hasBias: true)
    let bent = self.function(function, name + ".activation", result)
    let states = try tensor(name + ".states", .reshape(whole), bent)
    return try norm(prefix + layout.norm, try sum(name + ".add", output, states))
  }
}
