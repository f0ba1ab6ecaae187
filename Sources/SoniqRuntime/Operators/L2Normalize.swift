import CKernelABI
import SoniqGraph
import SoniqKernels

extension L2Normalize: PlannedOperator {
  func schedule(_ node: Int, in schedule: inout Schedule) {
    schedule.append(
      NormalizeWork(epsilon: epsilon), node, inPlaceOf: schedule.graph.nodes[node].inputs)
  }
}

/// Rows divided by their Euclidean norm.
struct NormalizeWork: ScheduledWork {
  let epsilon: Float

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    let row = emitter.kernels.row(RowKernelRegistry.normalize)
    var arguments = snq_normalize_args()
    arguments.channels = emitter.channels(step.writes[0])
    arguments.epsilon = epsilon
    let normalize = NormalizeStep(
      function: row.function, arguments: arguments, input: step.reads[0], output: step.writes[0])
    return (try emitter.step(normalize), emitter.describe(step, "l2Normalize", row))
  }
}

struct NormalizeStep: RowStep {
  static var entry: StepEntry { { NormalizeStep.answer($0, $1) } }
  var function: snq_normalize_function
  var arguments: snq_normalize_args
  var input: StorageID
  var output: StorageID

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    var call = arguments
    call.input = UnsafePointer(frame.storages[input].floats(window))
    call.inputStride = frame.storages[input].stride
    call.output = frame.storages[output].floats(window)
    call.outputStride = frame.storages[output].stride
    function(&call, UInt32(rows.lowerBound), UInt32(rows.upperBound))
  }
}
