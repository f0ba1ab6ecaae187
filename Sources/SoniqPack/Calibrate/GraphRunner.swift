package import SoniqGraph
import SoniqRuntime

/// Runs a graph over token sequences: the packer calibrates and checks with the runtime that deploys.
package final class GraphRunner {
  private let session: Session
  private let idsInput: Int
  private let keptValues: [ValueID]
  private static let maximumRows = 1024
  private let maximumBatch: Int

  /// * longest: positions of the longest sequence that will be run.
  package init(
    _ description: ModelDescription, keptValues: [ValueID] = [], longest: Int, threadCount: Int = 0
  ) throws(PackError) {
    self.keptValues = keptValues
    let batchLimit = description.graph.symbols.first { $0.name == "batch" }?.maximum ?? 1
    maximumBatch = max(1, min(batchLimit, Self.maximumRows / max(longest, 1)))
    do throws(RuntimeError) {
      let model = try Model(description)
      guard let index = model.inputs.firstIndex(where: { $0.name == "input_ids" }) else {
        throw RuntimeError(.noSuchInput)
      }
      idsInput = index
      var options = SessionOptions()
      options.threadCount = threadCount
      options.keptValues = keptValues
      options.maximums = [
        SymbolMaximum(name: "batch", maximum: maximumBatch),
        SymbolMaximum(name: "sequence", maximum: longest),
      ]
      session = try Session(model, options: options)
    } catch {
      throw PackError(.software, place: "calibration", error.message)
    }
  }

  /// Runs every sequence. `body` receives each kept value as rows of its last dimension, batch by batch.
  package func run(
    _ tokens: TokenSequences, progress: (Int, Int) -> Void = { _, _ in },
    _ body: (ValueID, UnsafeBufferPointer<Float>, _ channels: Int) -> Void
  ) throws(PackError) {
    let batches = tokens.batches(maximumRows: Self.maximumRows, maximumBatch: maximumBatch)
    for (index, batch) in batches.enumerated() {
      try run(batch)
      for value in keptValues {
        let (data, shape) = try wrapped { () throws(RuntimeError) in try session.keptValue(value) }
        hand(value, data, shape, to: body)
      }
      progress(index + 1, batches.count)
    }
  }

  /// The rows of graph output `output` for every sequence: one row a sequence for pooled outputs, one a
  /// position otherwise; in an order that depends on the sequences only.
  package func rows(of output: Int, _ tokens: TokenSequences) throws(PackError) -> [[Float]] {
    var rows: [[Float]] = []
    for batch in tokens.batches(maximumRows: Self.maximumRows, maximumBatch: maximumBatch) {
      try run(batch)
      let (data, shape) = try wrapped { () throws(RuntimeError) in try session.output(output) }
      hand(output, data, shape) { _, values, channels in
        var begin = 0
        while begin + channels <= values.count {
          rows.append(Array(values[begin..<begin + channels]))
          begin += channels
        }
      }
    }
    return rows
  }

  private func run(_ batch: [[Int32]]) throws(PackError) {
    let ids = batch.flatMap { $0 }
    let shape = [Int64(batch.count), Int64(batch.first?.count ?? 0)]
    try wrapped { () throws(RuntimeError) in
      try session.setInput(idsInput, data: ids, elementType: .int32, shape: shape, rank: 2)
      try session.run()
    }
  }

  private func hand(
    _ value: ValueID, _ data: UnsafeRawPointer, _ shape: [Int],
    to body: (ValueID, UnsafeBufferPointer<Float>, Int) -> Void
  ) {
    let count = shape.reduce(1, *)
    let floats = UnsafeBufferPointer(start: data.assumingMemoryBound(to: Float.self), count: count)
    body(value, floats, max(1, shape.last ?? 1))
  }

  private func wrapped<Result>(_ body: () throws(RuntimeError) -> Result) throws(PackError) -> Result {
    do throws(RuntimeError) {
      return try body()
    } catch {
      throw PackError(.software, place: "calibration", error.message)
    }
  }
}
