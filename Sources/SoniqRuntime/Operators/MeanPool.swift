import CKernelABI
import SoniqGraph
import SoniqKernels

extension MeanPool: PlannedOperator {
  func schedule(_ node: Int, in schedule: inout Schedule) { schedule.append(MeanPoolWork(), node) }
}

/// Mean over the positions of each batch entry; rows are batch entries.
struct MeanPoolWork: ScheduledWork {
  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    let row = emitter.kernels.row(RowKernelRegistry.pool)
    var arguments = snq_pool_args()
    arguments.channels = emitter.channels(step.writes[0])
    let pool = MeanPoolStep(
      function: row.function, arguments: arguments, input: step.reads[0],
      mask: step.reads.count == 2 ? step.reads[1] : -1, output: step.writes[0],
      sequence: emitter.schedule.slots[step.reads[0]].space[1].sizeReference)
    return (try emitter.step(pool), emitter.describe(step, "meanPool", row))
  }
}

struct MeanPoolStep: RowStep {
  static var entry: StepEntry { { MeanPoolStep.answer($0, $1) } }
  var function: snq_pool_function
  var arguments: snq_pool_args
  var input: StorageID
  /// Negative when there is none.
  var mask: StorageID
  var output: StorageID
  var sequence: SizeReference

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    var call = arguments
    let sequence = frame.size(sequence)
    var positions = window
    positions.isShared = true
    positions.firstRow = window.firstRow * sequence
    call.input = UnsafePointer(frame.storages[input].floats(positions))
    call.inputStride = frame.storages[input].stride
    if mask >= 0 { call.mask = UnsafePointer(frame.storages[mask].integers(positions)) }
    call.sequence = UInt32(sequence)
    call.output = frame.storages[output].floats(window)
    call.outputStride = frame.storages[output].stride
    function(&call, UInt32(rows.lowerBound), UInt32(rows.upperBound))
  }
}
