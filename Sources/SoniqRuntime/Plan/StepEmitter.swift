import CKernelABI
import SoniqCore
import SoniqGraph
import SoniqKernels

/// What a report says of one step.
struct StepDescription {
  var nodes: [Int]
  var operation: String
  var kernel: String
  var instructionSet: String
  var level = ""
  var refusals: [String] = []
  /// Of copies that its kernels read.
  var copiedWeightBytes = 0

  mutating func add(_ forms: [PreparedForm]) {
    for form in forms where form.bytes.isCopy { copiedWeightBytes += form.bytes.byteCount ?? 0 }
  }
}

/// Turns scheduled steps into calls of kernels. Storage numbers are slot numbers.
struct StepEmitter {
  let graph: Graph
  let schedule: Schedule
  let kernels: StepKernels
  let blockRows: Int
  let memory: PlanMemory
  let weights: PreparedWeights

  /// The step of these arguments.
  func step(_ arguments: some RunnableStep) throws(RuntimeError) -> Step {
    Step(UnsafePointer(try memory.store(arguments)))
  }

  func describe(
    _ step: ScheduledStep, _ operation: String, _ kernel: String,
    _ instructionSet: InstructionSet = .portable
  ) -> StepDescription {
    StepDescription(
      nodes: step.nodes, operation: operation, kernel: kernel, instructionSet: instructionSet.name)
  }

  func describe<Function>(
    _ step: ScheduledStep, _ operation: String, _ row: KernelRow<Function>
  ) -> StepDescription {
    describe(step, operation, row.name, row.instructionSet)
  }

  /// What a step does to what it has just written.
  func fusing(_ function: ElementFunction?) -> FusedFunction? {
    function.map { FusedFunction(kernel: kernels.activation.function, function: $0) }
  }

  func channels(_ slot: SlotID) -> UInt32 { UInt32(schedule.slots[slot].rowBytes / 4) }

  /// The codes that a step writes, without the addresses; zeros when it writes floats.
  func sink(_ step: ScheduledStep) -> snq_code_sink {
    var sink = snq_code_sink()
    guard let code = step.sink else { return sink }
    let (scale, zero) = code.fixedParameters
    sink.inverse = 1 / scale
    sink.high = Float(code.codeCount - 1 - zero)
    sink.zero = Int32(truncatingIfNeeded: zero)
    return sink
  }

  /// The step before makes the codes that this one reads.
  func readsCodes(_ step: ScheduledStep) -> Bool {
    guard let slot = step.reads.first, let writer = schedule.slots[slot].writer else { return false }
    return schedule.steps[writer].sink != nil
  }
}
