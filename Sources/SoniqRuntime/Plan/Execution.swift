import SoniqGraph
import SoniqKernels
import SoniqMemory

/// Runs the segments of a plan. Everything here is pointers and numbers: no array, no reference count.
struct Execution {
  let segments: UnsafePointer<Segment>
  let segmentCount: Int
  let crew: Crew
  let lanes: Int
  let frame: UnsafeMutablePointer<RunFrame>

  /// With fewer rows than this for each lane, the lanes share the rows and split the matrices.
  static let rowsWorthOwnBlocks = 16

  /// - Returns: 0, or what the host's `parallel_for` returned.
  func run(_ host: HostFloatState?) -> Int32 {
    let caller = HostFloatState.enter()
    defer { caller.leave() }
    frame.pointee.host = host ?? caller
    for index in 0..<segmentCount {
      let segment = segments[index]
      guard isNeeded(segment) else { continue }
      var rows = 1
      for position in 0..<segment.spaceCount { rows *= frame.pointee.size(segment.space[position]) }
      let status: Int32
      if segment.hasOwnUnits {
        let units = UnsafePointer(frame).units(segment.firstStep, lanes: lanes)
        status = dispatch(
          .units, segment.firstStep, segment.endStep, total: units.count, unitSize: units.size)
      } else if lanes > 1, rows < lanes * Self.rowsWorthOwnBlocks {
        status = runShared(segment, rows: rows)
      } else {
        status = dispatch(
          .rowBlocks, segment.firstStep, segment.endStep, total: rows,
          unitSize: ownBlockRows(rows, of: unitRows(segment)))
      }
      guard status == 0 else { return status }
    }
    return 0
  }

  /// Later conditions are made only where those before them hold.
  private func isNeeded(_ segment: Segment) -> Bool {
    for index in 0..<segment.conditionCount {
      let condition = segment.conditions[index]
      let number = frame.pointee.storages[condition.storage].base.loadUnaligned(as: Int32.self)
      guard (number != 0) == condition.isTrue else { return false }
    }
    return true
  }

  private func unitRows(_ segment: Segment) -> Int {
    guard segment.width >= 0 else { return segment.unitRows }
    return Segment.windowedRows(width: frame.pointee.sizes[segment.width], blockRows: segment.unitRows)
  }

  /// Rows of a unit when lanes work on blocks of their own: enough units to keep all lanes at work.
  private func ownBlockRows(_ rows: Int, of unitRows: Int) -> Int {
    guard lanes > 1 else { return unitRows }
    let fair = (rows + 2 * lanes - 1) / (2 * lanes)
    return max(8, min(unitRows, (fair + 7) / 8 * 8))
  }

  /// Few rows: matrices are split by panels, the steps between them by rows.
  private func runShared(_ segment: Segment, rows: Int) -> Int32 {
    var step = segment.firstStep
    while step < segment.endStep {
      var end = step + 1
      let status: Int32
      if frame.pointee.steps[step].panelCount > 0 {
        status = splitPanels(step, rows: rows)
      } else {
        while end < segment.endStep, frame.pointee.steps[end].panelCount == 0 { end += 1 }
        let fair = (rows + 2 * lanes - 1) / (2 * lanes)
        status = dispatch(.sharedRows, step, end, total: rows, unitSize: fair, rows: rows)
      }
      guard status == 0 else { return status }
      step = end
    }
    return 0
  }

  /// Several units for each lane, so that a late one does not hold up the others.
  private func splitPanels(_ step: Int, rows: Int) -> Int32 {
    let panels = frame.pointee.steps[step].panelCount
    let fair = (panels + 4 * lanes - 1) / (4 * lanes)
    return dispatch(.panels, step, step + 1, total: panels, unitSize: (fair + 3) / 4 * 4, rows: rows)
  }

  private func dispatch(
    _ split: Region.Split, _ firstStep: Int, _ endStep: Int, total: Int, unitSize: Int, rows: Int = 0
  ) -> Int32 {
    let most = JobBoard.maximumUnits * unitSize
    var origin = 0
    while origin < total {
      let end = min(total, origin + most)
      frame.pointee.region = Region(
        split: split, firstStep: firstStep, endStep: endStep, total: end, unitSize: unitSize,
        origin: origin, rows: rows)
      let units = (end - origin + unitSize - 1) / unitSize
      let status = crew.run(units, Self.unit, UnsafeMutableRawPointer(frame), frame.pointee.host)
      guard status == 0 else { return status }
      origin = end
    }
    return 0
  }

  /// One unit of a region, on one lane.
  private static let unit: UnitBody = { context, lane, unit in
    let frame = UnsafePointer(context.assumingMemoryBound(to: RunFrame.self))
    let region = frame.pointee.region
    let begin = region.origin + unit * region.unitSize
    let end = min(begin + region.unitSize, region.total)
    switch region.split {
    case .rowBlocks:
      let window = RowWindow(
        lane: lane, isShared: false, firstRow: begin, rowClass: RowClass(rows: end - begin).rawValue)
      for step in region.firstStep..<region.endStep {
        let panels = frame.pointee.steps[step].panelCount
        frame.perform(step, window, rows: 0..<end - begin, panels: 0..<panels)
      }
    case .sharedRows:
      let window = RowWindow.all(lane: lane, rows: region.rows)
      for step in region.firstStep..<region.endStep {
        frame.perform(step, window, rows: begin..<end, panels: 0..<0)
      }
    case .panels:
      let window = RowWindow.all(lane: lane, rows: region.rows)
      frame.perform(region.firstStep, window, rows: 0..<region.rows, panels: begin..<end)
    case .units:
      let window = RowWindow.all(lane: lane, rows: region.rows)
      frame.perform(region.firstStep, window, rows: begin..<end, panels: 0..<0)
    }
  }
}
