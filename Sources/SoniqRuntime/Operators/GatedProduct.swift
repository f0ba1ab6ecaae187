import CKernelABI
import SoniqGraph
import SoniqKernels

extension GatedProduct: PlannedOperator {
  func schedule(_ node: Int, in schedule: inout Schedule) {
    schedule.append(GatedProductWork(function: function), node)
  }
}

/// A function of a row, times another row.
struct GatedProductWork: ScheduledWork {
  let function: ElementFunction

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    let row = emitter.kernels.activation
    let product = GatedProductStep(
      function: FusedFunction(kernel: row.function, function: function), gate: step.reads[0],
      up: step.reads[1], output: step.writes[0], channels: Int(emitter.channels(step.writes[0])))
    return (try emitter.step(product), emitter.describe(step, "gatedProduct", row))
  }
}

struct GatedProductStep: RowStep {
  static var entry: StepEntry { { GatedProductStep.answer($0, $1) } }
  var function: FusedFunction
  var gate: StorageID
  var up: StorageID
  var output: StorageID
  var channels: Int

  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    let (gate, up, target) = (frame.storages[gate], frame.storages[up], frame.storages[output])
    let (source, factors) = (gate.floats(window), up.floats(window))
    let result = target.floats(window)
    // A few rows at a time, which are still in the cache when they are multiplied.
    var begin = rows.lowerBound
    while begin < rows.upperBound {
      let end = min(begin + 8, rows.upperBound)
      function.apply(
        from: UnsafePointer(source), gate.stride, to: result, target.stride, begin..<end, channels: channels)
      for row in begin..<end {
        let (product, factor) = (result + row &* target.stride, factors + row &* up.stride)
        for channel in 0..<channels { product[channel] *= factor[channel] }
      }
      begin = end
    }
  }
}
