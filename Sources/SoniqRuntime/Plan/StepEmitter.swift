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
}

/// Turns scheduled steps into calls of kernels. Storage numbers are slot numbers.
struct StepEmitter {
  let graph: Graph
  let schedule: Schedule
  let kernels: StepKernels
  let blockRows: Int
  let memory: PlanMemory

  /// The step and what to say of it.
  func emit(_ step: ScheduledStep) throws(RuntimeError) -> (Step, StepDescription) {
    switch step.work {
    case .quantize(let matrix): try emitQuantize(step, matrix)
    case .matmul(let matrix, let function): try emitMatmul(step, matrix, function)
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
    case .unary(let function): try emitUnary(step, function)
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
      nodes: step.nodes, operation: operation, kernel: kernel, instructionSet: instructionSet.rawValue)
  }

  func describe<Function>(
    _ step: ScheduledStep, _ operation: String, _ row: KernelRow<Function>
  ) -> StepDescription {
    describe(step, operation, row.name, row.instructionSet)
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

  /// Whether all rows have the same parameters: codes that are there, of fixed scale, whose sums no kernel reads.
  private func sharesParameters(_ matrix: PackedMatrix, _ slots: ActivationSlots) -> Bool {
    guard let writer = schedule.slots[slots.rowParameters].writer, readsCodes(schedule.steps[writer]),
      let level = matrix.levels.first
    else { return false }
    return level.level.weight.storedConstant == 0 && level.offsets == nil
      && choices(matrix, 0, slots).allSatisfy { $0.kernel.takesSegments }
  }

  /// The kernels of a level by row class, for the matrix step that reads these activations. One for all where codes
  /// are written or read: it can do both, and needs no sums of codes that others need.
  private func choices(_ matrix: PackedMatrix, _ index: Int, _ slots: ActivationSlots) -> [MatmulChoice] {
    let codes = schedule.slots[slots.codes(0)]
    let steps = codes.readers + (codes.writer.map { [$0] } ?? [])
    guard steps.contains(where: { schedule.steps[$0].sink != nil }) else {
      return kernels.choices(matrix, level: index)
    }
    let choices = kernels.sinkChoices(matrix)
    return choices[0].kernel.writesCodes ? choices : kernels.choices(matrix, level: index)
  }
}

// MARK: Matrices

extension StepEmitter {
  private func emitQuantize(_ step: ScheduledStep, _ matrix: PackedMatrix) throws(RuntimeError) -> (
    Step, StepDescription
  ) {
    let row = kernels.quantize
    var arguments = snq_quantize_args()
    arguments.channels = UInt32(matrix.inputs)
    arguments.gather = matrix.gather?.bound(to: UInt32.self).baseAddress
    arguments.levelCount = UInt32(matrix.levels.count)
    arguments.levels.0 = quantizeLevel(step, matrix, 0)
    if matrix.levels.count == 2 { arguments.levels.1 = quantizeLevel(step, matrix, 1) }
    let isReady = readsCodes(step)
    let slots = ActivationSlots(step.writes)
    let quantize = QuantizeStep(
      function: row.function, arguments: arguments, input: step.reads[0], isReady: isReady,
      needsSums: !sharesParameters(matrix, slots),
      target: try activationTarget(matrix, slots))
    var description = isReady ? describe(step, "take codes", "fill") : describe(step, "quantize", row)
    description.level = levelText(matrix)
    return (.quantize(try memory.store(quantize)), description)
  }

  private func quantizeLevel(
    _ step: ScheduledStep, _ matrix: PackedMatrix, _ index: Int
  ) -> snq_activation_level {
    let level = matrix.levels[index]
    let activation = level.level.activation
    var result = snq_activation_level()
    result.begin = index == 0 ? 0 : UInt32(matrix.levels[0].channels)
    result.channels = UInt32(level.channels)
    result.paddedChannels = UInt32(level.paddedChannels)
    result.kind = UInt32(activation.kind.rawValue)
    result.bits = UInt32(activation.bits)
    if case .fixed(let scale, let zero) = activation.scaling {
      result.isStatic = 1
      result.scale = scale
      result.zero = Int32(truncatingIfNeeded: zero)
    }
    result.codeStride = schedule.slots[step.writes[index]].rowBytes
    result.rowStride = matrix.levels.count
    return result
  }

