package import SoniqGraph
import SoniqKernels
package import SoniqMemory
import SoniqOperators

/// One plan, one workspace and the threads to run a model with. One thread may use it at a time; several
/// sessions of one model may run at the same time.
package final class Session: @unchecked Sendable {
  package let model: Model
  private let arena: MemoryArena
  private let plan: Plan
  private let runner: PlanRunner
  private let inputs: InputBindings
  private let keptValues: [ValueID]
  private var areOutputsReady = false

  /// Makes the plan, takes the memory and starts the threads: `run` needs nothing more.
  ///
  /// - Throws: `invalidOption`, `unknownInstructionSet`, `outOfMemory`, `workspaceTooLarge`,
  ///   `workspaceTooSmall`, `workspaceMisaligned`, `threadFailed`.
  package init(_ model: Model, options: SessionOptions = SessionOptions()) throws(RuntimeError) {
    self.model = model
    arena = try MemoryArena(for: options)
    let outline = try PlanOutline(
      model.description.graph, options: options, allowsCopies: model.preparedWeights.allowsCopies,
      profile: model.preparedWeights.kernelProfile)
    plan = try Plan(outline, weights: model.preparedWeights, arena: arena)
    runner = try PlanRunner(plan, options: options, arena: arena)
    inputs = try InputBindings(runner, arena: arena)
    keptValues = options.keptValues
  }

  /// Bytes of workspace that a session with these options needs; the `workspace` option is ignored.
  package static func workspaceSize(_ model: Model, options: SessionOptions) throws(RuntimeError) -> Int {
    let weights = model.preparedWeights
    return try PlanOutline(
      model.description.graph, options: options, allowsCopies: weights.allowsCopies,
      profile: weights.kernelProfile
    ).layout.byteCount
  }

  /// The most threads of a session.
  package static let maximumThreadCount = Crew.maximumLanes
  /// Threads at work in `run`, the caller's included.
  package var threadCount: Int { plan.outline.lanes }
  /// Bytes of the workspace.
  package var workspaceByteCount: Int { plan.outline.layout.byteCount }
  /// What the session's arena holds, or the host's allocator gave: the plan, and the workspace unless the host gave
  /// that.
  package var memory: MemoryStatistics { arena.statistics }
  /// The cap in force, by the name of its instruction set.
  package var instructionSet: String { plan.outline.kernels.instructionSet.name }

  /// Sets input `index` for the runs to come and makes the outputs not ready.
  ///
  /// - Parameters:
  ///   - index: of `Model.inputs`.
  ///   - data: row-major elements of `elementType`.
  ///   - elementType: that of the input, or one that becomes it (`HostElementType.isAccepted`).
  ///   - shape: `rank` dimensions, each >= 1.
  ///   - rank: that of the input.
  ///   - borrowing: read `data` in place during every `run` from now on, instead of copying it now. It
  ///     must then stay valid, be of the input's type and aligned to its elements (else it is copied).
  /// - Throws: `noSuchInput`, `nullPointer`, `wrongElementType`, `wrongRank`, `wrongDimension`,
  ///   `dimensionTooLarge`. The input then keeps its former state.
  package func setInput(
    _ index: Int, data: UnsafeRawPointer?, elementType: HostElementType, shape: UnsafePointer<Int64>?,
    rank: Int,
    borrowing: Bool = false
  ) throws(RuntimeError) {
    try inputs.set(
      index, data: data, elementType: elementType, shape: shape, rank: rank, borrowing: borrowing)
    areOutputsReady = false
  }

  /// Forgets input `index`: optional inputs take their fill again.
  package func clearInput(_ index: Int) throws(RuntimeError) {
    try inputs.clear(index)
    areOutputsReady = false
  }

  /// Computes all outputs. Allocates nothing, locks nothing, logs nothing.
  ///
  /// - Parameter host: the state that the host's `parallelFor` is called in; nil: the caller's own of now.
  /// - Throws: before anything is computed `inputMissing`, `dimensionConflict`, `idOutOfRange`, `stateSizeDiffers`,
  ///   `capacityExceeded`; else `hostParallelForFailed`, or `idOutOfRange` of an index that the graph made. States are then
  ///   as before.
  package func run(_ host: HostFloatState? = nil) throws(RuntimeError) {
    areOutputsReady = false
    try inputs.prepare()
    try runner.states.prepare(runner.sizes)
    try runner.run(host)
    runner.states.commit(runner.sizes, slots: runner.storages)
    areOutputsReady = true
  }

  /// The same on states that are not the session's: those of texts whose rows are the run's, which has a batch of one.
  /// The states grow, and were made for this graph and sizes that the session was planned for.
  func run(_ host: HostFloatState?, on texts: PartOfRun) throws(RuntimeError) {
    areOutputsReady = false
    try inputs.prepare()
    try texts.prepare(runner.sizes)
    runner.frame.pointee.texts = UnsafePointer(texts.rows)
    runner.frame.pointee.textCount = texts.count
    defer { runner.frame.pointee.textCount = 0 }
    try runner.run(host)
    texts.commit(runner.sizes, slots: runner.storages)
    areOutputsReady = true
  }

  /// Where output `index` lies and its shape. Valid until the next `setInput`, `run` or the session's end.
  ///
  /// - Throws: `noSuchOutput`, `outputNotReady`.
  package func output(_ index: Int) throws(RuntimeError) -> (data: UnsafeRawPointer, shape: [Int]) {
    try readable(requireOutput(index))
  }

  /// The same without an allocation: writes the first min(rank, capacity) dimensions to `shape`.
  ///
  /// - Returns: the data and the rank.
  /// - Throws: `noSuchOutput`, `outputNotReady`.
  package func output(
    _ index: Int, shape: UnsafeMutablePointer<Int64>?, capacity: Int
  ) throws(RuntimeError) -> (data: UnsafeRawPointer, rank: Int) {
    let value = try requireOutput(index)
    let data = try readyData(value)
    let rank = plan.outline.graph.values[value].shape.count
    if let shape {
      for position in 0..<min(rank, max(0, capacity)) { shape[position] = Int64(size(value, position)) }
    }
    return (data, rank)
  }

  /// The elements of output `index` as float32, which rounds large int32, and its shape.
  ///
  /// - Throws: `noSuchOutput`, `outputNotReady`.
  package func outputNumbers(_ index: Int) throws(RuntimeError) -> (numbers: [Float], shape: [Int]) {
    let value = try requireOutput(index)
    let (data, shape) = try readable(value)
    let count = shape.reduce(1, *)
    let numbers = [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      guard let start = buffer.baseAddress else { return }
      castElements(plan.outline.graph.values[value].elementType, data, .float32, start, count)
      initialized = count
    }
    return (numbers, shape)
  }

  /// A value named in `SessionOptions.keptValues`, like `output`.
  ///
  /// - Throws: `noSuchOutput` when it was not named, `outputNotReady`.
  package func keptValue(_ value: ValueID) throws(RuntimeError) -> (data: UnsafeRawPointer, shape: [Int]) {
    guard keptValues.contains(value) else {
      throw RuntimeError(.noSuchOutput, actual: value, expected: keptValues.count)
    }
    return try readable(value)
  }

  /// What lives between the runs of this session.
  package var states: SessionStates { runner.states }

  /// Writes all states, for `writeStates` of this session or another of the same model.
  ///
  /// - Parameter target: of `states.copyByteCount` bytes at least.
  /// - Throws: `invalidArgument`.
  package func readStates(into target: UnsafeMutableRawBufferPointer) throws(RuntimeError) {
    try states.copy(to: target, identity: model.description.identity)
  }

  /// Takes the states from what `readStates` has written.
  ///
  /// - Throws: `invalidStates`, `statesOfAnotherModel`, `capacityExceeded`, `dimensionTooLarge`. The states are then as
  ///   before.
  package func writeStates(from source: UnsafeRawBufferPointer) throws(RuntimeError) {
    try states.restore(from: source, identity: model.description.identity)
  }

  /// One entry a step, in order of execution; times are 0 without `isProfiling`.
  package var profile: [ProfileEntry] { runner.profile }
  package func resetProfile() { runner.resetProfile() }

  /// One entry a step, in order of execution.
  package var kernelReport: [KernelReportEntry] { runner.kernelReport }

  private func requireOutput(_ index: Int) throws(RuntimeError) -> ValueID {
    let outputs = plan.outline.graph.outputs
    guard outputs.indices.contains(index) else {
      throw RuntimeError(.noSuchOutput, actual: index, expected: outputs.count)
    }
    return outputs[index]
  }

  private func readyData(_ value: ValueID) throws(RuntimeError) -> UnsafeRawPointer {
    guard areOutputsReady else {
      throw RuntimeError(.outputNotReady, subject: plan.outline.graph.values[value].name)
    }
    return UnsafeRawPointer(runner.storages[value].base)
  }

  private func readable(_ value: ValueID) throws(RuntimeError) -> (data: UnsafeRawPointer, shape: [Int]) {
    let data = try readyData(value)
    return (data, plan.outline.graph.values[value].shape.indices.map { size(value, $0) })
  }

  private func size(_ value: ValueID, _ position: Int) -> Int {
    runner.frame.pointee.size(plan.outline.graph.values[value].shape[position].sizeReference)
  }
}

extension MemoryArena {
  /// The arena of a session or matrix.
  convenience init(for options: SessionOptions) throws(RuntimeError) {
    do throws(MemoryError) { try self.init(hooks: options.allocator) } catch { throw RuntimeError(error) }
  }
}
