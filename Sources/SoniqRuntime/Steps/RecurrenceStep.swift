import SoniqKernels
import SoniqOperators

/// The product of a GRU's state that was reset before it.
struct ResetProduct: BitwiseCopyable {
  var steps: UnsafePointer<Step>
  var count: Int
  var input: StorageID
  var output: StorageID
}

/// All steps in time of some entries of the batch, which are multiplied together: alone in its segment. Hidden and cell
/// state lie where their outputs are.
struct RecurrenceStep: RunnableStep {
  static var entry: StepEntry { { RecurrenceStep.answer($0, $1) } }
  var operation: RecurrentCellOperator
  var hidden: Int
  var isReverse: Bool
  var isTimeMajor: Bool
  var batch: SizeReference
  var time: SizeReference
  var node: Int
  /// From the hidden state to the gates.
  var product: UnsafePointer<Step>
  var productSteps: Int
  var reset: ResetProduct?
  var input: StorageID
  var gates: StorageID
  /// All hidden states.
  var output: StorageID
  var state: StorageID
  var cellState: StorageID?
  var initialState: StorageID?
  var initialCell: StorageID?
  var lengths: StorageID?
  var peepholes: StorageID?
  /// Of one entry in one step.
  var rowProducts = 0

  func units(_ frame: borrowing RunFrame, lanes: Int) -> StepUnits {
    let batch = frame.size(batch)
    return StepUnits(count: batch, size: (batch + lanes - 1) / lanes)
  }

  func multiplyAccumulates(_ frame: borrowing RunFrame) -> Int { rowProducts &* frame.size(time) }

  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ entries: Range<Int>, _ panels: Range<Int>) {
    var longest = 0
    for entry in entries { longest = max(longest, begin(frame, window.lane, entry)) }
    let own = copy frame
    withUnsafePointer(to: own) { frame in
      // Storages count from the first entry.
      let rows = RowWindow(
        lane: window.lane, isShared: false, firstRow: entries.lowerBound,
        rowClass: RowClass(rows: entries.count).rawValue)
      for step in 0..<longest {
        multiply(product, productSteps, frame, rows, entries.count)
        if let reset {
          for entry in entries { resetState(frame.pointee, entry, step, reset) }
          multiply(reset.steps, reset.count, frame, rows, entries.count)
        }
        for entry in entries where step < length(frame.pointee, entry) { advance(frame.pointee, entry, step) }
      }
    }
  }

  @inline(__always)
  private func multiply(
    _ steps: UnsafePointer<Step>, _ count: Int, _ frame: UnsafePointer<RunFrame>, _ window: RowWindow,
    _ rows: Int
  ) {
    for index in 0..<count {
      var question = StepQuestion(
        kind: .run, frame: frame, window: window, rows: 0..<rows, panels: 0..<steps[index].panelCount)
      steps[index].entry(steps[index].context, &question)
    }
  }

  /// Steps of an entry, as its length says: what is out of range is cut off.
  private func length(_ frame: borrowing RunFrame, _ entry: Int) -> Int {
    let time = frame.size(time)
    guard let lengths else { return time }
    return min(max(0, given(frame, lengths, entry)), time)
  }

  private func given(_ frame: borrowing RunFrame, _ lengths: StorageID, _ entry: Int) -> Int {
    let storage = frame.storages[lengths]
    return Int((storage.base + entry &* storage.rowBytes).loadUnaligned(as: Int32.self))
  }

  /// A row of a storage.
  @inline(__always)
  private func floats(
    _ frame: borrowing RunFrame, _ storage: StorageID, _ row: Int
  ) -> UnsafeMutablePointer<Float> {
    let storage = frame.storages[storage]
    return (storage.base + row &* storage.rowBytes).assumingMemoryBound(to: Float.self)
  }

  /// The row of an entry's step in what has all steps.
  @inline(__always)
  private func row(_ frame: borrowing RunFrame, _ entry: Int, _ position: Int) -> Int {
    isTimeMajor ? position &* frame.size(batch) &+ entry : entry &* frame.size(time) &+ position
  }

  /// The states before the first step, and zeros behind the last; returns the steps of the entry.
  private func begin(_ frame: borrowing RunFrame, _ lane: Int, _ entry: Int) -> Int {
    start(frame, state, from: initialState, entry)
    if let cellState { start(frame, cellState, from: initialCell, entry) }
    let (length, time) = (length(frame, entry), frame.size(time))
    if let lengths {
      let given = given(frame, lengths, entry)
      if given != length {
        (frame.faults + lane).pointee.report(node: node, position: entry, index: given, size: time + 1)
      }
    }
    for position in length..<time {
      floats(frame, output, row(frame, entry, position)).update(repeating: 0, count: hidden)
    }
    return length
  }

  private func start(
    _ frame: borrowing RunFrame, _ state: StorageID, from initial: StorageID?, _ entry: Int
  ) {
    let target = floats(frame, state, entry)
    if let initial {
      target.update(from: floats(frame, initial, entry), count: hidden)
    } else {
      target.update(repeating: 0, count: hidden)
    }
  }

  private func position(_ frame: borrowing RunFrame, _ entry: Int, _ step: Int) -> Int {
    // A host that changes its lengths during the run gets wrong numbers, and no row outside the tensors.
    isReverse ? max(0, length(frame, entry) &- 1 &- step) : step
  }

  private func resetState(_ frame: borrowing RunFrame, _ entry: Int, _ step: Int, _ reset: ResetProduct) {
    let target = floats(frame, reset.input, entry)
    guard step < length(frame, entry) else { return target.update(repeating: 0, count: hidden) }
    let gates = floats(frame, gates, entry)
    let input = floats(frame, input, row(frame, entry, position(frame, entry, step)))
    operation.resetGates(input: input, gates: gates)
    operation.reset(gates: gates, state: floats(frame, state, entry), to: target)
  }

  private func advance(_ frame: borrowing RunFrame, _ entry: Int, _ step: Int) {
    let row = row(frame, entry, position(frame, entry, step))
    let (state, gates) = (floats(frame, state, entry), floats(frame, gates, entry))
    let input = floats(frame, input, row)
    if let reset {
      operation.finish(
        input: input, gates: gates, candidate: floats(frame, reset.output, entry), state: state)
    } else {
      // Without a cell state nothing is done with it.
      let cell = if let cellState { floats(frame, cellState, entry) } else { state }
      var seen: UnsafePointer<Float>?
      if let peepholes { seen = UnsafePointer(floats(frame, peepholes, 0)) }
      operation.advance(input: input, gates: gates, state: state, cellState: cell, peepholes: seen)
    }
    floats(frame, output, row).update(from: state, count: hidden)
  }
}