  private func emitMatmul(
    _ step: ScheduledStep, _ matrix: PackedMatrix, _ function: ActivationFunction?
  ) throws(RuntimeError) -> (Step, StepDescription) {
    let slots = ActivationSlots(step.reads)
    let choices = matrix.levels.indices.map { self.choices(matrix, $0, slots) }
    let fused = fused(choices)
    let levels = try matrix.levels.indices.map { (index) throws(RuntimeError) in
      var arguments = matmulArguments(matrix, index)
      arguments.sink = sink(step)
      if sharesParameters(matrix, slots) { arguments.rowStride = 0 }
      return MatmulLevel(
        variants: try variants(
          choices[index], matrix.levels[index], fused: index == 0 ? fused : [],
          copy: try copy(choices[index], matrix.levels[index], matrix)),
        codes: slots.codes(index),
        prepared: slots.prepared(index), codeStride: schedule.slots[slots.codes(index)].rowBytes,
        arguments: arguments)
    }
    let matmul = MatmulStep(
      levels: try memory.store(levels), levelCount: levels.count,
      fusingClasses: fused.indices.reduce(0) { $0 | (fused[$1] == nil ? 0 : 1 << UInt8($1)) },
      rowParameters: slots.rowParameters, output: step.writes[0], writesCodes: step.sink != nil,
      panelCount: matrix.panelCount,
      panelGroup: panelGroup(matrix), multiplyAccumulates: matrix.inputs * matrix.outputs,
      activation: function.map { _ in kernels.activation.function },
      activationKind: UInt32(function?.rawValue ?? 0), outputs: matrix.outputs)
    var description = describe(
      step, function == nil ? "linear" : "linear + activation", choices[0][RowClass.many.rawValue].kernel.row)
    description.kernel = ChoiceReport.kernels(choices)
    description.level = levelText(matrix)
    description.refusals = ChoiceReport.refusals(choices)
    return (.matmul(try memory.store(matmul)), description)
  }

  /// The kernels of a level by row class; where `fused` has a function, it does the next level as well.
  private func variants(
    _ choices: [MatmulChoice], _ level: MatrixLevel, fused: [MatmulFunction?] = [], copy: WeightCopy? = nil
  ) throws(RuntimeError) -> UnsafePointer<MatmulVariant> {
    let variants = choices.enumerated().map { index, choice in
      MatmulVariant(
        function: (fused.isEmpty ? nil : fused[index]) ?? choice.kernel.row.function,
        form: choice.kernel.form.tag, preparedStride: kernels.preparedStride(choice, level),
        scratchBytes: kernels.scratchBytes(choice, level), copy: choice.copyBits == nil ? nil : copy)
    }
    return UnsafePointer(try memory.store(variants))
  }

  /// The copy of a level's weights that some of its kernels want.
  private func copy(
    _ choices: [MatmulChoice], _ level: MatrixLevel, _ matrix: PackedMatrix
  ) throws(RuntimeError) -> WeightCopy? {
    guard let bits = choices.compactMap(\.copyBits).first else { return nil }
    return try WeightCopy(level, panels: matrix.panelCount, bits: bits, memory)
  }

  /// The functions that do both levels in one call, by row class; nil where two calls are needed.
  private func fused(_ choices: [[MatmulChoice]]) -> [MatmulFunction?] {
    RowClass.allCases.map { rows in
      choices.count == 2 ? choices[0][rows.rawValue].kernel.fusing(choices[1][rows.rawValue].kernel) : nil
    }
  }

  /// Where the activations of a matrix go, and how they are prepared for its kernels.
  func activationTarget(_ matrix: PackedMatrix, _ slots: ActivationSlots) throws(RuntimeError)
    -> ActivationTarget
  {
    let preparations = try matrix.levels.indices.map { (index) throws(RuntimeError) in
      let level = matrix.levels[index]
      return Preparation(
        function: kernels.prepare.function,
        variants: try variants(choices(matrix, index, slots), level), codes: slots.codes(index),
        prepared: slots.prepared(index), codeStride: schedule.slots[slots.codes(index)].rowBytes,
        paddedChannels: UInt32(level.paddedChannels), activationBits: UInt32(level.level.activation.bits))
    }
    return ActivationTarget(
      levelCount: matrix.levels.count,
      codes: (slots.codes(0), slots.codes(matrix.levels.count - 1)), rowParameters: slots.rowParameters,
      preparations: UnsafePointer(try memory.store(preparations)))
  }

  /// Panels whose weights and outputs together take about half of a 48 KiB L1 cache.
  private func panelGroup(_ matrix: PackedMatrix) -> Int {
    let bytes = matrix.levels.reduce(0) { $0 + $1.panelStride } + blockRows * panelOutputs * 4
    return max(4, min(16, 24 << 10 / max(1, bytes) / 4 * 4))
  }

