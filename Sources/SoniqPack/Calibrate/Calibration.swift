package import SoniqGraph
package import SoniqQuantizers

/// What the float model does on the calibration sequences.
package struct Calibration: Sendable {
  /// Second moments of the inputs of linear layers, by value.
  package let moments: [ValueID: SecondMoments]
  package let tokens: TokenSequences

  /// Runs the float model once.
  /// * values: the inputs of the linear layers.
  package static func run(
    _ model: ModelDescription, values: [ValueID], tokens: TokenSequences, progress: ProgressReport
  ) throws(PackError) -> Calibration {
    let longest = tokens.sequences.map(\.count).max() ?? 1
    let runner = try GraphRunner(model, keptValues: values, longest: longest)
    var moments: [ValueID: SecondMoments] = [:]
    try runner.run(tokens, progress: { progress.step("calibrating", $0, $1) }) { value, floats, channels in
      guard let base = floats.baseAddress else { return }
      moments[value, default: SecondMoments(channels: channels)].add(
        rows: base, count: floats.count / channels)
    }
    for (value, moment) in moments where !moment.meanSquares.allSatisfy(\.isFinite) {
      let name = model.graph.values[value].name
      throw PackError(.data, place: "value \(name)", "is not finite on the calibration sequences")
    }
    return Calibration(moments: moments, tokens: tokens)
  }
}
