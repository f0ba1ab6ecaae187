package import SoniqGraph
package import SoniqRuntime

/// Runs a graph over calibration data: the packer calibrates and checks with the runtime that deploys.
package final class GraphRunner {
  private let session: Session
  private let keptValues: [ValueID]
  private let data: CalibrationData
  private let runs: [[InputArray]]
  private let inputs: [String: Int]
  /// Tokens or samples at a time.
  private static let maximumRows = 1024
  private static let maximumSamples = 8
  /// What the runs are for, as errors call it.
  private let purpose: String

  /// * data: what every run of this runner is over.
  /// * maximumBatch: the most sequences or samples of a run; nil: as many as the graph allows and pay.
  package init(
    _ description: ModelDescription, keptValues: [ValueID] = [], data: CalibrationData, threadCount: Int = 0,
    maximumBatch: Int? = nil, isProfiling: Bool = false, purpose: String = "calibration"
  ) throws(PackError) {
    self.keptValues = keptValues
    self.data = data
    self.purpose = purpose
    let batch = maximumBatch ?? Self.maximumBatch(description.graph, data)
    var options = Self.options(description.graph, keptValues, data, threadCount, batch)
    options.isProfiling = isProfiling
    runs = data.runs(maximumRows: Self.maximumRows, maximumBatch: batch)
    do throws(RuntimeError) {
      let model = try Model(description)
      var inputs: [String: Int] = [:]
      for (index, input) in model.inputs.enumerated() { inputs[input.name] = index }
      self.inputs = inputs
      session = try Session(model, options: options)
    } catch {
      throw Self.fault(error, purpose)
    }
  }

  private static func options(
    _ graph: Graph, _ keptValues: [ValueID], _ data: CalibrationData, _ threadCount: Int, _ batch: Int
  ) -> SessionOptions {
    var options = SessionOptions()
    options.threadCount = threadCount
    options.keptValues = keptValues
    options.maximums = maximums(graph, data, batch)
    return options
  }

  /// Bytes that the values of a runner take together; nil when they are too many to address.
  package static func workspaceSize(
    _ description: ModelDescription, keptValues: [ValueID], data: CalibrationData, maximumBatch: Int
  ) throws(PackError) -> Int? {
    let options = options(description.graph, keptValues, data, 0, maximumBatch)
    do throws(RuntimeError) {
      return try Session.workspaceSize(Model(description), options: options)
    } catch {
      if error.code == .workspaceTooLarge { return nil }
      throw fault(error, "comparison")
    }
  }

  /// The most sequences or samples of a run: not above the maximum of any symbol that counts them.
  package static func maximumBatch(_ graph: Graph, _ data: CalibrationData) -> Int {
    var most = maximumSamples
    if case .tokens(let tokens) = data {
      most = max(1, maximumRows / max(1, tokens.sequences.map(\.count).max() ?? 1))
    }
    for input in graph.inputs where input.fill == nil {
      guard case .symbol(let symbol) = graph.values[input.value].shape[0] else { continue }
      most = min(most, graph.symbols[symbol].maximum)
    }
    return max(1, most)
  }

  /// No larger than what will be run: the workspace follows.
  private static func maximums(_ graph: Graph, _ data: CalibrationData, _ batch: Int) -> [SymbolMaximum] {
    var sizes: [Int: Int] = [:]
    for input in graph.inputs where input.fill == nil {
      let value = graph.values[input.value]
      for (dimension, size) in value.shape.enumerated() {
        guard case .symbol(let symbol) = size else { continue }
        let most =
          dimension == 0
          ? data.largestRun(input: value.name, maximumBatch: batch)
          : data.largest(input: value.name, dimension: dimension)
        guard let most else { continue }
        sizes[symbol] = max(sizes[symbol] ?? 0, most)
      }
    }
    return sizes.map { symbol, size in
      SymbolMaximum(
        name: graph.symbols[symbol].name, maximum: min(size, graph.symbols[symbol].maximum))
    }
  }

  /// Runs everything. `body` receives each kept value as rows of its last dimension, run by run.
  package func run(
    progress: (Int, Int) -> Void = { _, _ in },
    _ body: (ValueID, UnsafeBufferPointer<Float>, _ shape: [Int]) -> Void
  ) throws(PackError) {
    for index in runs.indices {
      try run(index)
      for value in keptValues {
        let (floats, shape) = try keptFloats(value)
        body(value, floats, shape)
      }
      progress(index + 1, runs.count)
    }
  }

  package var runCount: Int { runs.count }

  /// What each step has cost since `resetProfile`; of a runner that profiles.
  package var profile: [ProfileEntry] { session.profile }
  package func resetProfile() { session.resetProfile() }

  /// Makes one run; `keptFloats` and `output` then tell of it.
  package func run(_ index: Int) throws(PackError) { try run(runs[index]) }

  /// What a kept float32 value was in the last run; valid until the next.
  package func keptFloats(
    _ value: ValueID
  ) throws(PackError) -> (floats: UnsafeBufferPointer<Float>, shape: [Int]) {
    let (data, shape) = try wrapped { () throws(RuntimeError) in try session.keptValue(value) }
    return (Self.floats(data, shape), shape)
  }

  /// An output of the last run as float32, whatever its type.
  package func output(_ index: Int) throws(PackError) -> (numbers: [Float], shape: [Int]) {
    try wrapped { () throws(RuntimeError) in try session.outputNumbers(index) }
  }

  /// How many samples a run has; 1 where that is not known.
  package func sampleCount(ofRun index: Int) -> Int {
    if case .samples(let samples) = data, samples.areWholeRuns { return 1 }
    return max(1, runs[index].first?.shape.first ?? 1)
  }

  /// What the first output is compared by: for tokens one row for every last dimension (a sequence for pooled outputs,
  /// a position otherwise), for samples one row each; in an order that depends on the data only.
  package func outputRows() throws(PackError) -> [[Float]] {
    var rows: [[Float]] = []
    for arrays in runs {
      try run(arrays)
      let (floats, shape) = try output(0)
      var length = max(1, shape.last ?? 1)
      if case .samples(let samples) = self.data, samples.count > 0 {
        // What inputs of a whole run share is not known: its output is one row.
        let batch = samples.areWholeRuns ? 1 : arrays.first?.shape.first ?? 1
        if batch > 0, floats.count % batch == 0 { length = max(1, floats.count / batch) }
      }
      var begin = 0
      while begin + length <= floats.count {
        rows.append(Array(floats[begin..<begin + length]))
        begin += length
      }
    }
    return rows
  }

  private func run(_ arrays: [InputArray]) throws(PackError) {
    try wrapped { () throws(RuntimeError) in
      for array in arrays {
        guard let index = inputs[array.name] else { throw RuntimeError(.noSuchInput, subject: array.name) }
        try Self.set(session, index, array)
      }
      // Samples know nothing of each other.
      session.states.reset()
      try session.run()
    }
  }

  private static func set(_ session: Session, _ index: Int, _ array: InputArray) throws(RuntimeError) {
    let outcome = array.bytes.withUnsafeBytes { data -> Result<Void, RuntimeError> in
      do throws(RuntimeError) {
        return .success(
          try session.setInput(
            index, data: data.baseAddress, elementType: HostElementType(array.elementType),
            shape: array.shape.map { Int64($0) },
            rank: array.shape.count))
      } catch {
        return .failure(error)
      }
    }
    try outcome.get()
  }

  private static func floats(_ data: UnsafeRawPointer, _ shape: [Int]) -> UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(start: data.assumingMemoryBound(to: Float.self), count: shape.reduce(1, *))
  }

  private func wrapped<Result>(_ body: () throws(RuntimeError) -> Result) throws(PackError) -> Result {
    do throws(RuntimeError) {
      return try body()
    } catch {
      throw Self.fault(error, purpose)
    }
  }

  private static func fault(_ error: RuntimeError, _ purpose: String) -> PackError {
    PackError(kind(of: error.code), place: purpose, error.message)
  }

  /// What is to blame: the environment, the samples (nobody reads their numbers before they are run), the machine, or
  /// the packer.
  private static func kind(of code: RuntimeError.Code) -> PackError.Kind {
    switch code {
    case .unknownInstructionSet: .usage
    case .idOutOfRange, .numberOutOfRange, .dimensionConflict, .dimensionTooLarge, .dimensionNotPlanned,
      .sizesTooLarge,
      .wrongDimension, .sizeOutOfRange, .sizesDiffer, .sliceOutOfRange:
      .data
    case .outOfMemory, .workspaceTooLarge, .threadFailed: .system
    default: .software
    }
  }
}
