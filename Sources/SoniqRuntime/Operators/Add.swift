import CKernelABI
import SoniqGraph
import SoniqKernels

extension Add: PlannedOperator {
  func schedule(_ node: Int, in schedule: inout Schedule) { AddWork.add(node, to: &schedule) }
}

/// Addition of two values of one shape.
struct AddWork: ScheduledWork {
  /// A ReLU follows.
  let rectifies: Bool

  /// With the norm that is the only reader, which does the addition itself, or with such a ReLU.
  static func add(_ node: Int, to schedule: inout Schedule) {
    let graph = schedule.graph
    let (inputs, output) = (graph.nodes[node].inputs, graph.nodes[node].output)
    let reader = schedule.onlyReader(of: output)
    if let reader, let norm = graph.nodes[reader].operation.planned as? any RowNorm {
      schedule.finish(reader)
      schedule.addNorm(norm, [node, reader], input: inputs[0], residual: inputs[1])
      return
    }
    var work = AddWork(rectifies: false)
    var (nodes, end) = ([node], output)
    if let reader, graph.nodes[reader].operation.planned.elementFunction == .relu {
      schedule.finish(reader)
      (nodes, end) = ([node, reader], graph.nodes[reader].output)
      work = AddWork(rectifies: true)
    }
    schedule.append(work, nodes, reads: inputs, writes: [end], inPlaceOf: inputs)
  }

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    let row = emitter.kernels.row(RowKernelRegistry.add)
    var arguments = snq_add_args()
    arguments.channels = emitter.channels(step.writes[0])
    arguments.rectifies = rectifies ? 1 : 0
    let add = AddStep(
      function: row.function, arguments: arguments, left: step.reads[0], right: step.reads[1],
      output: step.writes[0])
    return (try emitter.step(add), emitter.describe(step, rectifies ? "add + activation" : "add", row))
  }
}

struct AddStep: RowStep {
  static var entry: StepEntry { { AddStep.answer($0, $1) } }
  var function: snq_add_function
  var arguments: snq_add_args
  var left: StorageID
  var right: StorageID
  var output: StorageID

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    var call = arguments
    call.left = UnsafePointer(frame.storages[left].floats(window))
    call.leftStride = frame.storages[left].stride
    call.right = UnsafePointer(frame.storages[right].floats(window))
    call.rightStride = frame.storages[right].stride
    call.rightRows = UInt32(rows.upperBound)
    call.output = frame.storages[output].floats(window)
    call.outputStride = frame.storages[output].stride
    function(&call, UInt32(rows.lowerBound), UInt32(rows.upperBound))
  }
}
