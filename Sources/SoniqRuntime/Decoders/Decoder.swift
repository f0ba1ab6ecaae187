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

/// Runs a decoder on sequences, one after the other. One thread at a time.
package final class Decoder {
  /// Which positions of an item logits are wanted of.
  package enum Rows { case none, last, all }

  package let model: Model
  package let form: DecoderForm
  package let capacity: Int
  package let maximumOutputs: Int
  private let maximumTokens: Int
  /// Rows of logits of a run of the session.
  private let maximumRows: Int
  private let session: Session
  private let arena: MemoryArena
  private let memory: PlanMemory
  /// [maximumOutputs][vocabulary]
  private let outputs: UnsafeMutablePointer<Float>
  /// 0, 1, 2, ...
  private let positions: UnsafePointer<Int32>
  private let shape: UnsafeMutablePointer<Int64>

  /// Makes the plan, takes the memory and starts the threads.
  ///
  /// - Throws: `notADecoder`, and what a session throws.
  package init(_ model: Model, options: DecoderOptions) throws(RuntimeError) {
    form = try DecoderForm(model)
    self.model = model
    capacity = try form.capacity(options.capacity)
    maximumTokens = try Self.limit(options.maximumTokens, 256, "maximum_tokens", most: form.tokens.maximum)
    maximumOutputs = try Self.limit(options.maximumOutputs, 16, "maximum_outputs", most: 65536)
    maximumRows = min(maximumOutputs, form.rows.maximum, maximumTokens)
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
    positions = UnsafePointer(try memory.store((0..<maximumRows).map { Int32($0) }))
    shape = try memory.store(repeating: 1, count: 2)
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

  /// Puts tokens behind a sequence for which `check` has passed. Allocates nothing. Where it throws, some of them may be
  /// there.
  ///
  /// - Parameters:
  ///   - tokens: at least one.
  ///   - sequence: of the same model, with at most the positions that this decoder is made for.
  ///   - rows: of which of them logits are wanted.
  ///   - first: the first row of the outputs that they go to; there is room.
  ///   - host: as in `Session.run`.
  ///   - goesOn: asked with the number of tokens done, behind each part of them; false stops.
  /// - Returns: false when it was stopped.
  /// - Throws: `hostParallelForFailed`, `idOutOfRange`.
  package func append(
    _ tokens: UnsafeBufferPointer<Int32>, to sequence: Sequence, _ rows: Rows, first: Int,
    _ host: HostFloatState?, goesOn: (Int) -> Bool
  ) throws(RuntimeError) -> Bool {
    defer { forgetInputs() }
    var done = 0
    while done < tokens.count {
      let count = min(rows == .all ? maximumRows : maximumTokens, tokens.count - done)
      try setInputs(tokens, done..<done + count, rows)
      try session.run(host, on: sequence.states)
      done += count
      switch rows {
      case .all: try keepLogits(count, at: first + done - count)
      case .last where done == tokens.count: try keepLogits(1, at: first)
      case .last, .none: break
      }
      guard goesOn(done) else { return false }
    }
    return true
  }

  private func setInputs(
    _ tokens: UnsafeBufferPointer<Int32>, _ range: Range<Int>, _ rows: Rows
  ) throws(RuntimeError) {
    shape[0] = 1
    shape[1] = Int64(range.count)
    try session.setInput(
      form.ids, data: tokens.baseAddress.map { UnsafeRawPointer($0 + range.lowerBound) },
      elementType: .int32, shape: shape, rank: 2, borrowing: true)
    // Without, there is the last one.
    guard rows == .all else { return try session.clearInput(form.positions) }
    try session.setInput(
      form.positions, data: positions, elementType: .int32, shape: shape + 1, rank: 1, borrowing: true)
  }

  private func forgetInputs() {
    try? session.clearInput(form.ids)
    try? session.clearInput(form.positions)
  }

  private func keepLogits(_ count: Int, at row: Int) throws(RuntimeError) {
    let logits = try session.output(form.logits, shape: nil, capacity: 0).data
    UnsafeMutableRawPointer(outputs + row * form.vocabulary)
      .copyMemory(from: logits, byteCount: 4 * form.vocabulary * count)
  }

  /// Logits of a row, until the next run.
  package func logits(_ row: Int) -> UnsafePointer<Float> { UnsafePointer(outputs + row * form.vocabulary) }
}
