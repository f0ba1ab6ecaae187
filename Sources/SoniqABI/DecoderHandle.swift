import CSoniq
import SoniqKernels
import SoniqMemory
import SoniqRuntime

/// Behind a soniq_decoder. Keeps the model's handle alive.
final class DecoderHandle: ExclusiveHandle {
  override class var tag: UInt64 { 0x0172_6564_6f63_6564 }  // "decoder\1"
  override class var name: String { "decoder" }
  /// Items of a call.
  static let maximumItems = 1024

  let model: ModelHandle
  let decoder: Decoder
  private let progress: soniq_progress_function?
  private let progressContext: UnsafeMutableRawPointer?
  /// Of the items of the last run that succeeded.
  private var itemCount = 0
  /// By item: length of its sequence before the run, its first row, and how many rows it has.
  private var starts: [Int]
  private var firstRows: [Int]
  private var rowCounts: [Int]

  init(_ model: ModelHandle, _ options: soniq_decoder_options) throws(Failure) {
    guard options.reserved == 0 else { throw .argument("reserved", "is not 0") }
    self.model = model
    progress = options.progress
    progressContext = options.progress_context
    let converted = try DecoderOptions(options)
    do throws(RuntimeError) {
      decoder = try Decoder(model.model, options: converted)
    } catch { throw Failure(error, nodeName: model.nodeName) }
    starts = [Int](repeating: 0, count: Self.maximumItems)
    firstRows = starts
    rowCounts = starts
    super.init()
  }

  /// Puts the tokens of all items behind their sequences, or of none.
  func run(_ items: UnsafeBufferPointer<soniq_decoder_item>, _ host: HostFloatState) throws(Failure) {
    itemCount = 0
    var held = 0
    defer { for index in 0..<held { (try? SequenceHandle.borrow(items[index].sequence))?.leave() } }
    for index in items.indices {
      try enter(items[index], index)
      held += 1
    }
    var (row, total) = (0, 0)
    for index in items.indices {
      let rows = try check(items[index], index)
      (firstRows[index], rowCounts[index]) = (row, rows)
      row += rows
      total += items[index].token_count
    }
    guard row <= decoder.maximumOutputs else {
      throw .argument(
        "items", "ask for \(row) rows of logits, the decoder has room for \(decoder.maximumOutputs)")
    }
    do throws(Failure) { try append(items, total, host) } catch {
      for index in items.indices {
        let sequence = (try? SequenceHandle.borrow(items[index].sequence))?.sequence
        try? sequence?.truncate(to: starts[index])
      }
      throw error
    }
    itemCount = items.count
  }

  /// Makes the sequence of an item this call's own.
  private func enter(_ item: soniq_decoder_item, _ index: Int) throws(Failure) {
    guard item.sequence != nil else { throw .null("items[\(index)].sequence") }
    let handle = try SequenceHandle.borrow(item.sequence)
    guard handle.model === model else {
      throw .argument("items[\(index)].sequence", "is a sequence of another model")
    }
    guard handle.enter() else {
      throw Failure(
        .state, "items[\(index)].sequence is in use: by another thread, or twice in this call",
        field: "items[\(index)].sequence")
    }
    starts[index] = handle.sequence.length
  }

  /// - Returns: rows of logits of an item.
  private func check(_ item: soniq_decoder_item, _ index: Int) throws(Failure) -> Int {
    let sequence = try SequenceHandle.borrow(item.sequence).sequence
    guard item.reserved == 0 else { throw .argument("items[\(index)].reserved", "is not 0") }
    guard sequence.capacity <= decoder.capacity else {
      throw .argument(
        "items[\(index)].sequence",
        "has room for \(sequence.capacity) positions, the decoder is made for \(decoder.capacity)")
    }
    guard let rows = Decoder.Rows(constant: item.outputs) else {
      throw .argument("items[\(index)].outputs", "is \(item.outputs), which is no SONIQ_OUTPUTS_* constant")
    }
    let tokens = try Self.tokens(item, index)
    do throws(RuntimeError) { try decoder.check(tokens, behind: sequence) } catch {
      var failure = Failure(error, nodeName: model.nodeName)
      failure.field = "items[\(index)]"
      failure.message = "items[\(index)]: \(failure.message)"
      throw failure
    }
    switch rows {
    case .none: return 0
    case .last: return 1
    case .all: return tokens.count
    }
  }

