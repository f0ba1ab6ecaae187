import SoniqGraph
import SoniqQuantizers

/// The second moments of what some layers multiply, while a model runs over calibration data.
struct InputMoments {
  private let readers: [MatrixReaders]
  private let sums: [Sum]

  private final class Sum: @unchecked Sendable {
    var moments: SecondMoments
    init(channels: Int) { moments = SecondMoments(channels: channels) }
  }

  /// By reader.
  var moments: [SecondMoments] { sums.map(\.moments) }

  init(_ readers: [MatrixReaders]) {
    self.readers = readers
    sums = readers.map { Sum(channels: $0.channels) }
  }

  /// * skipsFirstRow: of each run: decoders let the first position grow to thousands of times the others, and little of a
  ///   text depends on how exact it is.
  /// - Throws: `data` where a value is not finite.
  func read(
    _ model: ModelDescription, _ data: CalibrationData, skipsFirstRow: Bool, _ progress: (Int, Int) -> Void
  ) throws(PackError) {
    let values = Set(readers.flatMap(\.inputs)).sorted()
    let runner = try GraphRunner(model, keptValues: values, data: data)
    for index in 0..<runner.runCount {
      try runner.run(index)
      var rows: [ValueID: UnsafeBufferPointer<Float>] = [:]
      for value in values { rows[value] = try runner.keptFloats(value).floats }
      add(rows, skipping: skipsFirstRow ? 1 : 0)
      progress(index + 1, runner.runCount)
    }
    for (reader, sum) in zip(readers, sums) where !sum.moments.meanSquares.allSatisfy(\.isFinite) {
      let names = reader.inputs.map { model.graph.values[$0].name }.joined(separator: ", ")
      throw PackError(.data, place: "value \(names)", "is not finite on the calibration data")
    }
  }

  private func add(_ rows: [ValueID: UnsafeBufferPointer<Float>], skipping skipped: Int) {
    nonisolated(unsafe) let rows = rows
    let (readers, sums) = (readers, sums)
    ParallelLoop.run(readers.count) { index in
      for value in readers[index].inputs {
        guard let floats = rows[value], let base = floats.baseAddress else { continue }
        let channels = readers[index].channels
        let count = floats.count / channels - skipped
        if count > 0 { sums[index].moments.add(rows: base + skipped * channels, count: count) }
      }
    }
  }
}
