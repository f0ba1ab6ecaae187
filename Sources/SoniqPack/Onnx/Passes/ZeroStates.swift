import SoniqGraph

/// Drops the initial states of recurrences that are zeros in every run, as exporters write them where a model has none.
enum ZeroStates: DraftPass {
  static func run(_ draft: inout DraftGraph) throws(PackError) {
    let matcher = PatternMatcher(draft)
    for index in draft.nodes.indices {
      guard case .recurrence(var recurrence, let matrices) = draft.nodes[index].operation else { continue }
      func isZero(_ input: Int?) -> Bool {
        input.map { UniformValue.of(draft.nodes[index].inputs[$0], matcher) == 0 } ?? false
      }
      let (hidden, cell) = (recurrence.hiddenInput, recurrence.cellInput)
      if isZero(hidden) { recurrence.hasHidden = false }
      if isZero(cell) { recurrence.hasCell = false }
      for input in [cell, hidden].filter(isZero).compactMap({ $0 }) {
        draft.nodes[index].inputs.remove(at: input)
      }
      draft.nodes[index].operation = .recurrence(recurrence, matrices)
    }
  }
}
