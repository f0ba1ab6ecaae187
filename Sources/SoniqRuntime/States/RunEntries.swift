/// The rows of a run that belong to one text, where a run has rows of several one behind the other.
struct TextRows: BitwiseCopyable {
  var states: UnsafePointer<StateStorage>
  /// Rows of the run from the first on, up to the end.
  var firstRow: Int
  var endRow: Int

  var count: Int { endRow &- firstRow }
}

/// An entry of the batch, or a text: the states that rows of a run belong to.
struct RunEntry: BitwiseCopyable {
  var states: UnsafePointer<StateStorage>
  /// The entry's number in these states.
  var index: Int
  /// Rows of the run from the first on, up to the end.
  var firstRow: Int
  var endRow: Int

  var count: Int { endRow &- firstRow }
}

extension RunFrame {
  /// How many entries a run of values [batch, sequence, ...] has.
  func entryCount(batch: SizeReference) -> Int { textCount > 0 ? textCount : size(batch) }

  func entry(_ index: Int, sequence: Int) -> RunEntry {
    guard textCount > 0 else {
      return RunEntry(
        states: states, index: index, firstRow: index &* sequence, endRow: (index &+ 1) &* sequence)
    }
    let text = texts[index]
    return RunEntry(states: text.states, index: 0, firstRow: text.firstRow, endRow: text.endRow)
  }

  /// Hands out rows of the run, entry by entry.
  @inline(__always)
  func forEachEntry(_ rows: Range<Int>, sequence: Int, _ body: (RunEntry, Range<Int>) -> Void) {
    var first = rows.lowerBound
    var index = textCount > 0 ? 0 : first / sequence
    while first < rows.upperBound {
      let entry = entry(index, sequence: sequence)
      index &+= 1
      guard first < entry.endRow else { continue }
      let end = min(rows.upperBound, entry.endRow)
      body(entry, first..<end)
      first = end
    }
  }
}
