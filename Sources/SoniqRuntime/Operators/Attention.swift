import CKernelABI
import SoniqGraph
import SoniqKernels

extension Attention: PlannedOperator {
  /// Queries, keys and values lie side by side.
  func schedule(_ node: Int, in schedule: inout Schedule) {
    let form = AttentionForm(
      heads: heads, keyHeads: heads, scale: scale, precision: precision, isCausal: isCausal, hasBias: hasBias)
    schedule.append(AttentionWork(form: form, isJoined: true), node)
  }
}

/// What all operations of attention have.
struct AttentionForm {
  let heads: Int
  let keyHeads: Int
  let scale: Float
  let precision: AttentionPrecision
  let isCausal: Bool
  let hasBias: Bool
  var window = 0
  var softcap: Float = 0
  /// Hold the keys and values, those of this run too.
  var states: (key: StateID, value: StateID)?

  func numbers(_ graph: Graph) -> AttentionNumbers {
    if let states, graph.states[states.key].isCodes { return .codes(keyBits: graph.states[states.key].bits) }
    return precision == .int8 ? .integers : .floats
  }
}

/// What the products of attention are of.
enum AttentionNumbers {
  case floats
  /// Codes of queries, keys and values, made for the call.
  case integers
  /// Codes of keys and values that states hold.
  case codes(keyBits: Int)

  var kernels: KernelFamily<snq_attention_function> {
    switch self {
    case .floats: RowKernelRegistry.floatAttention
    case .integers: RowKernelRegistry.integerAttention
    case .codes: RowKernelRegistry.codeAttention
    }
  }

  /// Bits of queries and of keys, for reports.
  var level: String {
    switch self {
    case .floats: "float32"
    case .integers: "8x8"
    case .codes(let keyBits): "16x\(keyBits)"
    }
  }

  /// Bytes of scratch a thread; 0 for sizes that kernels refuse.
  func scratchBytes(keys: UInt32, headLength: UInt32) -> Int {
    switch self {
    case .floats: snq_attention_float_scratch(keys, headLength)
    case .integers: snq_attention_integer_scratch(keys, headLength)
    case .codes: snq_attention_codes_scratch(keys, headLength)
    }
  }
}

/// Units are pairs of batch entry and head.
struct AttentionWork: ScheduledWork {
  let form: AttentionForm
  /// The first input holds queries, keys and values; else they are three.
  let isJoined: Bool

  var traits: WorkTraits { [.ownUnits, .readsOtherRows] }

  func scratchBytes(_ step: ScheduledStep, _ sizing: ScratchSizing) throws(RuntimeError) -> Int {
    let headLength = sizing.schedule.slots[step.writes[0]].rowBytes / 4 / form.heads
    guard
      let bytes = sizing.kernels.attentionScratchBytes(
        sequence: keys(step, sizing.schedule.graph, sizing), headLength: headLength,
        numbers: form.numbers(sizing.schedule.graph))
    else { throw RuntimeError(.workspaceTooLarge, node: step.nodes.first) }
    return bytes
  }

  /// The most keys.
  private func keys(_ step: ScheduledStep, _ graph: Graph, _ sizing: ScratchSizing) -> Int {
    guard let states = form.states else { return sizing.size(step.space[1]) }
    return sizing.size(graph.states[states.key].shape[1])
  }

  func emit(_ step: ScheduledStep, _ emitter: StepEmitter) throws(RuntimeError) -> (Step, StepDescription) {
    let numbers = form.numbers(emitter.graph)
    let row = emitter.kernels.row(numbers.kernels)
    let channels = Int(emitter.channels(step.writes[0]))
    let operands = isJoined || form.states != nil ? 1 : 3
    let hasMask = step.reads.count == operands + (form.hasBias ? 2 : 1)
    let places = (0..<3).map { part in
      isJoined
        ? AttentionOperand(storage: step.reads[0], column: part * channels)
        : AttentionOperand(storage: step.reads[operands == 1 ? 0 : part])
    }
    let run = AttentionStep(
      function: row.function, arguments: arguments(channels), query: places[0], key: places[1],
      value: places[2], mask: hasMask ? step.reads[operands] : -1, bias: bias(step, emitter.graph),
      output: step.writes[0], batch: step.space[0].sizeReference, sequence: step.space[1].sizeReference,
      keyState: form.states?.key ?? -1, valueState: form.states?.value ?? -1)
    var description = emitter.describe(step, "attention", row)
    description.level = numbers.level
    return (try emitter.step(run), description)
  }

  private func arguments(_ channels: Int) -> snq_attention_args {
    var arguments = snq_attention_args()
    arguments.heads = UInt32(form.heads)
    arguments.headDim = UInt32(channels / form.heads)
    arguments.queryHeads = UInt32(form.heads / form.keyHeads)
    arguments.scale = form.scale
    arguments.isCausal = form.isCausal ? 1 : 0
    arguments.window = UInt32(form.window)
    arguments.softcap = form.softcap
    return arguments
  }

  private func bias(_ step: ScheduledStep, _ graph: Graph) -> AttentionBiasInput? {
    guard form.hasBias, let slot = step.reads.last, let value = graph.nodes[step.nodes[0]].inputs.last else {
      return nil
    }
    return AttentionBiasInput(slot, shape: graph.values[value].shape)
  }
}

