import CPlatform
import SoniqCore
import SoniqGraph
import SoniqKernels
import SoniqOperators

/// A stretch of steps between two points where all lanes must meet.
struct Segment: BitwiseCopyable {
  var firstStep: Int
  var endStep: Int
  /// The dimensions whose product is the number of rows.
  var space: UnsafePointer<SizeReference>
  var spaceCount: Int
  /// Heads of the one attention step of this segment; 0 for segments over rows.
  var heads: Int
  /// The one step of this segment when it is a tensor operation.
  var tensor: UnsafePointer<TensorStep>?
  /// Rows of a lane's unit, at most those of a block unless nothing passes through one.
  var unitRows: Int
}

/// Everything about a session that can be decided before its memory is known. Immutable.
final class Plan: @unchecked Sendable {
  let graph: Graph
  let schedule: Schedule
  let layout: WorkspaceLayout
  let kernels: StepKernels
  let lanes: Int
  /// The largest size of each symbol in this session.
  let maximums: [Int]
  let steps: UnsafePointer<Step>
  let stepCount: Int
  let segments: UnsafePointer<Segment>
  let segmentCount: Int
  let descriptions: [StepDescription]
  private let memory = PlanMemory()

  /// - Parameters:
  ///   - graph: valid.
  ///   - options: maximums and kept values.
  ///   - areEndsExternal: inputs and outputs lie in the caller's memory.
  /// - Throws: `invalidOption`, `unknownInstructionSet`, `workspaceTooLarge`.
  init(_ graph: Graph, options: SessionOptions, areEndsExternal: Bool = false) throws(RuntimeError) {
    let maximums = try Self.maximums(graph, options)
    self.maximums = maximums
    kernels = try StepKernels(
      maximum: options.maximumInstructionSet, profile: options.kernelProfile ?? .committed,
      mostRows: Self.mostRows(graph, maximums))
    lanes = try Crew.laneCount(options)
    let available = Set(graph.nodes.map(\.output) + graph.inputs.map(\.value))
    for value in options.keptValues where !available.contains(value) {
      throw RuntimeError(.invalidOption, subject: "keptValues", actual: value)
    }
    self.graph = graph
    let kernels = kernels
    schedule = Schedule(
      graph, keptValues: options.keptValues, areEndsExternal: areEndsExternal,
      preparedRowBytes: { kernels.preparedRowBytes($0, level: $1) },
      imageBytes: { matrix, level, geometry in
        let plan = ConvolutionLevelPlan(matrix, level: level, geometry, kernels)
        return (plan.imageBytes, plan.needsSums ? (geometry.pixels * 4 + 63) / 64 * 64 : 0)
      }, writesCodes: { kernels.writesCodes($0) })
    let scratch = try Self.scratchBytes(schedule, kernels, maximums, graph)
    do throws(GraphError) {
      layout = try WorkspaceLayout(
        schedule, maximums: maximums, lanes: lanes, cacheBytes: Self.blockCacheBytes, scratchBytes: scratch)
    } catch {
      throw RuntimeError(.workspaceTooLarge, graphError: error)
    }
    let emitter = StepEmitter(
      graph: graph, schedule: schedule, kernels: kernels, blockRows: layout.blockRows, memory: memory)
    let emitted = schedule.steps.map { emitter.emit($0) }
    steps = UnsafePointer(memory.store(emitted.map(\.0)))
    stepCount = emitted.count
    descriptions = emitted.map(\.1)
    let segments = Self.segments(schedule, steps, blockRows: layout.blockRows, memory)
    self.segments = UnsafePointer(memory.store(segments))
    segmentCount = segments.count
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

  private static func maximums(_ graph: Graph, _ options: SessionOptions) throws(RuntimeError) -> [Int] {
    var maximums = graph.symbols.map(\.maximum)
    for option in options.maximums {
      guard let symbol = graph.symbols.firstIndex(where: { $0.name == option.name }),
        (1...graph.symbols[symbol].maximum).contains(option.maximum)
      else {
        throw RuntimeError(.invalidOption, subject: "maximum of \(option.name)", actual: option.maximum)
      }
      maximums[symbol] = option.maximum
    }
    return maximums
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
      case .quantize(let matrix) where matrix.gather != nil:
        most = max(most, matrix.inputs * 4)
      case .matmul(let matrix, _): most = max(most, kernels.scratchBytes(matrix))
      case .image(let convolution), .convolution(let convolution, _):
        most = max(most, ConvolutionScratch(convolution, kernels).byteCount)
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

  private static func segments(
    _ schedule: Schedule, _ steps: UnsafePointer<Step>, blockRows: Int, _ memory: PlanMemory
  ) -> [Segment] {
    var segments: [Segment] = []
    for (index, step) in schedule.steps.enumerated() {
      if step.segment == segments.count {
        var heads = 0
        if case .attention(let attention) = step.work { heads = attention.heads }
        var tensor: UnsafePointer<TensorStep>?
        if case .tensor(let step) = steps[index] { tensor = step }
        // The units of attention are batch entries times heads.
        let space = (heads > 0 ? Array(step.space[..<1]) : step.space).map(\.sizeReference)
        segments.append(
          Segment(
            firstStep: index, endStep: index + 1, space: UnsafePointer(memory.store(space)),
            spaceCount: space.count, heads: heads, tensor: tensor,
            unitRows: step.isPlanar ? Self.planarRows : unitRows(step, blockRows)))
      } else {
        segments[segments.count - 1].endStep = index + 1
        let unitRows = unitRows(step, blockRows)
        segments[segments.count - 1].unitRows = min(segments[segments.count - 1].unitRows, unitRows)
      }
    }
    return segments
  }

  /// Rows of a unit that makes the image of planes, alone in its segment.
  private static let planarRows = 2048

  /// Windows over images are worked on by rows of the image: whole ones, or even parts of one.
  private static func unitRows(_ step: ScheduledStep, _ blockRows: Int) -> Int {
    guard step.work.isWindowed, case .fixed(let width)? = step.space.last else { return blockRows }
    if width <= blockRows { return blockRows / width * width }
    let parts = (width + blockRows - 1) / blockRows
    return (width + parts - 1) / parts
  }

  /// A slot that is the memory of an input, wherever the host has it.
  struct Alias: BitwiseCopyable {
    var slot: SlotID
    var source: SlotID
  }
  var inputAliases: [Alias] {
    schedule.slots.enumerated().compactMap { index, slot in
      guard let source = slot.aliasOf, schedule.slots[source].input != nil else { return nil }
      return Alias(slot: index, source: source)
    }
  }

  /// Puts addresses to the places of the layout.
  ///
  /// - Parameter workspace: `layout.byteCount` bytes, aligned to 64.
  /// - Returns: one for each slot of the schedule.
  func storages(in workspace: UnsafeMutableRawPointer) -> [RowStorage] {
    schedule.slots.indices.map { slot in
      let rowBytes = schedule.slots[slot].rowBytes
      if let constant = schedule.slots[slot].constant {
        // Never written: no step writes the slot, and nothing is computed in its place.
        return RowStorage(base: UnsafeMutableRawPointer(mutating: constant), rowBytes: rowBytes)
      }
      switch layout.places[slot] {
      case .arena(let offset), .input(_, let offset):
        return RowStorage(base: workspace + offset, rowBytes: rowBytes)
      case .block(let offset):
        let blocks = workspace + layout.blockOffset
        return RowStorage(
          base: blocks + offset, rowBytes: rowBytes, laneStride: layout.blockStride,
          sharedBase: blocks + offset * lanes)
      }
    }
  }
}
