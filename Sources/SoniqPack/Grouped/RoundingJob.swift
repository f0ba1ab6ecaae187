import SoniqGraph
import SoniqQuantizers

/// Rounds the matrices that multiply the same values.
final class RoundingJob: @unchecked Sendable {
  let readers: MatrixReaders
  private let moments: SecondMoments
  private let sources: [(constant: ConstantID, matrix: FloatMatrix, form: GroupForm)]
  /// nil before, and where the moments do not allow it.
  private(set) var matrices: [(constant: ConstantID, rounded: RoundedMatrix)]?

  /// * form: of the matrix of a name, without ".weight".
  init(
    _ readers: MatrixReaders, _ moments: SecondMoments, _ graph: Graph, _ form: (String) -> GroupForm
  ) {
    (self.readers, self.moments) = (readers, moments)
    sources = readers.constants.compactMap { constant in
      guard case .floatMatrix(let matrix) = graph.constants[constant] else { return nil }
      return (constant, matrix, form(String(graph.constantNames[constant].dropLast(".weight".count))))
    }
  }

  func work() {
    var results: [(constant: ConstantID, rounded: RoundedMatrix)] = []
    var known: (form: GroupForm, compensation: GroupCompensation)?
    for source in sources {
      if known?.form != source.form {
        let compensation = GroupCompensation(
          moments: moments, fit: source.form.fit, groupLength: source.form.length)
        guard let compensation else { return }
        known = (source.form, compensation)
      }
      if let known {
        results.append((source.constant, RoundedMatrix(source.matrix, known.form, known.compensation)))
      }
    }
    matrices = results
  }
}
