import SoniqGraph
package import SoniqMemory

/// How a decoder works.
package struct DecoderOptions: Sendable {
  /// Threads, instruction set, memory.
  package var session = SessionOptions()
  /// Tokens that go through the model at a time; 0: 256.
  package var maximumTokens = 0
  /// Rows of logits of a call; 0: 16.
  package var maximumOutputs = 0
  /// Of the sequences; 0: the most that the model allows.
  package var capacity = 0

  package init() {}
}

/// Runs a decoder on sequences, several at once. One thread at a time.
package final class Decoder {
  /// Which positions of an item logits are wanted of.
  package enum Rows { case none, last, all }

  package let model: Model
  package let form: DecoderForm
  package let capacity: Int
  package let maximumOutputs: Int
  private let session: Session
  private let arena: MemoryArena
  private let memory: PlanMemory
  /// [maximumOutputs][vocabulary]
  private let outputs: UnsafeMutablePointer<Float>
  private let part: PartOfRun
  /// Of the part's tokens, then of its outputs.
  private let shape: UnsafeMutablePointer<Int64>
  /// Of the run: tokens done, and rows of logits.
  private var (done, keptRows) = (0, 0)

  /// Makes the plan, takes the memory and starts the threads.
  ///
  /// - Throws: `notADecoder`, and what a session throws.
  package init(_ model: Model, options: DecoderOptions) throws(RuntimeError) {
    form = try DecoderForm(model)
    self.model = model
    capacity = try form.capacity(options.capacity)
    let maximumTokens = try Self.limit(
      options.maximumTokens, 256, "maximum_tokens", most: form.tokens.maximum)
    maximumOutputs = try Self.limit(options.maximumOutputs, 16, "maximum_outputs", most: 65536)
    // Of a run of the session.
    let maximumRows = min(maximumOutputs, form.rows.maximum, maximumTokens)
    var session = options.session
    session.keepsStates = false
    session.maximums = form.maximums(capacity: capacity)
    session.maximums.append(SymbolMaximum(name: form.tokens.name, maximum: maximumTokens))
    session.maximums.append(SymbolMaximum(name: form.rows.name, maximum: maximumRows))
    self.session = try Session(model, options: session)
    arena = try MemoryArena(for: session)
    memory = PlanMemory(arena)
    let (byteCount, overflow) = (4 * form.vocabulary).multipliedReportingOverflow(by: maximumOutputs)
    guard !overflow else { throw RuntimeError(.outOfMemory, actual: .max) }
    outputs = try memory.allocate(byteCount: byteCount)
      .bindMemory(to: Float.self, capacity: form.vocabulary * maximumOutputs)
    part = try PartOfRun(maximumTokens: maximumTokens, maximumOutputs: maximumRows, memory)
    shape = try memory.store(repeating: 1, count: 3)
  }

  private static func limit(
    _ wanted: Int, _ standard: Int, _ name: String, most: Int
  ) throws(RuntimeError) -> Int {
    guard wanted <= most else {
      throw RuntimeError(.invalidOption, subject: name, actual: wanted, expected: most)
    }
    return wanted == 0 ? min(standard, most) : wanted
  }

  /// Whether tokens could be put behind a sequence now.
  ///
  /// - Throws: `capacityExceeded`, `idOutOfRange`.
  package func check(
    _ tokens: UnsafeBufferPointer<Int32>, behind sequence: Sequence
  ) throws(RuntimeError) {
    guard tokens.count <= sequence.capacity - sequence.length else {
      throw RuntimeError(
        .capacityExceeded, subject: sequence.states.list[0].name, position: sequence.length,
        actual: sequence.length &+ tokens.count, expected: sequence.capacity)
    }
    for (position, token) in tokens.enumerated()
    where UInt32(bitPattern: token) >= UInt32(form.idCount) {
      throw RuntimeError(
        .idOutOfRange, subject: model.inputs[form.ids].name, position: position, actual: Int(token),
        expected: form.idCount)
    }
  }

  /// Tokens for a sequence of the model, which has at most the positions that the decoder is made for, and of which of them
  /// logits are wanted.
  package struct Item {
    var tokens: UnsafeBufferPointer<Int32>
    var sequence: Sequence
    var rows: Rows

    package init(tokens: UnsafeBufferPointer<Int32>, sequence: Sequence, rows: Rows) {
      (self.tokens, self.sequence, self.rows) = (tokens, sequence, rows)
    }
  }

  // MARK: A run

  /// Begins a run: `append` for each item, of sequences of which none is in two, then `finish`. Logits lie in the order of
  /// the items, and there must be room for them. Nothing of it allocates. Where one throws or is stopped, some tokens may
  /// be there.
  package func begin() {
    part.clear()
    (done, keptRows) = (0, 0)
  }

  /// Puts the tokens of an item, for which `check` has passed, behind its sequence, or keeps them for `finish`, until when the
  /// caller keeps both alive.
  ///
  /// - Parameters:
  ///   - item: with at least one token.
  ///   - host: as in `Session.run`.
  ///   - goesOn: asked with the number of tokens done, behind each part of them; false stops.
  /// - Returns: false when it was stopped.
  /// - Throws: `hostParallelForFailed`, `idOutOfRange`.
  package func append(
    _ item: Item, _ host: HostFloatState?, goesOn: (Int) -> Bool
  ) throws(RuntimeError) -> Bool {
    var begin = 0
    while begin < item.tokens.count {
      begin += part.add(item, from: begin)
      let isWhole = begin == item.tokens.count && form.joinsTexts
      if isWhole { continue }
      guard try finish(host, goesOn: goesOn) else { return false }
    }
    return true
  }

  /// Runs what has not run yet.
  package func finish(_ host: HostFloatState?, goesOn: (Int) -> Bool) throws(RuntimeError) -> Bool {
    guard part.tokenCount > 0 else { return true }
    defer { forgetInputs() }
    try setInputs()
    try session.run(host, on: part)
    if part.outputCount > 0 { try keepLogits() }
    done += part.tokenCount
    return goesOn(done)
  }

  private func setInputs() throws(RuntimeError) {
    (shape[0], shape[1], shape[2]) = (1, Int64(part.tokenCount), Int64(part.outputCount))
    try session.setInput(
      form.ids, data: part.tokens, elementType: .int32, shape: shape, rank: 2, borrowing: true)
    // Without, there is the last one, which nobody reads.
    guard part.outputCount > 0 else { return try session.clearInput(form.positions) }
    try session.setInput(
      form.positions, data: part.outputs, elementType: .int32, shape: shape + 2, rank: 1, borrowing: true)
  }

  private func forgetInputs() {
    part.clear()
    try? session.clearInput(form.ids)
    try? session.clearInput(form.positions)
  }

  private func keepLogits() throws(RuntimeError) {
    let logits = try session.output(form.logits, shape: nil, capacity: 0).data
    UnsafeMutableRawPointer(outputs + keptRows * form.vocabulary)
      .copyMemory(from: logits, byteCount: 4 * form.vocabulary * part.outputCount)
    keptRows += part.outputCount
  }

  /// Logits of a row, until the next run.
  package func logits(_ row: Int) -> UnsafePointer<Float> { UnsafePointer(outputs + row * form.vocabulary) }
}
