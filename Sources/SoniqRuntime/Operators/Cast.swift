import SoniqGraph
import SoniqOperators

extension Cast: PlannedOperator {
  /// By rows, where both values have them: what follows finds its floats in the cache, and no whole image of them is made.
  /// int32 has a row for each element.
  func schedule(_ node: Int, in schedule: inout Schedule) {
    let input = schedule.graph.nodes[node].inputs[0]
    let (source, target) = (schedule.graph.values[input].elementType, elementType)
    guard source != .int32, target != .int32, !keepsOrder(TensorNode(schedule.graph, node)) else {
      return scheduleTensor(node, in: &schedule)
    }
    schedule.append(CastWork(source: source, target: target), node)
  }
}

struct CastWork: ScheduledWork {
  let source: ElementType
  let target: ElementType

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    let cast = CastStep(source: source, target: target, input: step.reads[0], output: step.writes[0])
    return (try emitter.step(cast), emitter.describe(step, Cast.schema.name, "portable"))
  }
}

struct CastStep: RowStep {
  static var entry: StepEntry { { CastStep.answer($0, $1) } }
  var source: ElementType
  var target: ElementType
  var input: StorageID
  var output: StorageID

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    let (from, to) = (frame.storages[input], frame.storages[output])
    castElements(
      source, from.address(window) + rows.lowerBound &* from.rowBytes, target,
      to.address(window) + rows.lowerBound &* to.rowBytes, rows.count &* to.rowBytes / target.byteCount)
  }
}
