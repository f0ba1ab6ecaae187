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
      guard graph.states[state].elementType == .int8,
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
    let hasCodes = states.contains { emitter.graph.states[$0].elementType == .int8 }
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
    for index in 0..<count {
      let (source, state) = (frame.storages[inputs[index]], frame.states[states[index]])
      if state.form.isCodes {
        appendCodes(source, state, frame, window, rows)
      } else {
        appendFloats(source.floats(window), source.stride, state, frame.size(sequence), window.firstRow, rows)
      }
    }
  }

  private func appendFloats(
    _ input: UnsafeMutablePointer<Float>, _ stride: Int, _ state: StateStorage, _ sequence: Int, _ first: Int,
    _ rows: Range<Int>
  ) {
    for row in rows {
      let (entry, position) = ((first &+ row) / sequence, (first &+ row) % sequence)
      let target = state.row(entry, state.length &+ position)
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
    _ source: RowStorage, _ state: StateStorage, _ frame: borrowing RunFrame, _ window: RowWindow,
    _ rows: Range<Int>
  ) {
    var call = snq_append_codes_args()
    // Kernels count rows from the first of the run.
    call.input = UnsafePointer(source.floats(window)) - window.firstRow &* source.stride
    call.inputStride = source.stride
    call.codes = state.base.assumingMemoryBound(to: Int8.self)
    call.steps = state.steps
    call.heads = UInt32(truncatingIfNeeded: state.heads)
    call.headDim = UInt32(truncatingIfNeeded: state.headLength)
    call.capacity = UInt32(truncatingIfNeeded: state.room)
    call.sequence = UInt32(truncatingIfNeeded: frame.size(sequence))
    call.past = UInt32(truncatingIfNeeded: state.length)
    call.isKey = state.form == .keyCodes ? 1 : 0
    call.scratch = (frame.scratch + window.lane * frame.scratchStride).assumingMemoryBound(to: Float.self)
    encode(
      &call, UInt32(truncatingIfNeeded: window.firstRow &+ rows.lowerBound),
      UInt32(truncatingIfNeeded: window.firstRow &+ rows.upperBound))
  }
}
