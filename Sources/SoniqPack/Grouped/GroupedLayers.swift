import SoniqGraph
import SoniqQuantizers

/// Gives the linear layers of a model few bits in groups of channels, by what they multiply on calibration data.
///
/// Some layers at a time are calibrated, with those before them as they are packed, and rounded: each makes up for a part of
/// what the layers before it changed.
struct GroupedLayers {
  let data: CalibrationData
  /// As `InputMoments` has it.
  let skipsFirstRow: Bool
  let store: ConstantStore
  let progress: ProgressReport
  /// How often the data is read, or more where moments need it.
  private static let readings = 6
  /// Of second moments at a time, unless those of one value take more.
  private static let mostMomentBytes = 1 << 30

  /// * isChosen: the constants that are rounded; those that are no matrices of linear layers are passed over.
  /// * bounded: the model with sizes that fit the data.
  /// * form: of the matrix of a name, without ".weight".
  /// - Throws: `data` for numbers that are not finite.
  func round(
    _ model: inout ModelDescription, where isChosen: (ConstantID) -> Bool = { _ in true },
    bounded: (ModelDescription) -> ModelDescription = { $0 }, form: (String) -> GroupForm
  ) throws(PackError) {
    let readers = MatrixReaders.all(model.graph, where: isChosen)
    let bytes = readers.reduce(0) { $0 + $1.momentBytes }
    let portions = MatrixReaders.portions(
      readers, momentBytes: min(Self.mostMomentBytes, bytes / Self.readings + 1))
    for (index, portion) in portions.enumerated() {
      let moments = InputMoments(portion)
      let part = bounded(model.cut(behind: portion.flatMap(\.inputs)))
      try moments.read(part, data, skipsFirstRow: skipsFirstRow) { done, count in
        progress.step("calibrating", index * count + done, portions.count * count)
      }
      try round(portion, moments.moments, &model.graph, form)
    }
  }

  /// - Throws: `data` for moments that do not allow it.
  private func round(
    _ portion: [MatrixReaders], _ moments: [SecondMoments], _ graph: inout Graph,
    _ form: (String) -> GroupForm
  ) throws(PackError) {
    let jobs = zip(portion, moments).map { RoundingJob($0, $1, graph, form) }
    ParallelLoop.run(jobs.count) { jobs[$0].work() }
    for job in jobs {
      guard let matrices = job.matrices else {
        let names = job.readers.inputs.map { graph.values[$0].name }.joined(separator: ", ")
        throw PackError(
          .data, place: "value \(names)",
          "is so uneven on the calibration data that nothing follows from it: give more, or other data")
      }
      for matrix in matrices {
        graph.constants[matrix.constant] = .matrix(try matrix.rounded.packed(store))
      }
    }
  }
}
