import SoniqCore
import SoniqGraph
import SoniqMemory

/// What the host has set, and whether it fits the model. Allocates after it is made only for inputs that the host does not
/// lend.
struct InputBindings {
  private struct State: BitwiseCopyable {
    var isSet = false
    var rank = 0
    /// Of the graph: a required input has no fill.
    var hasFill = false
    var fill: Int32 = 0
    var slot: SlotID = 0
    /// Where the fill goes, in the workspace.
    var filled: UnsafeMutableRawPointer
  }
  /// An embedding whose ids the host gives.
  private struct HostIdentifiers: BitwiseCopyable {
    var node: Int
    var input: Int
    var rows: Int
  }
  /// How many rows the values of one shape may have in this session, or how many bytes padded images.
  private struct Room: BitwiseCopyable {
    var space: UnsafePointer<SizeReference>
    var count: Int
    var image: PaddedImage?
    var most: Int
  }
  let count: Int
  private let graph: Graph
  private let maximums: [Int]
  private let runner: PlanRunner
  private let states: UnsafeMutablePointer<State>
  /// [input][maximumRank]
  private let dimensions: UnsafeMutablePointer<Int>
  private let checks: UnsafePointer<HostIdentifiers>
  private let checkCount: Int
  /// Symbols that only inputs can bind: those in their shapes.
  private let isShown: UnsafePointer<Bool>
  private let rooms: UnsafePointer<Room>
  private let roomCount: Int
  private let derived: DerivedSizes
  private let copies: InputCopies
  private let memory: PlanMemory

  /// - Throws: `outOfMemory`.
  init(_ runner: PlanRunner, arena: MemoryArena) throws(RuntimeError) {
    memory = PlanMemory(arena)
    self.runner = runner
    graph = runner.plan.outline.graph
    maximums = runner.plan.outline.sizes.maximums
    count = graph.inputs.count
    states = try memory.store(
      graph.inputs.map { input in
        State(
          hasFill: input.fill != nil, fill: input.fill ?? 0, slot: input.value,
          filled: runner.storages[input.value].base)
      })
    copies = InputCopies(count: count, arena)
    dimensions = try memory.store(repeating: 0, count: count * maximumRank)
    let checks = Self.identifierChecks(graph)
    self.checks = UnsafePointer(try memory.store(checks))
    checkCount = checks.count
    var isShown = [Bool](repeating: false, count: graph.symbols.count)
    for input in graph.inputs {
      for case .symbol(let symbol) in graph.values[input.value].shape { isShown[symbol] = true }
    }
    self.isShown = UnsafePointer(try memory.store(isShown))
    derived = try DerivedSizes(graph, maximums: maximums, memory)
    let rooms = try Self.rooms(runner.plan, memory)
    self.rooms = UnsafePointer(try memory.store(rooms))
    roomCount = rooms.count
  }

  /// One for each shape of a value; none where sizes within their maximums always fit.
  private static func rooms(_ plan: Plan, _ memory: PlanMemory) throws(RuntimeError) -> [Room] {
    guard plan.outline.sizes.combinations.count > 1 else { return [] }
    func room(_ space: [Dimension], _ image: PaddedImage?, _ most: Int) throws(RuntimeError) -> Room {
      let references = space.map(\.sizeReference)
      return Room(
        space: UnsafePointer(try memory.store(references)), count: references.count, image: image, most: most)
    }
    func planned(_ most: () throws(GraphError) -> Int) throws(RuntimeError) -> Int {
      do throws(GraphError) { return try most() } catch {
        throw RuntimeError(.workspaceTooLarge, graphError: error)
      }
    }
    let slots = plan.outline.schedule.slots
    let values = try Set(slots.map(\.space)).map { (space) throws(RuntimeError) in
      try room(space, nil, planned { () throws(GraphError) in try plan.outline.layout.rows(space) })
    }
    return try values
      + slots.filter { $0.image != nil }.map { (slot) throws(RuntimeError) in
        try room(
          slot.space, slot.image, planned { () throws(GraphError) in try plan.outline.layout.byteCount(slot) }
        )
      }
  }

  private static func identifierChecks(_ graph: Graph) -> [HostIdentifiers] {
    graph.nodes.enumerated().compactMap { index, node in
      guard case .embedding(let embedding) = node.operation,
        let input = graph.inputs.firstIndex(where: { $0.value == node.inputs[0] })
      else { return nil }
      let rows = rowCount(graph.constants[embedding.table])
      return rows.map { HostIdentifiers(node: index, input: input, rows: $0) }
    }
  }

  /// How many ids a table has.
  private static func rowCount(_ table: Constant) -> Int? {
    switch table {
    case .table(let packed): packed.rows
    case .dense(let dense): dense.shape[0]
    case .matrix(let matrix): matrix.outputs
    default: nil
    }
  }

  /// What the ids of an input are below; nil where it has none.
  static func idCount(_ graph: Graph, input: Int) -> Int? {
    identifierChecks(graph).filter { $0.input == input }.map(\.rows).min()
  }

  private func name(_ input: Int) -> String { graph.values[graph.inputs[input].value].name }

  func requireInput(_ index: Int) throws(RuntimeError) {
    guard (0..<count).contains(index) else {
      throw RuntimeError(.noSuchInput, actual: index, expected: count)
    }
  }

