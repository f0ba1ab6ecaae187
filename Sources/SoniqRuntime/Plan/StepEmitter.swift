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

  /// The step and what to say of it.
  func emit(_ step: ScheduledStep) throws(RuntimeError) -> (Step, StepDescription) {
    switch step.work {
    case .quantize(let layer): try emitQuantize(step, schedule.layers[layer])
    case .matmul(let layer, let function): try emitMatmul(step, schedule.layers[layer], function)
    case .floatMatmul(let matrix): try emitFloatMatmul(step, matrix)
    case .layerNorm(let gamma, let beta, let epsilon): try emitLayerNorm(step, gamma, beta, epsilon)
    case .activation(let function): try emitActivation(step, function)
    case .add(let rectifies): try emitAdd(step, rectifies)
    case .lookup(let table): try emitLookup(step, table)
    case .denseLookup(let dense):
      (
        .denseLookup(
          try memory.store(
            DenseLookupStep(
              table: dense.bytes.start, ids: step.reads[0], output: step.writes[0],
              check: identifierCheck(step, rows: dense.shape[0])))),
        describe(step, "embedding", "copy")
      )
    case .positions:
      (
        .positions(
          try memory.store(
            PositionsStep(sequence: step.space[1].sizeReference, output: step.writes[0]))),
        describe(step, "positions", "count")
      )
    case .pool: try emitPool(step)
    case .normalize(let epsilon): try emitNormalize(step, epsilon)
    case .attention(let attention): try emitAttention(step, attention)
    case .tensor(let operation): try emitTensor(step, operation)
    case .image(let convolution): try emitImage(step, convolution)
    case .convolution(let convolution, let function): try emitConvolution(step, convolution, function)
    case .floatConvolution(let geometry, let matrices, let function):
      try emitFloatConvolution(step, geometry, matrices, function)
    case .depthwiseImage(let depthwise): try emitDepthwiseImage(step, depthwise)
    case .depthwise(let depthwise, let function): try emitDepthwise(step, depthwise, function)
    case .floatDepthwise(let geometry, let weights, let bias, let function):
      try emitFloatDepthwise(step, geometry, weights, bias, function)
    }
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