/// Attention of (batch, head) pairs; `rows` are the pairs, counted from 0.
struct AttentionStep: RowStep {
  static var entry: StepEntry { { AttentionStep.answer($0, $1) } }
  var function: snq_attention_function
  var arguments: snq_attention_args
  var query: AttentionOperand
  var key: AttentionOperand
  var value: AttentionOperand
  /// Negative when there is none.
  var mask: StorageID
  var bias: AttentionBiasInput?
  var output: StorageID
  var batch: SizeReference
  var sequence: SizeReference
  /// Negative when there are none; else keys and values are those of the states.
  var keyState: StateID
  var valueState: StateID

  func units(_ frame: borrowing RunFrame, lanes: Int) -> StepUnits {
    let entries = frame.entryCount(batch: batch)
    let count = entries &* Int(arguments.heads)
    // Heads next to each other share keys and values, which a call reads once. With many rows that is little beside
    // the products, and lanes that take one head at a time end together.
    let queries = frame.size(batch) &* frame.size(sequence)
    let isOneCall = lanes == 1 || queries == entries
    return StepUnits(count: count, size: isOneCall ? max(1, (count &+ lanes &- 1) / lanes) : 1)
  }

  func multiplyAccumulates(_ frame: borrowing RunFrame) -> Int {
    let entries = frame.entryCount(batch: batch)
    var pairs = 0
    for index in 0..<entries { pairs &+= self.pairs(frame.entry(index, sequence: frame.size(sequence))) }
    return 2 &* pairs / entries &* Int(arguments.headDim)
  }

  /// Of queries and keys.
  private func pairs(_ entry: RunEntry) -> Int {
    let queries = entry.count
    let past = keyState >= 0 ? entry.states[keyState].length : 0
    let own = arguments.isCausal != 0 ? queries &* (queries &+ 1) / 2 : queries &* queries
    let pairs = own &+ past &* queries
    return arguments.window > 0 ? min(pairs, queries &* Int(arguments.window)) : pairs
  }

  @inline(__always)
  func run(_ frame: borrowing RunFrame, _ window: RowWindow, _ units: Range<Int>) {
    var call = arguments
    let all = RowWindow.all(lane: window.lane, rows: 0)
    (call.query, call.queryStride) = query.place(frame)
    (call.key, call.keyStride) = key.place(frame)
    (call.value, call.valueStride) = value.place(frame)
    if mask >= 0 { call.mask = UnsafePointer(frame.storages[mask].integers(all)) }
    call.batch = UInt32(frame.size(batch))
    call.sequence = UInt32(frame.size(sequence))
    if let bias { bias.bind(frame, &call) }
    call.output = frame.storages[output].floats(all)
    call.outputStride = frame.storages[output].stride
    call.scratch = (frame.scratch + window.lane * frame.scratchStride).assumingMemoryBound(to: UInt8.self)
    guard keyState >= 0 else { return function(&call, UInt32(units.lowerBound), UInt32(units.upperBound)) }
    runOnStates(frame, call, units)
  }
}

extension AttentionStep {
  /// A call for each entry that has any of the pairs.
  private func runOnStates(_ frame: borrowing RunFrame, _ whole: snq_attention_args, _ pairs: Range<Int>) {
    let heads = Int(whole.heads)
    var first = pairs.lowerBound
    while first < pairs.upperBound {
      let index = first / heads
      let end = min(pairs.upperBound, (index &+ 1) &* heads)
      var call = whole
      bind(frame.entry(index, sequence: frame.size(sequence)), &call)
      let before = index &* heads
      function(
        &call, UInt32(truncatingIfNeeded: first &- before), UInt32(truncatingIfNeeded: end &- before))
      first = end
    }
  }

  /// Makes a call one of this entry alone.
  private func bind(_ entry: RunEntry, _ call: inout snq_attention_args) {
    let (keys, values) = (entry.states[keyState], entry.states[valueState])
    call.batch = 1
    call.sequence = UInt32(truncatingIfNeeded: entry.count)
    call.query = call.query + entry.firstRow &* call.queryStride
    call.output = call.output + entry.firstRow &* call.outputStride
    call.key = UnsafePointer(keys.start(entry.index).assumingMemoryBound(to: Float.self))
    call.value = UnsafePointer(values.start(entry.index).assumingMemoryBound(to: Float.self))
    (call.keyStride, call.valueStride) = (keys.channels, values.channels)
    call.keyBatchRows = keys.room
    call.isHalf = keys.form == .float16 ? 1 : 0
    call.keySteps = UnsafePointer(keys.step(entry.index, 0, 0))
    call.valueSteps = UnsafePointer(values.step(entry.index, 0, 0))
    (call.keyBits, call.valueBits) = (UInt32(keys.form.codeBits ?? 0), UInt32(values.form.codeBits ?? 0))
    call.past = UInt32(truncatingIfNeeded: keys.length)
  }
}

/// Where the rows of queries, keys or values lie: from a column of a value on.
struct AttentionOperand: BitwiseCopyable {
  var storage: StorageID
  var column = 0

  @inline(__always)
  func place(_ frame: borrowing RunFrame) -> (UnsafePointer<Float>, Int) {
    let rows = frame.storages[storage]
    return (UnsafePointer(rows.floats(RowWindow.all(lane: 0, rows: 0))) + column, rows.stride)
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