  private func emitFloatMatmul(_ step: ScheduledStep, _ matrix: FloatMatrix) throws(RuntimeError) -> (
    Step, StepDescription
  ) {
    let row = kernels.matrices.floatMatmul
    var arguments = snq_float_matmul_args()
    arguments.weights = matrix.panels.bound(to: Float.self).baseAddress
    arguments.panelStride = matrix.inputs * panelOutputs
    arguments.channels = UInt32(matrix.inputs)
    arguments.outputs = UInt32(matrix.outputs)
    arguments.bias = matrix.bias?.bound(to: Float.self).baseAddress
    let matmul = FloatMatmulStep(
      function: row.function, arguments: arguments, input: step.reads[0], output: step.writes[0],
      panelCount: (matrix.outputs + panelOutputs - 1) / panelOutputs,
      multiplyAccumulates: matrix.inputs * matrix.outputs)
    var description = describe(step, "linear", row)
    description.level = "float32"
    return (.floatMatmul(try memory.store(matmul)), description)
  }
}

/// The arguments of one level of a matrix, without what depends on the rows.
func matmulArguments(_ matrix: PackedMatrix, _ index: Int) -> snq_matmul_args {
  let level = matrix.levels[index]
  let weight = level.level.weight
  var arguments = snq_matmul_args()
  arguments.weights = level.weights.bound(to: UInt8.self).baseAddress
  arguments.panelStride = level.panelStride
  arguments.planeStride = level.planeStride
  arguments.layout = UInt32(weight.layout.rawValue)
  arguments.weightBits = UInt32(weight.bits)
  arguments.activationBits = UInt32(level.level.activation.bits)
  arguments.channels = UInt32(level.channels * level.taps)
  arguments.paddedChannels = UInt32(level.storedChannels)
  arguments.outputs = UInt32(matrix.outputs)
  arguments.weightMultiplier = Int32(weight.storedMultiplier)
  arguments.weightConstant = Int32(weight.storedConstant)
  arguments.activationMultiplier = Int32(level.level.activation.multiplier)
  arguments.weightScale = level.scales.bound(to: Float.self).baseAddress
  arguments.weightOffset = level.offsets?.bound(to: Float.self).baseAddress
  arguments.storedSum = level.storedSums.bound(to: Int32.self).baseAddress
  arguments.rowStride = matrix.levels.count
  arguments.bias = matrix.bias?.bound(to: Float.self).baseAddress
  arguments.mode = UInt32(index == 0 ? SNQ_START : SNQ_ACCUMULATE)
  return arguments
}

/// "8x8" or "4x8+8x8": weight bits x activation bits of each level.
func levelText(_ matrix: PackedMatrix) -> String {
  matrix.levels.map { "\($0.level.weight.bits)x\($0.level.activation.bits)" }.joined(separator: "+")
}

// MARK: Rows

extension StepEmitter {
  private func emitLayerNorm(
    _ step: ScheduledStep, _ gamma: DenseConstant, _ beta: DenseConstant, _ epsilon: Float
  ) throws(RuntimeError) -> (Step, StepDescription) {
    var arguments = snq_layer_norm_args()
    arguments.gamma = gamma.bytes.bound(to: Float.self).baseAddress
    arguments.beta = beta.bytes.bound(to: Float.self).baseAddress
    arguments.epsilon = epsilon
    arguments.channels = channels(step.writes[0])
    let hasResidual = step.reads.count == 2
    let norm = LayerNormStep(
      function: kernels.layerNorm.function, arguments: arguments, input: step.reads[0],
      residual: hasResidual ? step.reads[1] : -1, output: step.writes[0])
    let name = hasResidual ? "add + layerNorm" : "layerNorm"
    return (.layerNorm(try memory.store(norm)), describe(step, name, kernels.layerNorm))
  }

  private func emitActivation(
    _ step: ScheduledStep, _ function: ActivationFunction
  ) throws(RuntimeError) -> (Step, StepDescription) {
    var arguments = snq_activation_args()
    arguments.kind = UInt32(function.rawValue)
    arguments.channels = channels(step.writes[0])
    let activation = ActivationStep(
      function: kernels.activation.function, arguments: arguments, input: step.reads[0],
      output: step.writes[0])
    return (.activation(try memory.store(activation)), describe(step, "activation", kernels.activation))
  }

