import SoniqCore
import SoniqGraph
import SoniqQuantizers

/// What the rounding of each channel costs the model, measured: one layer at a time is rounded to the coarse
/// level, the model runs, and the error of its output is shared among the layer's channels by their part of
/// the layer's own error.
struct Sensitivity {
  /// Of each layer (linears, then tables) the gain of each channel at the fine level.
  private(set) var gains: [[Double]] = []

  private let model: ModelDescription
  private let layers: WeightLayers
  private let palette: Palette
  private let calibration: Calibration
  /// Tokens or samples of the runs: enough to rank layers.
  private static let tokenLimit = 768
  private static let sampleLimit = 8

  /// * measuresOutput: whether to run the model; without, gains are comparable within a layer only.
  init(
    _ model: ModelDescription, _ layers: WeightLayers, _ palette: Palette, _ calibration: Calibration,
    measuresOutput: Bool = true, progress: ProgressReport
  ) throws(PackError) {
    self.model = model
    self.layers = layers
    self.palette = palette
    self.calibration = calibration
    let data = calibration.data.limited(tokens: Self.tokenLimit, samples: Self.sampleLimit)
    let reference = try measuresOutput ? GraphRunner(model, data: data).outputRows() : []
    let count = layers.linears.count + layers.tables.count
    for index in 0..<count {
      let local = try localErrors(index)
      var cost = 1.0
      if measuresOutput {
        let rounded = try roundedModel(index, local.rounded, ConstantStore())
        let rows = try GraphRunner(rounded, data: data).outputRows()
        cost = OutputAgreement(reference: reference, rows: rows).relativeError
      }
      let total = local.coarse.reduce(0, +)
      gains.append(
        zip(local.coarse, local.fine).map { total > 0 ? max($0 - $1, 0) * cost / total : 0 })
      progress.step("measuring sensitivity", index + 1, count)
    }
  }

  private struct LocalErrors {
    /// Weights at the coarse level, row-major.
    var rounded: [Float]
    /// Error of each channel in the layer's output, at both levels.
    var coarse: [Double]
    var fine: [Double]
  }

  private func localErrors(_ index: Int) throws(PackError) -> LocalErrors {
    if index < layers.linears.count {
      let layer = layers.linears[index]
      let squares = calibration.layers[index].meanSquares
      return try localErrors(layer.name, layer.weights, layer.outputs, layer.inputs, layer.taps, squares)
    }
    let table = layers.tables[index - layers.linears.count]
    return try localErrors(table.name, table.weights, table.rows, table.channels, 1, nil)
  }

  private func localErrors(
    _ name: String, _ weights: [Float], _ rows: Int, _ channels: Int, _ taps: Int, _ importance: [Float]?
  ) throws(PackError) -> LocalErrors {
    var errors: [[Double]] = []
    var coarse: [Float] = []
    for level in palette.levels {
      let spread = importance.map { squares in (0..<taps).flatMap { _ in squares } }
      let rounded = try Self.rounded(name, weights, rows, channels * taps, level, spread)
      errors.append(Self.channelErrors(weights, rounded, channels, importance))
      if coarse.isEmpty { coarse = rounded }
    }
    return LocalErrors(rounded: coarse, coarse: errors[0], fine: errors[errors.count - 1])
  }

  private static func rounded(
    _ name: String, _ weights: [Float], _ rows: Int, _ channels: Int, _ level: Level, _ importance: [Float]?
  ) throws(PackError) -> [Float] {
    do throws(QuantizationError) {
      let quantizer = try MatrixQuantizer(level: level)
      let run = try LayerQuantizer.borrow(weights) { buffer throws(QuantizationError) in
        try quantizer.quantize(weights: buffer, outputs: rows, channels: channels, importance: importance)
      }
      let grid = WeightGrid(level.weight)
      return run.codes.indices.map { grid.integer(run.codes[$0]) * run.scales[$0 / channels] }
    } catch {
      throw PackError(.data, place: name, "cannot be quantised: \(error)")
    }
  }

  private static func channelErrors(
    _ weights: [Float], _ rounded: [Float], _ channels: Int, _ importance: [Float]?
  ) -> [Double] {
    var errors = [Double](repeating: 0, count: channels)
    var begin = 0
    while begin < weights.count {
      for channel in 0..<channels {
        let difference = Double(weights[begin + channel] - rounded[begin + channel])
        errors[channel] += difference * difference
      }
      begin += channels
    }
    guard let importance else { return errors }
    return zip(errors, importance).map { $0 * Double($1) }
  }

  private func roundedModel(
    _ index: Int, _ weights: [Float], _ store: ConstantStore
  ) throws(PackError) -> ModelDescription {
    var changed = model
    changed.owner.append(store)
    if index >= layers.linears.count {
      let table = layers.tables[index - layers.linears.count]
      changed.graph.constants[table.constant] = .dense(
        DenseConstant(
          elementType: .float32, shape: [table.rows, table.channels], bytes: store.store(weights)))
      return changed
    }
    let layer = layers.linears[index]
    do throws(QuantizationError) {
      let matrix = try LayerQuantizer.borrow(weights) { buffer throws(QuantizationError) in
        try store.floatMatrix(
          weights: buffer, outputs: layer.outputs, inputs: layer.inputs * layer.taps, bias: layer.bias)
      }
      changed.graph.constants[layer.constant] = .floatMatrix(matrix)
    } catch {
      throw PackError(.software, place: layer.name, "\(error)")
    }
    return changed
  }
}