  /// See `Session.setInput`.
  func set(
    _ index: Int, data: UnsafeRawPointer?, elementType: HostElementType, shape: UnsafePointer<Int64>?,
    rank: Int,
    borrowing: Bool
  ) throws(RuntimeError) {
    try requireInput(index)
    let value = graph.inputs[index].value
    guard let data, let shape else { throw RuntimeError(.nullPointer, subject: name(index)) }
    let target = graph.values[value].elementType
    guard elementType.isAccepted(for: target) else {
      throw RuntimeError(.wrongElementType, subject: name(index))
    }
    let wanted = graph.values[value].shape.count
    guard rank == wanted else {
      throw RuntimeError(.wrongRank, subject: name(index), actual: rank, expected: wanted)
    }
    for position in 0..<rank { try requireDimension(index, position, size: Int(shape[position])) }
    let isAligned = UInt(bitPattern: data) % UInt(target.byteCount) == 0
    let isAsItIs = elementType == HostElementType(target) && isAligned
    var source = UnsafeMutableRawPointer(mutating: data)
    if !(borrowing && isAsItIs) {
      do throws(RuntimeError) {
        source = try copies.copy(
          index, data, elementType, as: target, shape: UnsafeBufferPointer(start: shape, count: rank))
      } catch {
        var error = error
        error.subject = name(index)
        throw error
      }
    }
    for position in 0..<rank { dimensions[index * maximumRank + position] = Int(shape[position]) }
    runner.storages[value].base = source
    states[index].rank = rank
    states[index].isSet = true
  }

  private func requireDimension(_ index: Int, _ position: Int, size: Int) throws(RuntimeError) {
    switch graph.values[graph.inputs[index].value].shape[position] {
    case .fixed(let fixed):
      guard size == fixed else {
        throw RuntimeError(
          .wrongDimension, subject: name(index), position: position, actual: size, expected: fixed)
      }
    case .symbol(let symbol):
      guard size >= 1 else {
        throw RuntimeError(
          .wrongDimension, subject: name(index), position: position, actual: size, expected: 1)
      }
      guard size <= maximums[symbol] else {
        let possible = runner.plan.outline.possibleSizes[symbol]
        throw RuntimeError(
          size <= possible ? .dimensionNotPlanned : .dimensionTooLarge, subject: name(index),
          position: position, actual: size, expected: size <= possible ? maximums[symbol] : possible)
      }
    }
  }

  func clear(_ index: Int) throws(RuntimeError) {
    try requireInput(index)
    states[index].isSet = false
  }

  /// Binds the symbols, fills what is optional and not set, and checks the ids.
  ///
  /// - Throws: `inputMissing`, `dimensionConflict`, `sizeOutOfRange`, `sizesDiffer`, `sliceOutOfRange`, `sizesTooLarge`,
  ///   `idOutOfRange`.
  func prepare() throws(RuntimeError) {
    let sizes = runner.sizes
    for symbol in 0..<maximums.count { sizes[symbol] = 0 }
    for index in 0..<count where states[index].isSet { try bind(index, sizes) }
    for index in 0..<count where !states[index].isSet {
      guard states[index].hasFill else { throw RuntimeError(.inputMissing, subject: name(index)) }
    }
    // Sizes of optional inputs alone, of which none is set.
    for symbol in 0..<maximums.count where isShown[symbol] && sizes[symbol] == 0 { sizes[symbol] = 1 }
    try derived.bind(sizes)
    for room in 0..<roomCount { try requireRoom(rooms[room], sizes) }
    for index in 0..<count where !states[index].isSet { fill(index) }
    for check in 0..<checkCount { try checkIdentifiers(checks[check]) }
  }

  private func bind(_ index: Int, _ sizes: UnsafeMutablePointer<Int>) throws(RuntimeError) {
    let shape = graph.values[states[index].slot].shape
    for position in 0..<states[index].rank {
      guard case .symbol(let symbol) = shape[position] else { continue }
      let size = dimensions[index * maximumRank + position]
      guard sizes[symbol] == 0 || sizes[symbol] == size else {
        var error = RuntimeError(
          .dimensionConflict, subject: name(index), position: position, actual: size,
          expected: sizes[symbol])
        // The first input that has the size has bound it; it may be this one.
        let binder = (0...index).first {
          states[$0].isSet && graph.values[states[$0].slot].shape.contains(.symbol(symbol))
        }
        error.other = name(binder ?? index)
        throw error
      }
      sizes[symbol] = size
    }
  }

  private func requireRoom(_ room: Room, _ sizes: UnsafePointer<Int>) throws(RuntimeError) {
    var rows = 1
    for position in 0..<room.count {
      let reference = room.space[position]
      let (product, overflow) = rows.multipliedReportingOverflow(
        by: reference < 0 ? -reference : sizes[reference])
      rows = overflow ? .max : product
    }
    if let image = room.image {
      rows = image.byteCount { sizes[$0] }.flatMap { checkedProduct($0, rows) } ?? .max
    }
    guard rows > room.most else { return }
    let names = graph.symbols.indices.map { "\(graph.symbols[$0].name) = \(sizes[$0])" }
    throw RuntimeError(.sizesTooLarge, subject: names.joined(separator: ", "))
  }

  private func elementCount(_ index: Int) -> Int {
    var elements = 1
    for dimension in graph.values[states[index].slot].shape {
      elements *= runner.frame.pointee.size(dimension.sizeReference)
    }
    return elements
  }

  private func fill(_ index: Int) {
    let filled = states[index].filled
    filled.initializeMemory(as: Int32.self, repeating: states[index].fill, count: elementCount(index))
    runner.storages[states[index].slot].base = filled
  }

  private func checkIdentifiers(_ check: HostIdentifiers) throws(RuntimeError) {
    guard states[check.input].isSet else { return }
    let ids = runner.storages[states[check.input].slot].base.assumingMemoryBound(to: Int32.self)
    for position in 0..<elementCount(check.input)
    where UInt32(bitPattern: ids[position]) >= UInt32(check.rows) {
      throw RuntimeError(
        .idOutOfRange, subject: name(check.input), node: check.node, position: position,
        actual: Int(ids[position]), expected: check.rows)
    }
  }
}
