import CKernelABI
import SoniqCore
import SoniqGraph
import SoniqKernels

extension GroupedAttention: PlannedOperator {
  func schedule(_ node: Int, in schedule: inout Schedule) {
    var form = AttentionForm(
      heads: heads, keyHeads: keyValueHeads, scale: scale, precision: precision, isCausal: isCausal,
      hasBias: hasBias, window: window, softcap: softcap)
    guard let keyState, let valueState else {
      return schedule.append(AttentionWork(form: form, isJoined: false), node)
    }
    let inputs = schedule.graph.nodes[node].inputs
    form.states = (keyState, valueState)
    schedule.append(
      AppendWork(states: [keyState, valueState]), [node], reads: Array(inputs[1...2]), writes: [],
      space: schedule.slots[inputs[1]].space)
    schedule.append(
      AttentionWork(form: form, isJoined: false), [node], reads: [inputs[0]],
      writes: [schedule.graph.nodes[node].output])
  }
}

/// Rows put behind those that states hold; they count when the run has succeeded.
struct AppendWork: ScheduledWork {
  /// As many as it reads.
  let states: [StateID]

  /// A head, where there are codes.
  func scratchBytes(_ step: ScheduledStep, _ sizing: ScratchSizing) throws(RuntimeError) -> Int {
    let graph = sizing.schedule.graph
    let rows = graph.growingRows
    return states.reduce(0) { most, state in
      guard graph.states[state].isCodes,
        case .fixed(let channels)? = graph.states[state].shape.last,
        let heads = rows[state]?.heads
      else { return most }
      return max(most, 4 * channels / heads)
    }
  }

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    let row = emitter.kernels.row(RowKernelRegistry.appendCodes)
    let append = AppendStep(
      inputs: UnsafePointer(try emitter.memory.store(step.reads)),
      states: UnsafePointer(try emitter.memory.store(states)), count: states.count,
      sequence: step.space[1].sizeReference, encode: row.function)
    let hasCodes = states.contains { emitter.graph.states[$0].isCodes }
    return (try emitter.step(append), emitter.describe(step, "append", hasCodes ? row.name : "copy"))
  }
}

struct AppendStep: RowStep {
  static var entry: StepEntry { { AppendStep.answer($0, $1) } }
  var inputs: UnsafePointer<StorageID>
  var states: UnsafePointer<StateID>
  var count: Int
  var sequence: SizeReference
  /// For states of codes.
  var encode: snq_append_codes_function

  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    let scratch = (frame.scratch + window.lane * frame.scratchStride).assumingMemoryBound(to: Float.self)
    let ofRun = window.firstRow &+ rows.lowerBound..<window.firstRow &+ rows.upperBound
    for index in 0..<count {
      let source = frame.storages[inputs[index]]
      // Rows count from the first of the run.
      let input = UnsafePointer(source.floats(window)) - window.firstRow &* source.stride
      frame.forEachEntry(ofRun, sequence: frame.size(sequence)) { entry, rows in
        let state = entry.states[states[index]]
        if state.form.isCodes {
          appendCodes(input, source.stride, state, entry, rows, scratch)
        } else {
          appendFloats(input, source.stride, state, entry, rows)
        }
      }
    }
  }

  private func appendFloats(
    _ input: UnsafePointer<Float>, _ stride: Int, _ state: StateStorage, _ entry: RunEntry, _ rows: Range<Int>
  ) {
    for row in rows {
      let target = state.row(entry.index, state.length &+ row &- entry.firstRow)
      let from = input + row &* stride
      if state.form == .float16 {
        let halves = target.assumingMemoryBound(to: UInt16.self)
        for channel in 0..<state.channels { halves[channel] = Binary16.bits(from[channel]) }
      } else {
        target.copyMemory(from: from, byteCount: state.rowBytes)
      }
    }
  }

  private func appendCodes(
    _ input: UnsafePointer<Float>, _ stride: Int, _ state: StateStorage, _ entry: RunEntry,
    _ rows: Range<Int>,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    var call = snq_append_codes_args()
    // Kernels count rows from the first of the entry.
    let first = entry.firstRow
    call.input = input + first &* stride
    call.inputStride = stride
    call.codes = state.start(entry.index).assumingMemoryBound(to: UInt8.self)
    call.steps = state.step(entry.index, 0, 0)
    call.heads = UInt32(truncatingIfNeeded: state.heads)
    call.headDim = UInt32(truncatingIfNeeded: state.headLength)
    call.capacity = UInt32(truncatingIfNeeded: state.room)
    call.sequence = UInt32(truncatingIfNeeded: entry.count)
    call.past = UInt32(truncatingIfNeeded: state.length)
    if case .keyCodes = state.form { call.isKey = 1 }
    call.bits = UInt32(truncatingIfNeeded: state.form.codeBits ?? 0)
    call.scratch = scratch
    encode(
      &call, UInt32(truncatingIfNeeded: rows.lowerBound &- first),
      UInt32(truncatingIfNeeded: rows.upperBound &- first))
  }
}
