import SoniqCore
import SoniqGraph
import SoniqQuantizers

/// Quantises one layer once its channels have their levels.
struct LayerQuantizer: Sendable {
  /// Part of the mean square of a layer's inputs that is added to every channel's.
  var damping: Float = 0.01
  /// Of 8-bit weights.
  var range = WeightRange.whole
  /// Whether the weights that are rounded later make up for the errors of those before.
  var compensates = true

  struct Result {
    /// In the order of the levels; channels ascend within a run.
    var runs: [QuantizedRun]
    /// Sorted position -> input channel.
    var order: [Int]
  }

  /// * input: what the layer multiplied during calibration.
  /// * assignment: together all channels once; coarse levels first, so that fine ones make up for them.
  func quantize(
    _ layer: LinearLayer, _ input: Calibration.Input, assignment: [ChannelRun]
  ) throws(PackError) -> Result {
    do throws(QuantizationError) {
      if compensates, let moments = input.moments { return try compensated(layer, moments, assignment) }
      return try plain(layer, input.meanSquares, assignment)
    } catch {
      throw PackError(.data, place: layer.name, "cannot be quantised: \(error)")
    }
  }

  /// Places of a run's weights among the inputs of an output, [tap][channel].
  private func places(_ channels: [Int], _ layer: LinearLayer) -> [Int] {
    (0..<layer.taps).flatMap { tap in channels.map { tap * layer.inputs + $0 } }
  }

  private func compensated(
    _ layer: LinearLayer, _ moments: SecondMoments, _ assignment: [ChannelRun]
  ) throws(QuantizationError) -> Result {
    let squares = moments.meanSquares
    let processing = assignment.flatMap { run in
      places(run.channels, layer).sorted { (squares[$0], $1) > (squares[$1], $0) }
    }
    let quantizer = try CompensatedQuantizer(
      moments: moments, order: processing,
      runs: assignment.map { ($0.level, $0.channels.count * layer.taps) }, damping: damping, range: range)
    guard let quantizer else { throw QuantizationError.invalidNumber(.secondMoments, index: 0) }
    let runs = try Self.borrow(layer.weights) { buffer throws(QuantizationError) in
      try quantizer.quantize(weights: buffer, outputs: layer.outputs)
    }
    return sorted(runs, processing, layer)
  }

  /// Puts the channels of each run back into ascending order, tap by tap.
  private func sorted(_ runs: [QuantizedRun], _ processing: [Int], _ layer: LinearLayer) -> Result {
    var order: [Int] = []
    var sortedRuns = runs
    var begin = 0
    for (index, run) in runs.enumerated() {
      let inputs = Array(processing[begin..<begin + run.channels])
      let positions = inputs.indices.sorted { inputs[$0] < inputs[$1] }
      for output in 0..<layer.outputs {
        let row = output * run.channels
        for (position, place) in positions.enumerated() {
          sortedRuns[index].codes[row + position] = run.codes[row + place]
        }
      }
      let count = run.channels / layer.taps
      sortedRuns[index].channels = count
      sortedRuns[index].taps = layer.taps
      order += positions.prefix(count).map { inputs[$0] }
      begin += run.channels
    }
    return Result(runs: sortedRuns, order: order)
  }

  /// Nearest codes, for layers of so many inputs that compensation would not pay.
  private func plain(
    _ layer: LinearLayer, _ meanSquares: [Float], _ assignment: [ChannelRun]
  ) throws(QuantizationError) -> Result {
    var runs: [QuantizedRun] = []
    let inputs = layer.inputs * layer.taps
    for run in assignment {
      let places = places(run.channels, layer)
      var part = layer.weights
      if places.count != inputs {
        part = (0..<layer.outputs).flatMap { output in places.map { layer.weights[output * inputs + $0] } }
      }
      let quantizer = try MatrixQuantizer(level: run.level, range: range)
      var quantized = try Self.borrow(part) { buffer throws(QuantizationError) in
        try quantizer.quantize(
          weights: buffer, outputs: layer.outputs, channels: places.count,
          importance: places.map { meanSquares[$0 % layer.inputs] })
      }
      quantized.channels = run.channels.count
      quantized.taps = layer.taps
      runs.append(quantized)
    }
    return Result(runs: runs, order: assignment.flatMap(\.channels))
  }

  /// Integers and scales of a depthwise convolution, nearest codes of 8 bits.
  func quantize(
    _ layer: DepthwiseLayer, activation: ActivationCode, store: ConstantStore
  ) throws(PackError) -> PackedDepthwise {
    let level = Level(weight: .symmetric(8), activation: activation)
    var rows = [Float](repeating: 0, count: layer.weights.count)
    for tap in 0..<layer.taps {
      for channel in 0..<layer.channels {
        rows[channel * layer.taps + tap] = layer.weights[tap * layer.channels + channel]
      }
    }
    do throws(QuantizationError) {
      let quantizer = try MatrixQuantizer(level: level, range: range)
      let run = try Self.borrow(rows) { buffer throws(QuantizationError) in
        try quantizer.quantize(weights: buffer, outputs: layer.channels, channels: layer.taps)
      }
      let padded = (layer.channels + 15) / 16 * 16
      var integers = [Int8](repeating: 0, count: layer.taps * padded)
      for channel in 0..<layer.channels {
        for tap in 0..<layer.taps {
          integers[tap * padded + channel] = Int8(
            truncatingIfNeeded: level.weight.integer(Int(run.codes[channel * layer.taps + tap])))
        }
      }
      return PackedDepthwise(
        channels: layer.channels, taps: layer.taps, level: level, weights: store.store(integers),
        scales: store.store(run.scales, paddedTo: padded))
    } catch {
      throw PackError(.data, place: layer.name, "cannot be quantised: \(error)")
    }
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
