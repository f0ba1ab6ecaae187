package import SoniqCore

/// Finds the scale of a run of weights by its squared error, not by its maximum.
///
/// Candidates are fractions of the scale that just reaches the largest weight; the best of them is then
/// refined by alternating rounding with the least-squares scale for the rounded codes.
package struct ScaleSearch: Sendable {
  package let grid: WeightGrid
  /// Fractions of the scale that reaches the largest weight.
  let fractions: [Float]
  let refinements = 4

  package init(code: WeightCode, range: WeightRange = .whole) {
    grid = WeightGrid(code, range: range)
    let smallest: Float = [1: 0.2, 2: 0.3, 3: 0.4, 4: 0.5, 5: 0.6, 6: 0.7][code.bits] ?? 0.85
    let count = code.bits >= 7 ? 10 : 20
    fractions = (0...count).map { 1.02 - (1.02 - smallest) * Float($0) / Float(count) }
  }

  /// The best scale of a row: positive and normal.
  /// * row, importance: `count` floats, a multiple of 8; importance (>= 0) is 0 in the padding.
  package func scale(row: UnsafePointer<Float>, importance: UnsafePointer<Float>, count: Int) -> Float {
    guard let full = fullScale(row, importance, count) else { return emptyScale }
    var best = full
    var bestSums = grid.roundingSums(row, importance, count: count, scale: full)
    // Weights that lie on this grid already, those of a model trained at these bits say: nothing is better.
    guard bestSums.error > 0 else { return full }
    for fraction in fractions {
      let candidate = full * fraction
      guard candidate.isNormal else { continue }
      let sums = grid.roundingSums(row, importance, count: count, scale: candidate)
      if sums.error < bestSums.error { (best, bestSums) = (candidate, sums) }
    }
    for _ in 0..<refinements {
      let candidate = bestSums.cross / bestSums.power
      guard candidate.isNormal, candidate > 0 else { break }
      let sums = grid.roundingSums(row, importance, count: count, scale: candidate)
      guard sums.error < bestSums.error else { break }
      (best, bestSums) = (candidate, sums)
    }
    return best
  }

  /// The scale of a run without any weight that counts: bipolar codes have no zero, so it is tiny.
  package var emptyScale: Float { grid.code.kind == .bipolar ? Float.leastNormalMagnitude : 1 }

  /// The scale at which the largest weight that counts is the largest integer of its sign.
  private func fullScale(
    _ row: UnsafePointer<Float>, _ importance: UnsafePointer<Float>, _ count: Int
  ) -> Float? {
    var largest: Float = 0
    var smallest: Float = 0
    for index in 0..<count where importance[index] > 0 {
      largest = max(largest, row[index])
      smallest = min(smallest, row[index])
    }
    let (lowest, highest) = (grid.lowest, grid.highest)
    var scale: Float = 0
    if highest > 0 { scale = max(scale, largest / highest) }
    if lowest < 0 { scale = max(scale, smallest / lowest) }
    return scale.isNormal && scale.isFinite ? scale : nil
  }
}
