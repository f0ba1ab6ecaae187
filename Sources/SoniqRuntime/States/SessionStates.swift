package import SoniqGraph
import SoniqMemory

/// What lives between runs, of a session or a sequence: one block of memory, and how far each state in it has grown.
package final class SessionStates: @unchecked Sendable {
  /// What a run does to a state.
  private enum Change: BitwiseCopyable {
    /// Appends so many positions.
    case growth(rows: SizeReference)
    /// Puts what lies in a slot in its place.
    case replacement(slot: SlotID)
  }
  /// Those of the graph, or none where sequences bring theirs.
  let list: [GraphState]
  let layout: StateLayout
  /// Limits of the symbols.
  let maximums: [Int]
  /// By state.
  let storages: UnsafeMutablePointer<StateStorage>
  /// By symbol: the sizes of the runs since the start; 0 where there was none or no state has it.
  let boundSizes: UnsafeMutablePointer<Int>
  /// By symbol: a state has it, and not as its capacity.
  private let isWatched: [Bool]
  private let changes: [Change]
  private let block: StateMemory?

  /// - Parameters:
  ///   - graph: valid.
  ///   - list: its states, or none of them.
  ///   - maximums: of its symbols.
  ///   - memory: for small things; must outlive this.
  ///   - arena: gives the memory of the states.
  /// - Throws: `workspaceTooLarge`, `outOfMemory`.
  init(
    _ graph: Graph, _ list: [GraphState], maximums: [Int], memory: PlanMemory, arena: MemoryArena
  ) throws(RuntimeError) {
    self.list = list
    self.maximums = maximums
    let rows = graph.growingRows
    layout = try StateLayout(list, rows: rows, maximums: maximums)
    let block =
      layout.byteCount > 0 ? try StateMemory(byteCount: layout.byteCount, arena: arena) : nil
    self.block = block
    boundSizes = try memory.store(repeating: 0, count: maximums.count)
    var storages: [StateStorage] = []
    var isWatched = [Bool](repeating: false, count: graph.symbols.count)
    for (index, state) in list.enumerated() {
      guard let block else { break }
      var storage = StateStorage(base: block.start + layout.offsets[index])
      if state.isGrowing {
        storage.capacity = Self.size(state.shape[1], maximums)
        storage.channels = Self.size(state.shape[2], maximums)
        storage.heads = rows[index]?.heads ?? 1
        storage.form = StateForm(state, isKey: rows[index]?.isKey == true)
        if storage.form.isCodes {
          storage.steps = (storage.base + layout.stepOffsets[index]).assumingMemoryBound(to: Float.self)
        }
      }
      storages.append(storage)
      for (position, dimension) in state.shape.enumerated() where !(state.isGrowing && position == 1) {
        if case .symbol(let symbol) = dimension { isWatched[symbol] = true }
      }
    }
    self.storages = try memory.store(storages)
    self.isWatched = isWatched
    changes = list.isEmpty ? [] : Self.changes(graph)
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

  private func size(_ reference: SizeReference, _ sizes: UnsafePointer<Int>) -> Int {
    reference < 0 ? 0 &- reference : sizes[reference]
  }

  /// Lets steps find what is read as inputs are.
  func place(in slots: UnsafeMutablePointer<RowStorage>) {
    for (index, state) in list.enumerated() {
      if let value = state.value { slots[value].base = storages[index].base }
    }
  }

  /// Whether the sizes of a run, by symbol, fit the states; those that no run has replaced yet are zero then.
  ///
  /// - Parameters:
  ///   - sizes: of the run.
  ///   - appended: rows that states grow by; nil: those of the run.
  /// - Throws: `stateSizeDiffers`, `capacityExceeded`.
  func prepare(_ sizes: UnsafePointer<Int>, appended: Int? = nil) throws(RuntimeError) {
    for index in changes.indices {
      try requireSameSizes(index, sizes)
      guard case .growth(let rows) = changes[index] else { continue }
      let (storage, growth) = (storages[index], appended ?? size(rows, sizes))
      guard growth <= storage.capacity &- storage.length else {
        throw RuntimeError(
          .capacityExceeded, subject: list[index].name, position: storage.length,
          actual: storage.length &+ growth, expected: storage.capacity)
      }
    }
    for index in changes.indices where storages[index].isZero {
      // Only what this run reads: all of it may be more memory than there is.
      storages[index].base.initializeMemory(as: UInt8.self, repeating: 0, count: byteCountOfRun(index, sizes))
    }
  }

  private func requireSameSizes(_ index: StateID, _ sizes: UnsafePointer<Int>) throws(RuntimeError) {
    for (position, dimension) in list[index].shape.enumerated() {
      guard case .symbol(let symbol) = dimension, isWatched[symbol], boundSizes[symbol] != 0,
        boundSizes[symbol] != sizes[symbol]
      else { continue }
      throw RuntimeError(
        .stateSizeDiffers, subject: list[index].name, position: position, actual: sizes[symbol],
        expected: boundSizes[symbol])
    }
  }

  /// Makes what a run of these sizes has made the states; `appended` as in `prepare`.
  func commit(_ sizes: UnsafePointer<Int>, slots: UnsafePointer<RowStorage>, appended: Int? = nil) {
    for symbol in isWatched.indices where isWatched[symbol] { boundSizes[symbol] = sizes[symbol] }
    for index in changes.indices {
      switch changes[index] {
      case .growth(let rows): storages[index].length &+= appended ?? size(rows, sizes)
      case .replacement(let slot):
        storages[index].base.copyMemory(from: slots[slot].base, byteCount: byteCount(index))
        storages[index].isZero = false
      }
    }
  }

  /// What a state takes with the sizes of the runs since the start; of a growing one up to its length.
  func byteCount(_ index: StateID) -> Int {
    if list[index].isGrowing { return size(index, 0) &* size(index, 1) &* storages[index].copiedRowBytes }
    var bytes = list[index].elementType.byteCount
    for position in list[index].shape.indices { bytes &*= size(index, position) }
    return bytes
  }

  /// The same with the sizes of a run, of a recurrent one.
  private func byteCountOfRun(_ index: StateID, _ sizes: UnsafePointer<Int>) -> Int {
    list[index].shape.reduce(list[index].elementType.byteCount) { bytes, dimension in
      bytes &* size(dimension.sizeReference, sizes)
    }
  }

  /// A dimension of a state in the runs since the start, 0 where there was none; a growing one's length for its capacity.
  func size(_ index: StateID, _ position: Int) -> Int {
    let state = list[index]
    if state.isGrowing && position == 1 { return storages[index].length }
    switch state.shape[position] {
    case .fixed(let size): return size
    case .symbol(let symbol): return boundSizes[symbol]
    }
  }

  // MARK: For the host

  /// All states are as before the first run.
  package func reset() {
    for (index, state) in list.enumerated() {
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
    if let fixed = list.first(where: { !$0.isGrowing }) {
      throw RuntimeError(.cannotTruncate, subject: fixed.name)
    }
    guard !list.isEmpty else { throw RuntimeError(.cannotTruncate) }
    let longest = list.indices.map { storages[$0].length }.max() ?? 0
    guard (0...longest).contains(length) else {
      throw RuntimeError(.invalidArgument, subject: "length", actual: length, expected: longest)
    }
    if length == 0 { return reset() }
    for index in list.indices { storages[index].length = min(storages[index].length, length) }
  }

  package var count: Int { list.count }
  /// Memory of all states, whatever their lengths.
  package var byteCount: Int { layout.byteCount }

  /// What a host must know of a state.
  package struct Info {
    package var name: String
    package var elementType: ElementType
    package var bits: Int
    package var isGrowing: Bool
    /// As large as they can be in this session.
    package var shape: [Int]
    package var length: Int
    package var byteCount: Int
  }

  package func info(_ index: StateID) -> Info {
    let state = list[index]
    return Info(
      name: state.name, elementType: state.elementType, bits: state.bits, isGrowing: state.isGrowing,
      shape: state.shape.map { Self.size($0, maximums) }, length: storages[index].length,
      byteCount: layout.byteCounts[index])
  }
}
