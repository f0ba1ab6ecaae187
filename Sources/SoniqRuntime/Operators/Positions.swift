import SoniqGraph

extension Positions: PlannedOperator {
  /// Only the shape of the input matters.
  func schedule(_ node: Int, in schedule: inout Schedule) {
    schedule.append(PositionsWork(), [node], reads: [], writes: [schedule.graph.nodes[node].output])
  }
}

extension StatePositions: PlannedOperator {
  func schedule(_ node: Int, in schedule: inout Schedule) {
    schedule.append(
      PositionsWork(state: state), [node], reads: [], writes: [schedule.graph.nodes[node].output])
  }
}

/// The position of each row in its sequence, or behind what a state holds.
struct PositionsWork: ScheduledWork {
  var state: StateID?

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    let positions = PositionsStep(
      sequence: step.space[1].sizeReference, output: step.writes[0], state: state ?? -1)
    return (try emitter.step(positions), emitter.describe(step, "positions", "count"))
  }
}

struct PositionsStep: RowStep {
  static var entry: StepEntry { { PositionsStep.answer($0, $1) } }
  var sequence: SizeReference
  var output: StorageID
  /// Negative when there is none.
  var state: StateID

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    let target = frame.storages[output].integers(window) - window.firstRow
    let ofRun = window.firstRow + rows.lowerBound..<window.firstRow + rows.upperBound
    frame.forEachEntry(ofRun, sequence: frame.size(sequence)) { entry, rows in
      let past = state >= 0 ? entry.states[state].length : 0
      for row in rows { target[row] = Int32(truncatingIfNeeded: past + row - entry.firstRow) }
    }
  }
}