  private func emitAdd(_ step: ScheduledStep, _ rectifies: Bool) throws(RuntimeError) -> (
    Step, StepDescription
  ) {
    var arguments = snq_add_args()
    arguments.channels = channels(step.writes[0])
    arguments.rectifies = rectifies ? 1 : 0
    let add = AddStep(
      function: kernels.add.function, arguments: arguments, left: step.reads[0], right: step.reads[1],
      output: step.writes[0])
    return (.add(try memory.store(add)), describe(step, rectifies ? "add + activation" : "add", kernels.add))
  }

  private func emitLookup(_ step: ScheduledStep, _ table: PackedTable) throws(RuntimeError) -> (
    Step, StepDescription
  ) {
    var arguments = snq_lookup_args()
    arguments.channels = UInt32(table.channels)
    arguments.scatter = table.scatter?.bound(to: UInt32.self).baseAddress
    arguments.levelCount = UInt32(table.levels.count)
    arguments.levels.0 = tableLevel(table, 0)
    if table.levels.count == 2 { arguments.levels.1 = tableLevel(table, 1) }
    let lookup = LookupStep(
      function: kernels.lookup.function, arguments: arguments, ids: step.reads[0], output: step.writes[0],
      check: identifierCheck(step, rows: table.rows))
    var description = describe(step, "embedding", kernels.lookup)
    description.level = table.levels.map { "\($0.code.bits)" }.joined(separator: "+")
    return (.lookup(try memory.store(lookup)), description)
  }

  /// The check of ids that a node makes; nil for those of the host and for positions.
  private func identifierCheck(_ step: ScheduledStep, rows: Int) -> IdentifierCheck? {
    let graph = schedule.graph
    let ids = graph.nodes[step.nodes[0]].inputs[0]
    guard let maker = graph.nodes.first(where: { $0.output == ids }) else { return nil }
    if case .positions = maker.operation { return nil }
    return IdentifierCheck(node: step.nodes[0], tableRows: rows)
  }

  private func tableLevel(_ table: PackedTable, _ index: Int) -> snq_table_level {
    let level = table.levels[index]
    var result = snq_table_level()
    result.begin = index == 0 ? 0 : UInt32(table.levels[0].channels)
    result.channels = UInt32(level.channels)
    result.kind = UInt32(level.code.kind.rawValue)
    result.bits = UInt32(level.code.bits)
    result.zero = Int32(truncatingIfNeeded: level.code.zero)
    result.blockLength = UInt32(level.blockLength)
    result.codes = level.codes.bound(to: UInt8.self).baseAddress
    result.rowStride = level.rowStride
    result.scales = level.scales.bound(to: UInt16.self).baseAddress
    return result
  }

  private func emitPool(_ step: ScheduledStep) throws(RuntimeError) -> (Step, StepDescription) {
    var arguments = snq_pool_args()
    arguments.channels = channels(step.writes[0])
    let pool = PoolStep(
      function: kernels.pool.function, arguments: arguments, input: step.reads[0],
      mask: step.reads.count == 2 ? step.reads[1] : -1, output: step.writes[0],
      sequence: schedule.slots[step.reads[0]].space[1].sizeReference)
    return (.pool(try memory.store(pool)), describe(step, "meanPool", kernels.pool))
  }

  private func emitNormalize(_ step: ScheduledStep, _ epsilon: Float) throws(RuntimeError) -> (
    Step, StepDescription
  ) {
    var arguments = snq_normalize_args()
    arguments.channels = channels(step.writes[0])
    arguments.epsilon = epsilon
    let normalize = NormalizeStep(
      function: kernels.normalize.function, arguments: arguments, input: step.reads[0],
      output: step.writes[0])
    return (.normalize(try memory.store(normalize)), describe(step, "l2Normalize", kernels.normalize))
  }

  private func emitAttention(
    _ step: ScheduledStep, _ attention: Attention
  ) throws(RuntimeError) -> (Step, StepDescription) {
    let row = attention.precision == .int8 ? kernels.integerAttention : kernels.floatAttention
    var arguments = snq_attention_args()
    arguments.heads = UInt32(attention.heads)
    arguments.headDim = channels(step.writes[0]) / UInt32(attention.heads)
    arguments.scale = attention.scale
    arguments.isCausal = attention.isCausal ? 1 : 0
    let run = AttentionStep(
      function: row.function, arguments: arguments, input: step.reads[0],
      mask: step.reads.count == 2 ? step.reads[1] : -1, output: step.writes[0],
      batch: step.space[0].sizeReference, sequence: step.space[1].sizeReference)
    var description = describe(step, "attention", row)
    description.level = attention.precision == .int8 ? "8x8" : "float32"
    return (.attention(try memory.store(run)), description)
  }
}
