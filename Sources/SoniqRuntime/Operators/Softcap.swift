import CKernelABI
import SoniqGraph
import SoniqKernels

extension Softcap: PlannedOperator {
  func schedule(_ node: Int, in schedule: inout Schedule) {
    schedule.append(SoftcapWork(cap: cap), node, inPlaceOf: schedule.graph.nodes[node].inputs)
  }
}

/// Rows bent to stay within a bound.
struct SoftcapWork: ScheduledWork {
  let cap: Float

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    let row = emitter.kernels.activation
    let softcap = SoftcapStep(
      tanh: FusedFunction(kernel: row.function, function: .tanh),
      cap: cap, input: step.reads[0], output: step.writes[0],
      channels: Int(emitter.channels(step.writes[0])))
    return (try emitter.step(softcap), emitter.describe(step, "softcap", row))
  }
}

struct SoftcapStep: RowStep {
  static var entry: StepEntry { { SoftcapStep.answer($0, $1) } }
  var tanh: FusedFunction
  var cap: Float
  var input: StorageID
  var output: StorageID
  var channels: Int

  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    let (source, target) = (frame.storages[input], frame.storages[output])
    let (input, result) = (source.floats(window), target.floats(window))
    for row in rows {
      let (x, y) = (input + row &* source.stride, result + row &* target.stride)
      for channel in 0..<channels { y[channel] = x[channel] / cap }
      tanh.apply(
        from: UnsafePointer(result), target.stride, to: result, target.stride, row..<row + 1,
        channels: channels)
      for channel in 0..<channels { y[channel] *= cap }
    }
  }
}
