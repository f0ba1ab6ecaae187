import CKernelABI
import SoniqGraph
import SoniqKernels

/// Attention of (batch, head) pairs; `rows` are the pairs, counted from 0.
struct AttentionStep: BitwiseCopyable {
  var function: snq_attention_function
  var arguments: snq_attention_args
  var input: StorageID
  /// Negative when there is none.
  var mask: StorageID
  var bias: AttentionBiasInput?
  var output: StorageID
  var batch: SizeReference
  var sequence: SizeReference

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
