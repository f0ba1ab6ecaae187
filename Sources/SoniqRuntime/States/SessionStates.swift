package import SoniqGraph
import SoniqMemory

/// What lives between the runs of a session: one block of memory, and how far each state in it has grown.
package final class SessionStates: @unchecked Sendable {
  /// What a run does to a state.
  private enum Change: BitwiseCopyable {
    /// Appends so many positions.
    case growth(rows: SizeReference)
    /// Puts what lies in a slot in its place.
    case replacement(slot: SlotID)
  }
  let graph: Graph
  let layout: StateLayout
  /// Limits of the symbols in this session.
  let maximums: [Int]
  /// By state.
  let storages: UnsafeMutablePointer<StateStorage>
  /// By symbol: the sizes of the runs since the start; 0 where there was none or no state has it.
  let boundSizes: UnsafeMutablePointer<Int>
  /// By symbol: a state has it, and not as its capacity.
  private let isWatched: [Bool]
  private let changes: [Change]
  private let slots: UnsafeMutablePointer<RowStorage>
  private let sizes: UnsafeMutablePointer<Int>
  private let block: StateMemory?

  /// - Parameters:
  ///   - plan: of a graph with states or without.
  ///   - slots: by slot; those of recurrent states are set here.
  ///   - sizes: by symbol, bound before each run.
  ///   - memory: for small things; must outlive this.
  ///   - arena: gives the memory of the states.
  /// - Throws: `workspaceTooLarge`, `outOfMemory`.
  init(
    _ plan: Plan, storages slots: UnsafeMutablePointer<RowStorage>, sizes: UnsafeMutablePointer<Int>,
    memory: PlanMemory, arena: MemoryArena
  ) throws(RuntimeError) {
    graph = plan.outline.graph
    maximums = plan.outline.sizes.maximums
    self.slots = slots
    self.sizes = sizes
    layout = try StateLayout(graph, maximums: maximums)
    let block =
      layout.byteCount > 0 ? try StateMemory(byteCount: layout.byteCount, arena: arena) : nil
    self.block = block
    boundSizes = try memory.store(repeating: 0, count: maximums.count)
    var storages: [StateStorage] = []
    var isWatched = [Bool](repeating: false, count: graph.symbols.count)
    for (index, state) in graph.states.enumerated() {
      guard let block else { break }
      var storage = StateStorage(base: block.start + layout.offsets[index])
      if let value = state.value { slots[value].base = storage.base }
      if state.isGrowing {
        storage.capacity = Self.size(state.shape[1], maximums)
        storage.channels = Self.size(state.shape[2], maximums)
        storage.isHalf = state.elementType == .float16
      }
      storages.append(storage)
      for (position, dimension) in state.shape.enumerated() where !(state.isGrowing && position == 1) {
        if case .symbol(let symbol) = dimension { isWatched[symbol] = true }
      }
    }
    self.storages = try memory.store(storages)
    self.isWatched = isWatched
    changes = Self.changes(graph)
    reset()
  }

  private static func size(_ dimension: Dimension, _ sizes: [Int]) -> Int {
    switch dimension {
    case .fixed(let size): size
    case .symbol(let symbol): sizes[symbol]
    }
  }

  private static func changes(_ graph: Graph) -> [Change] {
    var changes = graph.states.map { state -> Change in
      if case .recurrent(_, let next) = state.kind { return .replacement(slot: next) }
      return .growth(rows: -1)
    }
    for node in graph.nodes {
      let rows = node.operation.appendedStates.isEmpty ? nil : graph.values[node.inputs[0]].shape[1]
      for state in node.operation.appendedStates {
        if let rows { changes[state] = .growth(rows: rows.sizeReference) }
      }
    }
    return changes
  }

  // MARK: Runs

  private func size(_ reference: SizeReference) -> Int { reference < 0 ? 0 &- reference : sizes[reference] }

  /// Whether the sizes of a run fit the states; those that no run has replaced yet are zero then.
  ///
  /// - Throws: `stateSizeDiffers`, `capacityExceeded`.
  func prepare() throws(RuntimeError) {
    for index in changes.indices {
      try requireSameSizes(index)
      guard case .growth(let rows) = changes[index] else { continue }
      let storage = storages[index]
      guard size(rows) <= storage.capacity &- storage.length else {
        throw RuntimeError(
          .capacityExceeded, subject: graph.states[index].name, position: storage.length,
          actual: storage.length &+ size(rows), expected: storage.capacity)
      }
    }
    for index in changes.indices where storages[index].isZero {
      // Only what this run reads: all of it may be more memory than there is.
      storages[index].base.initializeMemory(as: UInt8.self, repeating: 0, count: byteCountOfRun(index))
    }
  }

  private func requireSameSizes(_ index: StateID) throws(RuntimeError) {
    for (position, dimension) in graph.states[index].shape.enumerated() {
      guard case .symbol(let symbol) = dimension, isWatched[symbol], boundSizes[symbol] != 0,
        boundSizes[symbol] != sizes[symbol]
      else { continue }
      throw RuntimeError(
        .stateSizeDiffers, subject: graph.states[index].name, position: position, actual: sizes[symbol],
        expected: boundSizes[symbol])
    }
  }

  /// Makes what a run has made the states.
  func commit() {
    for symbol in isWatched.indices where isWatched[symbol] { boundSizes[symbol] = sizes[symbol] }
    for index in changes.indices {
      switch changes[index] {
      case .growth(let rows): storages[index].length &+= size(rows)
      case .replacement(let slot):
        storages[index].base.copyMemory(from: slots[slot].base, byteCount: byteCount(index))
        storages[index].isZero = false
      }
    }
  }

  /// What a state takes with the sizes of the runs since the start; of a growing one up to its length.
  func byteCount(_ index: StateID) -> Int {
    var bytes = graph.states[index].elementType.byteCount
    for position in graph.states[index].shape.indices { bytes &*= size(index, position) }
    return bytes
  }

  /// The same with the sizes of a run, of a recurrent one.
  private func byteCountOfRun(_ index: StateID) -> Int {
    graph.states[index].shape.reduce(graph.states[index].elementType.byteCount) { bytes, dimension in
      bytes &* size(dimension.sizeReference)
    }
  }

  /// A dimension of a state in the runs since the start, 0 where there was none; a growing one's length for its capacity.
  func size(_ index: StateID, _ position: Int) -> Int {
    let state = graph.states[index]
    if state.isGrowing && position == 1 { return storages[index].length }
    switch state.shape[position] {
    case .fixed(let size): return size
    case .symbol(let symbol): return boundSizes[symbol]
    }
  }

  // MARK: For the host

  /// All states are as before the first run.
  package func reset() {
    for (index, state) in graph.states.enumerated() {
      storages[index].length = 0
      storages[index].isZero = !state.isGrowing
    }
    for symbol in maximums.indices { boundSizes[symbol] = 0 }
  }

  /// Shortens all growing states that are longer, as if the runs behind had not been; `length` is at most that of the
  /// longest. With 0 the next run may have another batch.
  ///
  /// - Throws: `cannotTruncate`, `invalidArgument`.
  package func truncate(to length: Int) throws(RuntimeError) {
    if let fixed = graph.states.first(where: { !$0.isGrowing }) {
      throw RuntimeError(.cannotTruncate, subject: fixed.name)
    }
    guard !graph.states.isEmpty else { throw RuntimeError(.cannotTruncate) }
    let longest = graph.states.indices.map { storages[$0].length }.max() ?? 0
    guard (0...longest).contains(length) else {
      throw RuntimeError(.invalidArgument, subject: "length", actual: length, expected: longest)
    }
    if length == 0 { return reset() }
    for index in graph.states.indices { storages[index].length = min(storages[index].length, length) }
  }

  package var count: Int { graph.states.count }
  /// Memory of all states, whatever their lengths.
  package var byteCount: Int { layout.byteCount }

  /// What a host must know of a state.
  package struct Info {
    package var name: String
    package var elementType: ElementType
    package var isGrowing: Bool
    /// As large as they can be in this session.
    package var shape: [Int]
    package var length: Int
    package var byteCount: Int
  }

  package func info(_ index: StateID) -> Info {
    let state = graph.states[index]
    return Info(
      name: state.name, elementType: state.elementType, isGrowing: state.isGrowing,
      shape: state.shape.map { Self.size($0, maximums) }, length: storages[index].length,
      byteCount: layout.byteCounts[index])
  }
}
