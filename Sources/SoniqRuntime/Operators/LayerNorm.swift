import CKernelABI
import SoniqCore
import SoniqGraph
import SoniqKernels

extension LayerNorm: PlannedOperator {
  func schedule(_ node: Int, in schedule: inout Schedule) {
    LayerNormWork.add(self, [node], input: schedule.graph.nodes[node].inputs[0], residual: nil, to: &schedule)
  }
}

/// (Residual addition and) layer norm.
struct LayerNormWork: ScheduledWork {
  let gamma: DenseConstant
  let beta: DenseConstant
  let epsilon: Float

  /// * nodes: the norm last.
  static func add(
    _ norm: LayerNorm, _ nodes: [Int], input: ValueID, residual: ValueID?, to schedule: inout Schedule
  ) {
    guard case .dense(let gamma) = schedule.graph.constants[norm.gamma],
      case .dense(let beta) = schedule.graph.constants[norm.beta]
    else { return }
    let reads = [input] + (residual.map { [$0] } ?? [])
    schedule.append(
      LayerNormWork(gamma: gamma, beta: beta, epsilon: norm.epsilon), nodes, reads: reads,
      writes: [schedule.graph.nodes[nodes[nodes.count - 1]].output], inPlaceOf: reads)
  }

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    let row = emitter.kernels.row(RowKernelRegistry.layerNorm)
    var arguments = snq_layer_norm_args()
    arguments.gamma = gamma.bytes.bound(to: Float.self).baseAddress
    arguments.beta = beta.bytes.bound(to: Float.self).baseAddress
    arguments.epsilon = epsilon
    arguments.channels = emitter.channels(step.writes[0])
    let hasResidual = step.reads.count == 2
    let norm = LayerNormStep(
      function: row.function, arguments: arguments, input: step.reads[0],
      residual: hasResidual ? step.reads[1] : -1, output: step.writes[0])
    let name = hasResidual ? "add + layerNorm" : "layerNorm"
    return (try emitter.step(norm), emitter.describe(step, name, row))
  }
}

struct LayerNormStep: RowStep {
  static var entry: StepEntry { { LayerNormStep.answer($0, $1) } }
  var function: snq_layer_norm_function
  var arguments: snq_layer_norm_args
  var input: StorageID
  /// Negative when there is none.
  var residual: StorageID
  var output: StorageID

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    var call = arguments
    call.input = UnsafePointer(frame.storages[input].floats(window))
    call.inputStride = frame.storages[input].stride
    if residual >= 0 {
      call.residual = UnsafePointer(frame.storages[residual].floats(window))
      call.residualStride = frame.storages[residual].stride
    }
    call.output = frame.storages[output].floats(window)
    call.outputStride = frame.storages[output].stride
    function(&call, UInt32(rows.lowerBound), UInt32(rows.upperBound))
  }
}
