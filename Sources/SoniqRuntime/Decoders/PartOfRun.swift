import SoniqGraph

/// What goes through the model at once: tokens of one text or of several, one behind the other. All memory is taken when it is
/// made.
final class PartOfRun {
  private let maximumTokens: Int
  private let maximumOutputs: Int
  /// [count]
  let rows: UnsafeMutablePointer<TextRows>
  /// By text; whoever adds tokens keeps them alive.
  private let states: UnsafeMutablePointer<Unmanaged<SessionStates>?>
  private(set) var count = 0
  /// [tokenCount]
  let tokens: UnsafeMutablePointer<Int32>
  private(set) var tokenCount = 0
  /// [outputCount]: rows that logits are wanted of.
  let outputs: UnsafeMutablePointer<Int32>
  private(set) var outputCount = 0

  /// - Throws: `outOfMemory`.
  init(maximumTokens: Int, maximumOutputs: Int, _ memory: PlanMemory) throws(RuntimeError) {
    (self.maximumTokens, self.maximumOutputs) = (maximumTokens, maximumOutputs)
    tokens = try memory.store(repeating: 0, count: maximumTokens)
    outputs = try memory.store(repeating: 0, count: maximumOutputs)
    states = try memory.store(repeating: nil, count: maximumTokens)
    let none = UnsafePointer(try memory.store([StateStorage]()))
    let empty = TextRows(states: none, firstRow: 0, endRow: 0)
    rows = try memory.store(repeating: empty, count: maximumTokens)
  }

  func clear() { (count, tokenCount, outputCount) = (0, 0, 0) }

  /// Takes tokens of an item from `begin` on, of a sequence that it has none of yet, as many as there is room for.
  ///
  /// - Returns: how many; of an empty part at least one.
  func add(_ item: Decoder.Item, from begin: Int) -> Int {
    let added = fitting(item, item.tokens.count - begin)
    guard added > 0 else { return 0 }
    for place in 0..<added { tokens[tokenCount + place] = item.tokens[begin + place] }
    let wanted: Range<Int>
    switch item.rows {
    case .none: wanted = 0..<0
    case .last: wanted = begin + added == item.tokens.count ? added - 1..<added : 0..<0
    case .all: wanted = 0..<added
    }
    for place in wanted {
      outputs[outputCount] = Int32(truncatingIfNeeded: tokenCount + place)
      outputCount += 1
    }
    let text = item.sequence.states
    states[count] = Unmanaged.passUnretained(text)
    rows[count] = TextRows(
      states: UnsafePointer(text.storages), firstRow: tokenCount, endRow: tokenCount + added)
    count += 1
    tokenCount += added
    return added
  }

  /// How many of the `rest` of an item's tokens there is room for, with the logits that are wanted.
  private func fitting(_ item: Decoder.Item, _ rest: Int) -> Int {
    let fitting = min(rest, maximumTokens - tokenCount)
    switch item.rows {
    case .none: return fitting
    case .last: return fitting == rest && outputCount == maximumOutputs ? fitting - 1 : fitting
    case .all: return min(fitting, maximumOutputs - outputCount)
    }
  }

  /// Whether the states have room for the rows.
  ///
  /// - Throws: `stateSizeDiffers`, `capacityExceeded`.
  func prepare(_ sizes: UnsafePointer<Int>) throws(RuntimeError) {
    for index in 0..<count {
      guard let states = states[index]?.takeUnretainedValue() else { continue }
      try states.prepare(sizes, appended: rows[index].count)
    }
  }

  /// Makes the rows part of the states.
  func commit(_ sizes: UnsafePointer<Int>, slots: UnsafePointer<RowStorage>) {
    for index in 0..<count {
      let states = states[index]?.takeUnretainedValue()
      states?.commit(sizes, slots: slots, appended: rows[index].count)
    }
  }
}