  private static func tokens(
    _ item: soniq_decoder_item, _ index: Int
  ) throws(Failure) -> UnsafeBufferPointer<Int32> {
    guard let tokens = item.tokens else { throw .null("items[\(index)].tokens") }
    guard UInt(bitPattern: tokens) % 4 == 0 else {
      throw .argument("items[\(index)].tokens", "is not aligned")
    }
    guard item.token_count > 0 else {
      throw .argument("items[\(index)].token_count", "is 0, or larger than memory")
    }
    return UnsafeBufferPointer(start: tokens, count: item.token_count)
  }

  private func append(
    _ items: UnsafeBufferPointer<soniq_decoder_item>, _ total: Int, _ host: HostFloatState
  ) throws(Failure) {
    let progress = Progress(function: progress, context: progressContext, host: host)
    guard progress.report(0, of: total) else { throw Self.cancelled }
    decoder.begin()
    for index in items.indices {
      let item = Decoder.Item(
        tokens: try Self.tokens(items[index], index),
        sequence: try SequenceHandle.borrow(items[index].sequence).sequence,
        rows: Decoder.Rows(constant: items[index].outputs) ?? .none)
      try advance { () throws(RuntimeError) in
        try decoder.append(item, host) { progress.report($0, of: total) }
      }
    }
    try advance { () throws(RuntimeError) in try decoder.finish(host) { progress.report($0, of: total) } }
  }

  /// Does a part of a run, which says whether the host lets it go on.
  private func advance(_ part: () throws(RuntimeError) -> Bool) throws(Failure) {
    let goesOn: Bool
    do throws(RuntimeError) { goesOn = try part() } catch {
      throw error.code == .hostParallelForFailed ? Self.cancelled : Failure(error, nodeName: model.nodeName)
    }
    guard goesOn else { throw Self.cancelled }
  }

  private static var cancelled: Failure {
    Failure(.cancelled, "the host asked to stop; the sequences are as before")
  }

  /// The logits of an item of the last run.
  func output(_ item: UInt32) throws(Failure) -> soniq_tensor {
    guard itemCount > 0 else { throw Failure(.state, "there is no output: the last run did not succeed") }
    guard item < itemCount else { throw .index(item, of: "item", count: itemCount) }
    let rows = rowCounts[Int(item)]
    guard rows > 0 else { throw Failure(.state, "item \(item) asked for no logits", field: "item") }
    var tensor = soniq_tensor()
    tensor.data = UnsafeRawPointer(decoder.logits(firstRows[Int(item)]))
    tensor.element_type = UInt32(SONIQ_FLOAT32)
    tensor.rank = 2
    tensor.dimensions.0 = Int64(rows)
    tensor.dimensions.1 = Int64(decoder.form.vocabulary)
    tensor.byte_count = 4 * rows * decoder.form.vocabulary
    return tensor
  }
}

extension Decoder.Rows {
  /// Of a SONIQ_OUTPUTS_*; nil for other values.
  init?(constant: UInt32) {
    switch Int(constant) {
    case SONIQ_OUTPUTS_LAST: self = .last
    case SONIQ_OUTPUTS_ALL: self = .all
    case SONIQ_OUTPUTS_NONE: self = .none
    default: return nil
    }
  }
}

extension DecoderOptions {
  fileprivate init(_ options: soniq_decoder_options) throws(Failure) {
    self.init()
    capacity = Int(clamping: options.capacity)
    maximumTokens = Int(options.maximum_tokens)
    maximumOutputs = Int(options.maximum_outputs)
    session.maximumInstructionSet = try instructionSetName(options.maximum_isa)
    session.parallelFor = try ParallelForHook.read(options.thread_pool)
    guard session.parallelFor == nil || options.thread_count == 0 else {
      throw .argument("thread_count", "is not 0 although there is a thread_pool")
    }
    session.threadCount = Int(options.thread_count)
    session.allocator = try AllocatorHooks.read(options.allocator)
    session.kernelProfile = try KernelProfile.read(options.kernel_profile)
  }
}
