import CPlatform
import SoniqGraph

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
  private let execution: Execution
  private let memory = PlanMemory()

  init(_ plan: Plan, options: SessionOptions) throws(RuntimeError) {
    self.plan = plan
    workspace = try Workspace(byteCount: plan.layout.byteCount, options: options)
    let crew = try Crew(options, lanes: plan.lanes)
    storages = memory.store(plan.storages(in: workspace.start))
    sizes = memory.store([Int](repeating: 0, count: plan.maximums.count))
    let costCount = plan.lanes * plan.stepCount
    costs =
      options.isProfiling ? memory.store([StepCost](repeating: StepCost(), count: costCount)) : nil
    frame = memory.store(
      RunFrame(
        storages: storages, steps: plan.steps, sizes: sizes, costs: costs, stepCount: plan.stepCount,
        scratch: workspace.start + plan.layout.scratchOffset, scratchStride: plan.layout.scratchStride))
    execution = Execution(
      segments: plan.segments, segmentCount: plan.segmentCount, crew: crew, lanes: plan.lanes,
      blockRows: plan.layout.blockRows, frame: frame)
  }

  /// Runs all segments under the default floating-point state; every size must be bound.
  ///
  /// - Throws: `hostParallelForFailed`.
  func run() throws(RuntimeError) {
    try check(execution.run())
  }

  /// The same with other steps, one for each step of the plan, which are not profiled.
  func run(_ steps: UnsafePointer<Step>) throws(RuntimeError) {
    let costs = frame.pointee.costs
    frame.pointee.steps = steps
    frame.pointee.costs = nil
    defer {
      frame.pointee.steps = plan.steps
      frame.pointee.costs = costs
    }
    try run()
  }

  private func check(_ status: Int32) throws(RuntimeError) {
    guard status == 0 else { throw RuntimeError(.hostParallelForFailed, actual: Int(status)) }
  }

  func resetProfile() {
    guard let costs else { return }
    for index in 0..<plan.lanes * plan.stepCount { costs[index] = StepCost() }
  }

  var profile: [ProfileEntry] {
    plan.descriptions.enumerated().map { index, description in
      var sum = StepCost()
      for lane in 0..<plan.lanes {
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
        refusals: description.refusals)
    }
  }

  private func name(_ description: StepDescription) -> String {
    description.nodes.map { plan.graph.nodes[$0].name }.joined(separator: " + ")
  }
}
