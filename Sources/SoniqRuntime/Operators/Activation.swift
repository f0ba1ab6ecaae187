import CKernelABI
import SoniqGraph
import SoniqKernels
import SoniqOperators

extension Activation: PlannedOperator {
  var elementFunction: ElementFunction? { function }

  func schedule(_ node: Int, in schedule: inout Schedule) {
    ActivationWork.add(function, node, to: &schedule)
  }
}

extension Unary: PlannedOperator {
  var elementFunction: ElementFunction? { function?.simplest }

  /// Functions of floats are done by rows, like an `Activation`.
  func schedule(_ node: Int, in schedule: inout Schedule) {
    guard let function = elementFunction else { return scheduleTensor(node, in: &schedule) }
    ActivationWork.add(function, node, to: &schedule)
  }
}

/// A function of each float that no step before could take over.
struct ActivationWork: ScheduledWork {
  let function: ElementFunction

  static func add(_ function: ElementFunction, _ node: Int, to schedule: inout Schedule) {
    let node = (
      index: node, inputs: schedule.graph.nodes[node].inputs, output: schedule.graph.nodes[node].output
    )
    schedule.append(
      ActivationWork(function: function), [node.index], reads: node.inputs, writes: [node.output],
      inPlaceOf: node.inputs)
  }

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    let row = emitter.kernels.activation
    var arguments = snq_activation_args()
    arguments.kind = UInt32(function.kind.rawValue)
    arguments.alpha = function.alpha
    arguments.beta = function.beta
    arguments.channels = emitter.channels(step.writes[0])
    let activation = ActivationStep(
      function: row.function, arguments: arguments, input: step.reads[0], output: step.writes[0])
    return (try emitter.step(activation), emitter.describe(step, "activation", row))
  }
}

struct ActivationStep: RowStep {
  static var entry: StepEntry { { ActivationStep.answer($0, $1) } }
  var function: snq_activation_function
  var arguments: snq_activation_args
  var input: StorageID
  var output: StorageID

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    var call = arguments
    let source = UnsafePointer(frame.storages[input].floats(window))
    let target = frame.storages[output].floats(window)
    call.inputStride = frame.storages[input].stride
    call.outputStride = frame.storages[output].stride
    guard call.channels == 1, call.inputStride == 1, call.outputStride == 1 else {
      (call.input, call.output) = (source, target)
      function(&call, UInt32(rows.lowerBound), UInt32(rows.upperBound))
      return
    }
    // Rows of one number, as where the last axis is dynamic, are one row of many.
    (call.input, call.output) = (source + rows.lowerBound, target + rows.lowerBound)
    call.channels = UInt32(rows.count)
    function(&call, 0, 1)
  }
}
