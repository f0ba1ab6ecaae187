import SoniqCore
package import SoniqGraph

/// Samples of every graph input; the first axis of each array counts them. Where arrays have one axis more than their
/// inputs, it counts whole runs: for inputs whose first size is not that of samples, such as states of recurrent layers.
package struct SampleArrays: Sendable {
  package private(set) var arrays: [InputArray]
  package let source: String
  /// By array: its rows in each run, where the model fixes them.
  private let fixedLengths: [Int?]
  /// Whether each entry of an array is all that its input is given in one run.
  package let areWholeRuns: Bool

  package var count: Int { arrays.first?.shape.first ?? 0 }

  /// * arrays: at least one, none of them empty.
  /// * fixedLengths: by array, the first size that the model fixes, if it does.
  /// * areWholeRuns: the arrays have an axis before those of their inputs, which counts runs.
  /// - Returns: nil when the arrays hold neither as many samples each nor as many whole runs each.
  package init?(arrays: [InputArray], source: String, fixedLengths: [Int?], areWholeRuns: Bool = false) {
    self.arrays = arrays
    self.source = source
    self.fixedLengths = areWholeRuns ? arrays.map { _ in nil } : fixedLengths
    self.areWholeRuns = areWholeRuns
    guard hasCommonSamples || runCount != nil else { return nil }
  }

  /// Whether row i of every array belongs to sample i.
  private var hasCommonSamples: Bool {
    Set(arrays.map { $0.shape[0] }).count == 1 && Set(fixedLengths.compactMap { $0 }).count <= 1
  }

  /// The whole runs that every array holds; nil when they do not agree.
  private var runCount: Int? {
    var counts: Set<Int> = []
    for (array, length) in zip(arrays, fixedLengths) {
      guard let length else { continue }
      guard array.shape[0] % length == 0 else { return nil }
      counts.insert(array.shape[0] / length)
    }
    guard counts.count == 1, let runs = counts.first, arrays.allSatisfy({ $0.shape[0] % runs == 0 }) else {
      return nil
    }
    return runs
  }

  /// Rows of each array in a run.
  private func runLengths(maximumBatch: Int) -> [Int] {
    if areWholeRuns { return arrays.map { _ in 1 } }
    if !hasCommonSamples, let runs = runCount { return arrays.map { $0.shape[0] / runs } }
    let length = fixedLengths.lazy.compactMap { $0 }.first ?? min(max(1, maximumBatch), count)
    return [Int](repeating: length, count: arrays.count)
  }

  /// The most rows of an input in a run.
  func runLength(of name: String, maximumBatch: Int) -> Int? {
    if areWholeRuns { return arrays.first { $0.name == name }?.shape[1] }
    let lengths = runLengths(maximumBatch: maximumBatch)
    return arrays.firstIndex { $0.name == name }.map { lengths[$0] }
  }

  /// The size that a later dimension of an input has in all runs.
  func size(of name: String, dimension: Int) -> Int? {
    guard let shape = arrays.first(where: { $0.name == name })?.shape else { return nil }
    let inputShape = areWholeRuns ? shape.dropFirst() : shape[...]
    return dimension > 0 && dimension < inputShape.count ? inputShape[inputShape.startIndex + dimension] : nil
  }

  /// At most so many samples, or whole runs of them, spread evenly over all.
  package func limited(to limit: Int) -> SampleArrays {
    guard count > limit, limit > 0 else { return self }
    var part = self
    if hasCommonSamples {
      let chosen = (0..<limit).map { $0 * count / limit }
      part.arrays = arrays.map { Self.rows(chosen, of: $0) }
    } else if let runs = runCount {
      let lengths = runLengths(maximumBatch: 1)
      let taken = min(runs, max(1, limit / (lengths.max() ?? 1)))
      part.arrays = zip(arrays, lengths).map { array, length in
        let chosen = (0..<taken).flatMap { run in (0..<length).map { run * runs / taken * length + $0 } }
        return Self.rows(chosen, of: array)
      }
    }
    return part
  }

  /// Where the model fixes the number of samples of a run, the last run is filled up with the first samples.
  func runs(maximumBatch: Int) -> [[InputArray]] {
    let lengths = runLengths(maximumBatch: maximumBatch)
    let isFixed = fixedLengths.contains { $0 != nil }
    return (0..<(count + lengths[0] - 1) / lengths[0]).map { run in
      zip(arrays, lengths).map { array, length in
        let begin = run * length
        let end = isFixed ? begin + length : min(count, begin + length)
        var part = Self.rows((begin..<end).map { $0 % array.shape[0] }, of: array)
        if areWholeRuns { part.shape.removeFirst() }
        return part
      }
    }
  }

  private static func rows(_ samples: [Int], of array: InputArray) -> InputArray {
    let length = array.bytes.count / max(1, array.shape[0])
    var part = array
    part.shape[0] = samples.count
    part.bytes = samples.flatMap { array.bytes[$0 * length..<($0 + 1) * length] }
    return part
  }
}
