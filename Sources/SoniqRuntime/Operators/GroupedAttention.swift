import SoniqCore
import SoniqGraph

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

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    let append = AppendStep(
      inputs: UnsafePointer(try emitter.memory.store(step.reads)),
      states: UnsafePointer(try emitter.memory.store(states)), count: states.count,
      sequence: step.space[1].sizeReference)
    return (try emitter.step(append), emitter.describe(step, "append", "copy"))
  }
}

struct AppendStep: RowStep {
  static var entry: StepEntry { { AppendStep.answer($0, $1) } }
  var inputs: UnsafePointer<StorageID>
  var states: UnsafePointer<StateID>
  var count: Int
  var sequence: SizeReference

  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ rows: Range<Int>) {
    let sequence = frame.size(sequence)
    for index in 0..<count {
      let (source, state) = (frame.storages[inputs[index]], frame.states[states[index]])
      let input = source.floats(window)
      for row in rows {
        let (entry, position) = ((window.firstRow &+ row) / sequence, (window.firstRow &+ row) % sequence)
        let target = state.row(entry, state.length &+ position)
        let from = input + row &* source.stride
        if state.isHalf {
          let halves = target.assumingMemoryBound(to: UInt16.self)
          for channel in 0..<state.channels { halves[channel] = Binary16.bits(from[channel]) }
        } else {
          target.copyMemory(from: from, byteCount: state.rowBytes)
        }
      }
    }
  }
}
