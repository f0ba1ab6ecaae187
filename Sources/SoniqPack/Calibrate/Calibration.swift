package import SoniqGraph
package import SoniqQuantizers

/// What the float model does on the calibration sequences.
package struct Calibration: Sendable {
  /// The inputs of linear layers.
  package struct Input: Sendable {
    package var moments: SecondMoments
    /// The largest |x| of each channel.
    package var largest: [Float]

    init(channels: Int) {
      moments = SecondMoments(channels: channels)
      largest = [Float](repeating: 0, count: channels)
    }

    mutating func add(_ rows: UnsafePointer<Float>, count: Int) {
      moments.add(rows: rows, count: count)
      let channels = largest.count
      largest.withUnsafeMutableBufferPointer { largest in
        for row in 0..<count {
          let start = rows + row * channels
          for channel in 0..<channels {
            let magnitude = abs(start[channel])
            if magnitude > largest[channel] { largest[channel] = magnitude }
          }
        }
      }
    }
  }
  package let inputs: [ValueID: Input]
  package let tokens: TokenSequences

  /// Runs the float model once.
  /// * values: the inputs of the linear layers.
  package static func run(
    _ model: ModelDescription, values: [ValueID], tokens: TokenSequences, progress: ProgressReport
  ) throws(PackError) -> Calibration {
    let longest = tokens.sequences.map(\.count).max() ?? 1
    let runner = try GraphRunner(model, keptValues: values, longest: longest)
    var inputs: [ValueID: Input] = [:]
    try runner.run(tokens, progress: { progress.step("calibrating", $0, $1) }) { value, floats, channels in
      guard let base = floats.baseAddress else { return }
      inputs[value, default: Input(channels: channels)].add(base, count: floats.count / channels)
    }
    for (value, input) in inputs where !input.moments.meanSquares.allSatisfy(\.isFinite) {
      let name = model.graph.values[value].name
      throw PackError(.data, place: "value \(name)", "is not finite on the calibration sequences")
    }
    return Calibration(inputs: inputs, tokens: tokens)
  }
}
