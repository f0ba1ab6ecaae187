import SoniqCore
import SoniqQuantizers

/// Quantises one layer once its channels have their levels.
struct LayerQuantizer: Sendable {
  /// Part of the mean square of a layer's inputs that is added to every channel's.
  var damping: Float = 0.01

  struct Result {
    /// In the order of the levels; channels ascend within a run.
    var runs: [QuantizedRun]
    /// Sorted position -> input channel.
    var order: [Int]
  }

  /// * assignment: together all channels once; coarse levels first, so that fine ones make up for them.
  func quantize(
    _ layer: LinearLayer, moments: SecondMoments, assignment: [ChannelRun]
  ) throws(PackError) -> Result {
    let squares = moments.meanSquares
    let processing = assignment.flatMap { run in
      run.channels.sorted { (squares[$0], $1) > (squares[$1], $0) }
    }
    do throws(QuantizationError) {
      let quantizer = try CompensatedQuantizer(
        moments: moments, order: processing, runs: assignment.map { ($0.level, $0.channels.count) },
        damping: damping)
      guard let quantizer else {
        throw QuantizationError.invalidNumber(.secondMoments, index: 0)
      }
      let runs = try Self.borrow(layer.weights) { buffer throws(QuantizationError) in
        try quantizer.quantize(weights: buffer, outputs: layer.outputs)
      }
      return sorted(runs, processing, layer.outputs)
    } catch {
      throw PackError(.data, place: layer.name, "cannot be quantised: \(error)")
    }
  }

  /// Puts the channels of each run back into ascending order.
  private func sorted(_ runs: [QuantizedRun], _ processing: [Int], _ outputs: Int) -> Result {
    var order: [Int] = []
    var sortedRuns = runs
    for (index, run) in runs.enumerated() {
      let channels = Array(processing[order.count..<order.count + run.channels])
      let places = channels.indices.sorted { channels[$0] < channels[$1] }
      for output in 0..<outputs {
        let row = output * run.channels
        for (position, place) in places.enumerated() {
          sortedRuns[index].codes[row + position] = run.codes[row + place]
        }
      }
      order += places.map { channels[$0] }
    }
    return Result(runs: sortedRuns, order: order)
  }

  /// Plain rounding of a table at one or two levels.
  func quantize(
    _ table: TableLayer, assignment: [ChannelRun], blockLength: Int
  ) throws(PackError) -> (runs: [QuantizedTableRun], order: [Int]) {
    var runs: [QuantizedTableRun] = []
    var order: [Int] = []
    for (level, chosen) in assignment.map({ ($0.level, $0.channels) }) {
      var part = table.weights
      if chosen.count != table.channels {
        part = (0..<table.rows).flatMap { row in chosen.map { table.weights[row * table.channels + $0] } }
      }
      do throws(QuantizationError) {
        let quantizer = try TableQuantizer(code: level.weight, blockLength: blockLength)
        runs.append(
          try Self.borrow(part) { buffer throws(QuantizationError) in
            try quantizer.quantize(weights: buffer, rows: table.rows, channels: chosen.count)
          })
      } catch {
        throw PackError(.data, place: table.name, "cannot be quantised: \(error)")
      }
      order += chosen
    }
    return (runs, order)
  }

  /// `withUnsafeBufferPointer` that keeps the type of the error.
  static func borrow<Result>(
    _ array: [Float], _ body: (UnsafeBufferPointer<Float>) throws(QuantizationError) -> Result
  ) throws(QuantizationError) -> Result {
    let outcome = array.withUnsafeBufferPointer { buffer -> Swift.Result<Result, QuantizationError> in
      do throws(QuantizationError) {
        return .success(try body(buffer))
      } catch {
        return .failure(error)
      }
    }
    return try outcome.get()
  }
}
