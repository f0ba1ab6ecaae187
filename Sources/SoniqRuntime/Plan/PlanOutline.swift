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

  /// - Parameters:
  ///   - graph: valid.
  ///   - options: maximums and kept values.
  ///   - allowsCopies: kernels may get the weights in another layout.
  ///   - areEndsExternal: inputs and outputs lie in the caller's memory.
  /// - Throws: `invalidOption`, `unknownInstructionSet`, `workspaceTooLarge`.
  init(
    _ graph: Graph, options: SessionOptions, allowsCopies: Bool, areEndsExternal: Bool = false
  ) throws(RuntimeError) {
    let maximums = try SessionSizes.maximums(graph, options)
    for case .matrix(let matrix) in graph.constants where !matrix.isPlain {
      throw RuntimeError(.invalidArgument, subject: "a matrix of version 3 of the format")
    }
    kernels = try StepKernels(
      maximum: options.maximumInstructionSet, profile: options.kernelProfile ?? .committed,
      mostRows: Self.mostRows(graph, maximums), allowsCopies: allowsCopies)
    lanes = try Crew.laneCount(options)
    let available = Set(graph.nodes.map(\.output) + graph.inputs.map(\.value))
    for value in options.keptValues where !available.contains(value) {
      throw RuntimeError(.invalidOption, subject: "keptValues", actual: value)
    }
    self.graph = graph
    schedule = Schedule(
      graph, keptValues: options.keptValues, areEndsExternal: areEndsExternal, kernels: kernels)
    let scratch = try Self.scratchBytes(schedule, kernels, maximums, graph)
    let (schedule, lanes) = (schedule, lanes)
    do throws(GraphError) {
      (sizes, layout) = try SessionSizes.fitting(
        maximums, batches: SessionSizes.openBatches(graph, options), limit: SessionSizes.defaultValueBytes
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
  private static func scratchBytes(
    _ schedule: Schedule, _ kernels: StepKernels, _ maximums: [Int], _ graph: Graph
  ) throws(RuntimeError) -> Int {
    var most = 0
    for step in schedule.steps {
      switch step.work {
      case .tensor(.matmul):
        let inner = graph.values[step.reads[0]].shape.last
        most = max(most, MatmulOperator.scratchBytes(depth: inner.map { size($0, maximums) } ?? 0))
      case .quantize(let layer):
        let matrix = schedule.layers[layer].matrix
        if matrix.gather != nil { most = max(most, matrix.inputs * 4) }
      case .matmul(let layer, _): most = max(most, schedule.layers[layer].scratchBytes)
      case .image(let convolution), .convolution(let convolution, _):
        most = max(most, convolution.scratch.byteCount)
      case .depthwiseImage(let depthwise):
        let tight = ConvolutionScratch.tightBytes(depthwise.geometry.channels)
        most = max(most, ConvolutionScratch.parameterBytes + tight)
      case .floatConvolution(let geometry, _, _), .floatDepthwise(let geometry, _, _, _):
        most = max(most, WindowCopy.scratchBytes(geometry))
      case .attention(let attention):
        let sequence = size(step.space[1], maximums)
        let headLength = schedule.slots[step.writes[0]].rowBytes / 4 / attention.heads
        guard
          let bytes = kernels.attentionScratchBytes(
            sequence: sequence, headLength: headLength, isInteger: attention.precision == .int8)
        else { throw RuntimeError(.workspaceTooLarge, node: step.nodes.first) }
        most = max(most, bytes)
      default: break
      }
    }
    return most
  }

  private static func size(_ dimension: Dimension, _ maximums: [Int]) -> Int {
    switch dimension {
    case .fixed(let size): size
    case .symbol(let symbol): maximums[symbol]
    }
  }
}
