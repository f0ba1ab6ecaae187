import CKernelABI
import SoniqGraph
import SoniqKernels

extension Attention: PlannedOperator {
  func schedule(_ node: Int, in schedule: inout Schedule) {
    schedule.append(AttentionWork(attention: self), node)
  }
}

/// Units are pairs of batch entry and head.
struct AttentionWork: ScheduledWork {
  let attention: Attention

  var traits: WorkTraits { [.ownUnits, .readsOtherRows] }

  func scratchBytes(_ step: ScheduledStep, _ sizing: ScratchSizing) throws(RuntimeError) -> Int {
    let headLength = sizing.schedule.slots[step.writes[0]].rowBytes / 4 / attention.heads
    guard
      let bytes = sizing.kernels.attentionScratchBytes(
        sequence: sizing.size(step.space[1]), headLength: headLength,
        isInteger: attention.precision == .int8)
    else { throw RuntimeError(.workspaceTooLarge, node: step.nodes.first) }
    return bytes
  }

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    let isInteger = attention.precision == .int8
    let row = emitter.kernels.row(
      isInteger ? RowKernelRegistry.integerAttention : RowKernelRegistry.floatAttention)
    var arguments = snq_attention_args()
    arguments.heads = UInt32(attention.heads)
    arguments.headDim = emitter.channels(step.writes[0]) / UInt32(attention.heads)
    arguments.scale = attention.scale
    arguments.isCausal = attention.isCausal ? 1 : 0
    var bias: AttentionBiasInput?
    if attention.hasBias, let slot = step.reads.last,
      let value = emitter.graph.nodes[step.nodes[0]].inputs.last
    {
      bias = AttentionBiasInput(slot, shape: emitter.graph.values[value].shape)
    }
    let run = AttentionStep(
      function: row.function, arguments: arguments, input: step.reads[0],
      mask: step.reads.count == (attention.hasBias ? 3 : 2) ? step.reads[1] : -1, bias: bias,
      output: step.writes[0], batch: step.space[0].sizeReference, sequence: step.space[1].sizeReference)
    var description = emitter.describe(step, "attention", row)
    description.level = isInteger ? "8x8" : "float32"
    return (try emitter.step(run), description)
  }
}

/// Attention of (batch, head) pairs; `rows` are the pairs, counted from 0.
struct AttentionStep: RowStep {
  static var entry: StepEntry { { AttentionStep.answer($0, $1) } }
  var function: snq_attention_function
  var arguments: snq_attention_args
  var input: StorageID
  /// Negative when there is none.
  var mask: StorageID
  var bias: AttentionBiasInput?
  var output: StorageID
  var batch: SizeReference
  var sequence: SizeReference

  func units(_ frame: borrowing RunFrame, lanes: Int) -> StepUnits {
    StepUnits(count: frame.size(batch) &* Int(arguments.heads))
  }

  func multiplyAccumulates(_ frame: borrowing RunFrame) -> Int {
    let sequence = frame.size(sequence)
    let pairs = arguments.isCausal != 0 ? sequence &* (sequence &+ 1) / 2 : sequence &* sequence
    return 2 &* pairs &* Int(arguments.headDim)
  }

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ units: Range<Int>) {
    var call = arguments
    let all = RowWindow.all(lane: window.lane, rows: 0)
    let source = frame.storages[input]
    let channels = Int(call.heads * call.headDim)
    let query = UnsafePointer(source.floats(all))
    call.query = query
    call.key = query + channels
    call.value = query + 2 * channels
    call.queryStride = source.stride
    call.keyStride = source.stride
    call.valueStride = source.stride
    if mask >= 0 { call.mask = UnsafePointer(frame.storages[mask].integers(all)) }
    call.batch = UInt32(frame.size(batch))
    call.sequence = UInt32(frame.size(sequence))
    if let bias { bias.bind(frame, &call) }
    call.output = frame.storages[output].floats(all)
    call.outputStride = frame.storages[output].stride
    call.scratch = (frame.scratch + window.lane * frame.scratchStride).assumingMemoryBound(to: UInt8.self)
    function(&call, UInt32(units.lowerBound), UInt32(units.upperBound))
  }
}

/// Where the numbers lie that are added to the scores of attention, [batch or 1, heads or 1, positions or 1, keys].
struct AttentionBiasInput: BitwiseCopyable {
  var storage: StorageID
  /// Whether each entry of a batch, each head and each query position has numbers of its own.
  var isOfBatch: Bool
  var isOfHeads: Bool
  var isOfRows: Bool

  init(_ storage: StorageID, shape: [Dimension]) {
    self.storage = storage
    isOfBatch = shape[0] != .fixed(1)
    isOfHeads = shape[1] != .fixed(1)
    isOfRows = shape[2] != .fixed(1)
  }

  @inline(__always)
  func bind(_ frame: borrowing RunFrame, _ call: inout snq_attention_args) {
    let sequence = Int(call.sequence)
    let plane = isOfRows ? sequence * sequence : sequence
    call.bias = UnsafePointer(frame.storages[storage].floats(RowWindow.all(lane: 0, rows: 0)))
    call.biasRowStride = isOfRows ? sequence : 0
    call.biasHeadStride = isOfHeads ? plane : 0
    call.biasBatchStride = isOfBatch ? (isOfHeads ? Int(call.heads) : 1) * plane : 0
  }
}
