import CPlatform
import SoniqGraph
import SoniqKernels
import SoniqOperators

/// Which steps a session runs with which kernels, and the sizes of the workspace: what can be said of it before any
/// memory is taken.
struct PlanOutline {
  let graph: Graph
  let schedule: Schedule
  let layout: WorkspaceLayout
  let kernels: StepKernels
  let lanes: Int
  let sizes: SessionSizes
  /// By symbol, the most that it could be if the options named it too.
  let possibleSizes: [Int]

  /// - Parameters:
  ///   - graph: valid.
  ///   - options: maximums and kept values.
  ///   - allowsCopies: kernels may get the weights in another layout.
  ///   - profile: what kernels cost where the options do not say.
  ///   - areEndsExternal: inputs and outputs lie in the caller's memory.
  /// - Throws: `invalidOption`, `unknownInstructionSet`, `workspaceTooLarge`.
  init(
    _ graph: Graph, options: SessionOptions, allowsCopies: Bool,
    profile: @autoclosure () -> KernelProfile = .committed, areEndsExternal: Bool = false
  ) throws(RuntimeError) {
    let maximums = try SessionSizes.maximums(graph, options)
    possibleSizes = SessionSizes.possible(graph, options)
    kernels = try StepKernels(
      maximum: options.maximumInstructionSet, profile: options.kernelProfile ?? profile(),
      mostRows: Self.mostRows(graph, maximums), allowsCopies: allowsCopies)
    lanes = try Crew.laneCount(options)
    let available = Set(graph.nodes.flatMap(\.outputs) + graph.inputs.map(\.value))
    for value in options.keptValues where !available.contains(value) {
      throw RuntimeError(.invalidOption, subject: "keptValues", actual: value)
    }
    self.graph = graph
    schedule = Schedule(
      graph, keptValues: options.keptValues, areEndsExternal: areEndsExternal, maximums: maximums,
      kernels: kernels)
    let scratch = try Self.scratchBytes(ScratchSizing(schedule: schedule))
    let (schedule, lanes) = (schedule, lanes)
    do throws(GraphError) {
      (sizes, layout) = try SessionSizes.fitting(
        maximums, of: graph, batches: SessionSizes.openBatches(graph, options),
        limit: SessionSizes.defaultValueBytes
      ) { (sizes) throws(GraphError) in
        try WorkspaceLayout(
          schedule, sizes, lanes: lanes, cacheBytes: Self.blockCacheBytes, scratchBytes: scratch)
      }
    } catch {
      throw RuntimeError(.workspaceTooLarge, graphError: error)
    }
  }

  /// The part of the second-level cache that a lane's block of rows may take; the weights need the rest.
  private static var blockCacheBytes: Int {
    let cache = Int(snq_second_level_cache_bytes())
    return (cache == 0 ? 512 << 10 : cache) / 3
  }

  /// The class of the most rows that any value can have.
  private static func mostRows(_ graph: Graph, _ maximums: [Int]) -> RowClass {
    let counts = graph.values.map { value in
      value.shape.dropLast().reduce(1) { rows, dimension in
        switch dimension {
        case .fixed(let size): min(32, rows * min(32, size))
        case .symbol(let symbol): min(32, rows * min(32, maximums[symbol]))
        }
      }
    }
    return RowClass(rows: max(1, counts.max() ?? 1))
  }

  /// The most scratch that any step needs in one lane.
  private static func scratchBytes(_ sizing: ScratchSizing) throws(RuntimeError) -> Int {
    var most = 0
    for step in sizing.schedule.steps { most = max(most, try step.work.scratchBytes(step, sizing)) }
    return most
  }
}
