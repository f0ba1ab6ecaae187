import CPlatform
import SoniqGraph
import SoniqMemory
import SoniqOperators

/// A plan with its memory and its threads: what sessions and matrices run. One thread at a time.
final class PlanRunner: @unchecked Sendable {
  let plan: Plan
  let workspace: Workspace
  /// By slot; the addresses of inputs and external slots are set before each run.
  let storages: UnsafeMutablePointer<RowStorage>
  /// By symbol; bound before each run.
  let sizes: UnsafeMutablePointer<Int>
  let frame: UnsafeMutablePointer<RunFrame>
  private let costs: UnsafeMutablePointer<StepCost>?
  /// One for each lane.
  private let faults: UnsafeMutablePointer<IndexFault>
  /// Slots that are the memory of an input, wherever the host has it.
  private let aliases: UnsafePointer<Plan.Alias>
  private let aliasCount: Int
  /// What lives between runs; none where sequences bring it.
  let states: SessionStates
  private let execution: Execution
  private let memory: PlanMemory

  /// The memory comes from the arena, but for a workspace of the host's.
  init(_ plan: Plan, options: SessionOptions, arena: MemoryArena) throws(RuntimeError) {
    self.plan = plan
    workspace = try Workspace(byteCount: plan.outline.layout.byteCount, options: options, arena: arena)
    memory = PlanMemory(arena)
    faults = try memory.store(repeating: IndexFault(), count: plan.outline.lanes)
    let aliases = plan.inputAliases
    self.aliases = UnsafePointer(try memory.store(aliases))
    aliasCount = aliases.count
    let crew = try Crew(options, lanes: plan.outline.lanes)
    storages = try memory.store(plan.storages(in: workspace.start))
    sizes = try memory.store(repeating: 0, count: plan.outline.sizes.maximums.count)
    states = try SessionStates(
      plan.outline.graph, options.keepsStates ? plan.outline.graph.states : [],
      maximums: plan.outline.sizes.maximums, memory: memory, arena: arena)
    states.place(in: storages)
    let costCount = plan.outline.lanes * plan.stepCount
    costs =
      options.isProfiling ? try memory.store(repeating: StepCost(), count: costCount) : nil
    frame = try memory.store(
      RunFrame(
        storages: storages, steps: plan.steps, states: UnsafePointer(states.storages),
        texts: UnsafePointer(try memory.store([TextRows]())), sizes: sizes, costs: costs, faults: faults,
        stepCount: plan.stepCount,
        scratch: workspace.start + plan.outline.layout.scratchOffset,
        scratchStride: plan.outline.layout.scratchStride))
    execution = Execution(
      segments: plan.segments, segmentCount: plan.segmentCount, crew: crew, lanes: plan.outline.lanes,
      frame: frame)
  }

  /// Runs all segments under the default floating-point state; every size must be bound. `host`: as in
  /// `Session.run`.
  ///
  /// - Throws: `hostParallelForFailed`, `idOutOfRange` for an index that the graph computed.
  func run(_ host: HostFloatState?) throws(RuntimeError) {
    for alias in 0..<aliasCount {
      storages[aliases[alias].slot].base = storages[aliases[alias].source].base
    }
    for lane in 0..<plan.outline.lanes { faults[lane] = IndexFault() }
    for index in 0..<plan.dynamicStepCount { UnsafePointer(frame).bind(plan.dynamicSteps[index]) }
    try check(execution.run(host))
    try checkIndices()
  }

  private func checkIndices() throws(RuntimeError) {
    var first = IndexFault()
    for lane in 0..<plan.outline.lanes where faults[lane].isSet {
      if !first.isSet || (faults[lane].node, faults[lane].position) < (first.node, first.position) {
        first = faults[lane]
      }
    }
    guard first.isSet else { return }
    throw RuntimeError(
      .idOutOfRange,
      subject: plan.outline.graph.values[plan.outline.graph.nodes[first.node].inputs.last ?? 0].name,
      node: first.node,
      position: first.position, actual: first.index, expected: first.size)
  }

  /// The same with other steps, one for each step of the plan, which are not profiled.
  func run(_ steps: UnsafePointer<Step>, _ host: HostFloatState?) throws(RuntimeError) {
    let costs = frame.pointee.costs
    frame.pointee.steps = steps
    frame.pointee.costs = nil
    defer {
      frame.pointee.steps = plan.steps
      frame.pointee.costs = costs
    }
    try run(host)
  }

  private func check(_ status: Int32) throws(RuntimeError) {
    guard status == 0 else { throw RuntimeError(.hostParallelForFailed, actual: Int(status)) }
  }

  func resetProfile() {
    guard let costs else { return }
    for index in 0..<plan.outline.lanes * plan.stepCount { costs[index] = StepCost() }
  }

  var profile: [ProfileEntry] {
    plan.descriptions.enumerated().map { index, description in
      var sum = StepCost()
      for lane in 0..<plan.outline.lanes {
        guard let cost = costs?[lane * plan.stepCount + index] else { break }
        sum.nanoseconds &+= cost.nanoseconds
        sum.rows &+= cost.rows
        sum.multiplyAccumulates &+= cost.multiplyAccumulates
      }
      return ProfileEntry(
        name: name(description), operation: description.operation, kernel: description.kernel,
        level: description.level, nanoseconds: sum.nanoseconds, rows: sum.rows,
        multiplyAccumulates: sum.multiplyAccumulates)
    }
  }

  var kernelReport: [KernelReportEntry] {
    plan.descriptions.map { description in
      KernelReportEntry(
        node: name(description), operation: description.operation, level: description.level,
        kernel: description.kernel, instructionSet: description.instructionSet,
        refusals: description.refusals, copiedWeightBytes: description.copiedWeightBytes)
    }
  }

  private func name(_ description: StepDescription) -> String {
    description.nodes.map { plan.outline.graph.nodes[$0].name }.joined(separator: " + ")
  }
}
