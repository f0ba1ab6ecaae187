import CKernelABI
import SoniqCore
import SoniqGraph
import SoniqKernels

extension StepEmitter {
  func emitLayerNorm(
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

  func emitActivation(
    _ step: ScheduledStep, _ function: ElementFunction
  ) throws(RuntimeError) -> (Step, StepDescription) {
    var arguments = snq_activation_args()
    arguments.kind = function.kind
    arguments.alpha = function.alpha
    arguments.beta = function.beta
    arguments.channels = channels(step.writes[0])
    let activation = ActivationStep(
      function: kernels.activation.function, arguments: arguments, input: step.reads[0],
      output: step.writes[0])
    return (.activation(try memory.store(activation)), describe(step, "activation", kernels.activation))
  }

  func emitAdd(_ step: ScheduledStep, _ rectifies: Bool) throws(RuntimeError) -> (
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

  func emitLookup(_ step: ScheduledStep, _ table: PackedTable) throws(RuntimeError) -> (
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
  func identifierCheck(_ step: ScheduledStep, rows: Int) -> IdentifierCheck? {
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

  func emitPool(_ step: ScheduledStep) throws(RuntimeError) -> (Step, StepDescription) {
    var arguments = snq_pool_args()
    arguments.channels = channels(step.writes[0])
    let pool = PoolStep(
      function: kernels.pool.function, arguments: arguments, input: step.reads[0],
      mask: step.reads.count == 2 ? step.reads[1] : -1, output: step.writes[0],
      sequence: schedule.slots[step.reads[0]].space[1].sizeReference)
    return (.pool(try memory.store(pool)), describe(step, "meanPool", kernels.pool))
  }

  func emitNormalize(_ step: ScheduledStep, _ epsilon: Float) throws(RuntimeError) -> (
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

  func emitAttention(
    _ step: ScheduledStep, _ attention: Attention
  ) throws(RuntimeError) -> (Step, StepDescription) {
    let row = attention.precision == .int8 ? kernels.integerAttention : kernels.floatAttention
    var arguments = snq_attention_args()
    arguments.heads = UInt32(attention.heads)
    arguments.headDim = channels(step.writes[0]) / UInt32(attention.heads)
    arguments.scale = attention.scale
    arguments.isCausal = attention.isCausal ? 1 : 0
    var bias: AttentionBiasInput?
    if attention.hasBias, let slot = step.reads.last, let value = graph.nodes[step.nodes[0]].inputs.last {
      bias = AttentionBiasInput(slot, shape: graph.values[value].shape)
    }
    let run = AttentionStep(
      function: row.function, arguments: arguments, input: step.reads[0],
      mask: step.reads.count == (attention.hasBias ? 3 : 2) ? step.reads[1] : -1, bias: bias,
      output: step.writes[0], batch: step.space[0].sizeReference, sequence: step.space[1].sizeReference)
    var description = describe(step, "attention", row)
    description.level = attention.precision == .int8 ? "8x8" : "float32"
    return (.attention(try memory.store(run)), description)
  }
}
