import SoniqGraph

/// The dynamic sizes that a session is planned for.
///
/// Each may reach its maximum, which is the one that the options name, or the model's, or what is usual where nobody ever
/// said how large it may become. All of them at once may be too much: a
/// session whose options leave the batch open is planned for few entries of full length, and for full batches of as many
/// rows in all. A run may have any sizes whose values find room in what is planned for these.
struct SessionSizes {
  /// The largest of each symbol.
  let maximums: [Int]
  /// Sizes by symbol that are possible together.
  let combinations: [[Int]]

  /// What the values of a run may take by default, in bytes, beside the memory of the lanes.
  static let defaultValueBytes = 24 << 20

  /// Everything at its maximum.
  init(_ maximums: [Int]) {
    self.maximums = maximums
    combinations = [maximums]
  }

  /// `entries` of each batch at full length, and full batches of shorter ones.
  init(_ maximums: [Int], batches: [Int], entries: Int, _ graph: Graph) {
    var few = maximums
    for symbol in batches { few[symbol] = min(maximums[symbol], entries) }
    let most = batches.map { maximums[$0] }.max() ?? 1
    var short = maximums
    for symbol in short.indices where !batches.contains(symbol) {
      let (product, overflow) = maximums[symbol].multipliedReportingOverflow(by: entries)
      short[symbol] = overflow ? max(1, maximums[symbol] / most) : max(1, product / most)
    }
    few = Self.derived(few, graph)
    short = Self.derived(short, graph)
    let isShorter = short.indices.contains { short[$0] < maximums[$0] }
    self.maximums = isShorter ? maximums : few
    combinations = isShorter ? [few, short] : [few]
  }

  /// - Throws: `invalidOption` for a maximum that the model does not have.
  static func maximums(_ graph: Graph, _ options: SessionOptions) throws(RuntimeError) -> [Int] {
    var maximums = usual(graph)
    for option in options.maximums {
      guard
        let symbol = graph.symbols.firstIndex(where: { $0.name == option.name && $0.definition == nil }),
        (1...graph.symbols[symbol].maximum).contains(option.maximum)
      else {
        throw RuntimeError(.invalidOption, subject: "maximum of \(option.name)", actual: option.maximum)
      }
      maximums[symbol] = option.maximum
    }
    // Memory for all positions of every entry of the largest batch is nothing that most hosts want.
    for case .symbol(let batch)? in graph.states.map({ $0.isGrowing ? $0.shape.first : nil })
    where !options.maximums.contains(where: { $0.name == graph.symbols[batch].name }) {
      maximums[batch] = 1
    }
    return derived(maximums, graph)
  }

  /// What a session is planned for whose options name no size, but for what its memory says of batches.
  static func usual(_ graph: Graph) -> [Int] {
    var first: Set<Int> = []
    for input in graph.inputs {
      if case .symbol(let symbol)? = graph.values[input.value].shape.first { first.insert(symbol) }
    }
    return derived(graph.symbols.indices.map { graph.symbols[$0].usual(first: first.contains($0)) }, graph)
  }

  /// What each symbol may be in a session of the same options that names more sizes.
  static func possible(_ graph: Graph, _ options: SessionOptions) -> [Int] {
    graph.symbols.map { symbol in
      options.maximums.first { $0.name == symbol.name }?.maximum ?? symbol.maximum
    }
  }

  /// With the most that defined sizes can be while the others are at most these.
  private static func derived(_ maximums: [Int], _ graph: Graph) -> [Int] {
    var maximums = maximums
    for (index, symbol) in graph.symbols.enumerated() {
      guard let definition = symbol.definition else { continue }
      let bound = definition.upperBound { maximums[$0] } ?? symbol.maximum
      maximums[index] = max(1, min(symbol.maximum, bound))
    }
    return maximums
  }

  /// Batches that the options leave open: symbols of inputs that are never anything but a first dimension.
  static func openBatches(_ graph: Graph, _ options: SessionOptions) -> [Int] {
    var isFirst = [Bool](repeating: false, count: graph.symbols.count)
    for input in graph.inputs {
      if case .symbol(let symbol)? = graph.values[input.value].shape.first { isFirst[symbol] = true }
    }
    for value in graph.values {
      for case .symbol(let symbol) in value.shape.dropFirst() { isFirst[symbol] = false }
    }
    let named = Set(options.maximums.map(\.name))
    return isFirst.indices.filter { isFirst[$0] && !named.contains(graph.symbols[$0].name) }
  }

  /// Sizes whose values take at most `limit` bytes, and their layout; one entry at full length whatever it takes. Near
  /// the most entries, not always the most: each trial lays out the whole workspace.
  static func fitting(
    _ maximums: [Int], of graph: Graph, batches: [Int], limit: Int,
    _ layout: (SessionSizes) throws(GraphError) -> WorkspaceLayout
  ) throws(GraphError) -> (SessionSizes, WorkspaceLayout) {
    let all = SessionSizes(maximums)
    guard !batches.isEmpty else { return (all, try layout(all)) }
    // Too large to address is too large.
    if let whole = try? layout(all), whole.valueBytes <= limit { return (all, whole) }
    var low = SessionSizes(maximums, batches: batches, entries: 1, graph)
    var best = try layout(low)
    var (fits, tooMany) = (1, batches.map { maximums[$0] }.max() ?? 1)
    // Bytes grow with entries nearly in proportion.
    var guess = best.valueBytes > 0 ? limit / best.valueBytes : 1
    while tooMany - fits > max(1, fits / 8) {
      let entries = min(max(guess, fits + 1), tooMany - 1)
      let sizes = SessionSizes(maximums, batches: batches, entries: entries, graph)
      if let trial = try? layout(sizes), trial.valueBytes <= limit {
        (fits, low, best) = (entries, sizes, trial)
      } else {
        tooMany = entries
      }
      guess = fits + (tooMany - fits) / 2
    }
    return (low, best)
  }
}
