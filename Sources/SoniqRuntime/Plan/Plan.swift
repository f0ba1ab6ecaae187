import SoniqGraph
import SoniqMemory
import SoniqOperators

/// A stretch of steps between two points where all lanes must meet.
struct Segment: BitwiseCopyable {
  var firstStep: Int
  var endStep: Int
  /// The dimensions whose product is the number of rows.
  var space: UnsafePointer<SizeReference>
  var spaceCount: Int
  /// The one step of this segment has units of its own.
  var hasOwnUnits: Bool
  /// Rows of a lane's unit, at most those of a block unless nothing passes through one. Of windows, if the width of
  /// their images is a symbol: those of a block.
  var unitRows: Int
  /// That symbol, or negative.
  var width: SizeReference = -1
  /// All must hold in a run that does it.
  var conditions: UnsafePointer<SegmentCondition>
  var conditionCount: Int

  /// Windows over images are worked on by rows of the image: whole ones, or even parts of one.
  static func windowedRows(width: Int, blockRows: Int) -> Int {
    if width <= blockRows { return blockRows / width * width }
    let parts = (width + blockRows - 1) / blockRows
    return (width + parts - 1) / parts
  }
}

/// A single int32 that is not 0, or that is.
struct SegmentCondition: BitwiseCopyable {
  var storage: StorageID
  var isTrue: Bool
}

/// Everything about a session that can be decided before its memory is known. Immutable, but for what steps take of the sizes
/// of a run before it begins.
final class Plan: @unchecked Sendable {
  let outline: PlanOutline
  let steps: UnsafePointer<Step>
  let stepCount: Int
  /// Those that depend on sizes of the run.
  let dynamicSteps: UnsafePointer<Int>
  let dynamicStepCount: Int
  let segments: UnsafePointer<Segment>
  let segmentCount: Int
  let descriptions: [StepDescription]
  private let memory: PlanMemory

  /// - Parameters:
  ///   - outline: of a valid graph.
  ///   - weights: what kernels read in place of the graph's own weights; must outlive the plan.
  ///   - arena: gives the memory of the steps.
  /// - Throws: `outOfMemory`.
  init(_ outline: PlanOutline, weights: PreparedWeights, arena: MemoryArena) throws(RuntimeError) {
    self.outline = outline
    let schedule = outline.schedule
    let memory = PlanMemory(arena)
    self.memory = memory
    let emitter = StepEmitter(
      graph: outline.graph, schedule: schedule, kernels: outline.kernels, blockRows: outline.layout.blockRows,
      memory: memory, weights: weights)
    let emitted = try schedule.steps.map { (step) throws(RuntimeError) in try step.work.emit(step, emitter) }
    steps = UnsafePointer(try memory.store(emitted.map(\.0)))
    stepCount = emitted.count
    let dynamic = emitted.indices.filter { emitted[$0].0.isDynamic }
    dynamicSteps = UnsafePointer(try memory.store(dynamic))
    dynamicStepCount = dynamic.count
    descriptions = emitted.map(\.1)
    let segments = try Self.segments(schedule, blockRows: outline.layout.blockRows, memory)
    self.segments = UnsafePointer(try memory.store(segments))
    segmentCount = segments.count
  }

  private static func segments(
    _ schedule: Schedule, blockRows: Int, _ memory: PlanMemory
  ) throws(RuntimeError) -> [Segment] {
    var segments: [Segment] = []
    for (index, step) in schedule.steps.enumerated() {
      if step.segment == segments.count {
        let space = step.space.map(\.sizeReference)
        let conditions = step.conditions.map { SegmentCondition(storage: $0.value, isTrue: $0.isTrue) }
        segments.append(
          Segment(
            firstStep: index, endStep: index + 1, space: UnsafePointer(try memory.store(space)),
            spaceCount: space.count, hasOwnUnits: step.work.traits.contains(.ownUnits),
            unitRows: step.isPlanar ? Self.planarRows : blockRows,
            conditions: UnsafePointer(try memory.store(conditions)), conditionCount: conditions.count))
      }
      segments[segments.count - 1].endStep = index + 1
      // The steps of a segment have one space, so one width.
      guard step.work.traits.contains(.windowed), !step.isPlanar else { continue }
      switch step.space.last {
      case .fixed(let width)?:
        segments[segments.count - 1].unitRows = Segment.windowedRows(width: width, blockRows: blockRows)
      case .symbol(let symbol)?: segments[segments.count - 1].width = symbol
      case nil: break
      }
    }
    return segments
  }

  /// Rows of a unit that makes the image of planes, alone in its segment.
  private static let planarRows = 2048

  /// A slot that is the memory of an input, wherever the host has it, or of a state.
  struct Alias: BitwiseCopyable {
    var slot: SlotID
    var source: SlotID
  }
  var inputAliases: [Alias] {
    let slots = outline.schedule.slots
    return slots.enumerated().compactMap { index, slot in
      guard let source = slot.aliasOf, slots[source].input != nil || slots[source].isState
      else { return nil }
      return Alias(slot: index, source: source)
    }
  }

  /// Puts addresses to the places of the layout.
  ///
  /// - Parameter workspace: `layout.byteCount` bytes, aligned to 64.
  /// - Returns: one for each slot of the schedule.
  func storages(in workspace: UnsafeMutableRawPointer) -> [RowStorage] {
    let (layout, lanes) = (outline.layout, outline.lanes)
    return outline.schedule.slots.enumerated().map { slot, properties in
      let rowBytes = properties.rowBytes
      if let constant = properties.constant {
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
