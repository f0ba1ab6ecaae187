import CKernelABI
import SoniqCore
import SoniqGraph
import SoniqKernels

extension LayerNorm: RowNorm {
  func arguments(_ constants: [Constant]) -> snq_layer_norm_args? {
    guard case .dense(let gamma) = constants[gamma], case .dense(let beta) = constants[beta] else {
      return nil
    }
    var arguments = snq_layer_norm_args()
    arguments.gamma = gamma.bytes.bound(to: Float.self).baseAddress
    arguments.beta = beta.bytes.bound(to: Float.self).baseAddress
    arguments.epsilon = epsilon
    return arguments
  }
}

/// A norm of rows, which can do the addition that makes its only input.
protocol RowNorm: PlannedOperator {
  /// But for rows and channels.
  func arguments(_ constants: [Constant]) -> snq_layer_norm_args?
}

extension RowNorm {
  func schedule(_ node: Int, in schedule: inout Schedule) {
    schedule.addNorm(self, [node], input: schedule.graph.nodes[node].inputs[0], residual: nil)
  }
}

extension Schedule {
  /// * nodes: the norm last.
  mutating func addNorm(_ norm: any RowNorm, _ nodes: [Int], input: ValueID, residual: ValueID?) {
    guard let arguments = norm.arguments(graph.constants) else { return }
    let reads = [input] + (residual.map { [$0] } ?? [])
    append(
      NormWork(name: type(of: norm).schema.name, arguments: arguments), nodes, reads: reads,
      writes: [graph.nodes[nodes[nodes.count - 1]].output], inPlaceOf: reads)
  }
}

/// (Residual addition and) a norm of rows.
struct NormWork: ScheduledWork {
  let name: String
  let arguments: snq_layer_norm_args

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    let row = emitter.kernels.row(RowKernelRegistry.layerNorm)
    var arguments = arguments
    arguments.channels = emitter.channels(step.writes[0])
    let hasResidual = step.reads.count == 2
    let norm = NormStep(
      function: row.function, arguments: arguments, input: step.reads[0],
      residual: hasResidual ? step.reads[1] : -1, output: step.writes[0])
    return (try emitter.step(norm), emitter.describe(step, hasResidual ? "add + \(name)" : name, row))
  }
}

struct NormStep: RowStep {
  static var entry: StepEntry { { NormStep.answer($0, $1) } }
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
