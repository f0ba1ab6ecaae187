/// How close the outputs of two models are, row by row.
package struct OutputAgreement: Sendable, Hashable {
  package var meanCosine: Double
  package var minimumCosine: Double
  /// Squared distance of the rows over the squared length of the reference rows.
  package var relativeError: Double

  /// * reference, rows: the same number of rows of the same length. Rows of the reference that are not finite are
  ///   passed over; one of the others that is not finite agrees in nothing.
  package init(reference: [[Float]], rows: [[Float]]) {
    var sum = 0.0
    var lowest = 1.0
    var distance = 0.0
    var length = 0.0
    var count = 0
    for (wanted, got) in zip(reference, rows) where wanted.allSatisfy(\.isFinite) {
      count += 1
      var product = 0.0
      var wantedSquare = 0.0
      var gotSquare = 0.0
      for (first, second) in zip(wanted, got) {
        product += Double(first) * Double(second)
        wantedSquare += Double(first) * Double(first)
        gotSquare += Double(second) * Double(second)
      }
      guard gotSquare.isFinite else {
        lowest = min(lowest, 0)
        distance += wantedSquare
        length += wantedSquare
        continue
      }
      let norm = wantedSquare.squareRoot() * gotSquare.squareRoot()
      let cosine = norm > 0 ? product / norm : (wantedSquare == gotSquare ? 1 : 0)
      sum += cosine
      lowest = min(lowest, cosine)
      distance += wantedSquare + gotSquare - 2 * product
      length += wantedSquare
    }
    meanCosine = count == 0 ? 1 : sum / Double(count)
    minimumCosine = lowest
    relativeError = length > 0 ? max(distance, 0) / length : 0
  }
}
