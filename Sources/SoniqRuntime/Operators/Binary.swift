import SoniqGraph
import SoniqOperators

extension Binary: PlannedOperator {
  /// An addition of rows of floats is one, however a graph writes it. What meets a constant row or number, as images do
  /// that are normalised, is done by rows too.
  func schedule(_ node: Int, in schedule: inout Schedule) {
    let inputs = schedule.graph.nodes[node].inputs
    let values = inputs.map { schedule.graph.values[$0] }
    let isOfRows = values[0].elementType == .float32 && values[0].shape.count >= 2
    if let work = RowConstantWork(self, node, schedule) {
      let x = inputs[work.isFirst ? 1 : 0]
      schedule.append(
        work, [node], reads: [x], writes: [schedule.graph.nodes[node].output], inPlaceOf: [x])
    } else if function == .add, isOfRows, values[0].shape == values[1].shape,
      case .fixed? = values[0].shape.last
    {
      AddWork.add(node, to: &schedule)
    } else {
      scheduleTensor(node, in: &schedule)
    }
  }
}

/// A function of floats and of a constant that is the same for every row.
struct RowConstantWork: ScheduledWork {
  let function: BinaryFunction
  let isFirst: Bool
  let constant: UnsafePointer<Float>
  /// Of the constant: those of a row, or 1.
  let count: Int

  /// nil where neither operand is such a constant.
  init?(_ binary: Binary, _ node: Int, _ schedule: Schedule) {
    let (graph, inputs) = (schedule.graph, schedule.graph.nodes[node].inputs)
    let output = graph.values[graph.nodes[node].output]
    guard output.elementType == .float32, case .fixed(let channels)? = output.shape.last else { return nil }
    for (place, input) in inputs.enumerated() {
      let (shape, other) = (graph.values[input].shape, graph.values[inputs[1 - place]])
      guard let start = schedule.slots[input].constant, other.elementType == .float32,
        other.shape == output.shape, shape.dropLast().allSatisfy({ $0 == .fixed(1) }),
        shape.last == .fixed(channels) || shape.last == .fixed(1)
      else { continue }
      function = binary.function
      isFirst = place == 0
      constant = start.assumingMemoryBound(to: Float.self)
      count = shape.last == .fixed(1) ? 1 : channels
      return
    }
    return nil
  }

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    let times = count == 1 ? 1 : RowConstant.repetitions(count)
    var numbers = constant
    if times > 1 {
      let rows = try emitter.memory.store(repeating: Float.zero, count: times * count)
      for place in 0..<times { (rows + place * count).update(from: constant, count: count) }
      numbers = UnsafePointer(rows)
    }
    let row = RowConstant(function, isFirst: isFirst, numbers, period: count == 1 ? 0 : times * count)
    let binary = RowConstantStep(row: row, input: step.reads[0], output: step.writes[0])
    return (try emitter.step(binary), emitter.describe(step, Binary.schema.name, "portable"))
  }
}

struct RowConstantStep: RowStep {
  static var entry: StepEntry { { RowConstantStep.answer($0, $1) } }
  var row: RowConstant
  var input: StorageID
  var output: StorageID

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    let channels = frame.storages[output].stride
    let place = rows.lowerBound &* channels
    row.run(
      UnsafePointer(frame.storages[input].floats(window)) + place,
      frame.storages[output].floats(window) + place, rows.count &* channels)
  }
}
