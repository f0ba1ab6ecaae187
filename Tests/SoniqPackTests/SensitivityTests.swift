import SoniqCore
import SoniqGraph
import SoniqQuantizers
import SoniqTestSupport
import Testing

@testable import SoniqPack

@Suite struct SensitivityTests {
  fileprivate struct Fixture {
    let model: ModelDescription
    let layers: WeightLayers
    let calibration: Calibration
    let palette: Palette

    init(_ checkpoint: TinyCheckpoint, palette: String) throws {
      let imported = try FolderImporter.importModel(path: checkpoint.path)
      model = imported.description
      layers = try WeightLayers(model.graph)
      let tokens = TokenSequences.random(framing: try #require(imported.framing), count: 6)
      calibration = try Calibration.run(model, layers, data: .tokens(tokens), progress: .silent)
      self.palette = try Palette(palette)
    }

    func gains(measuresOutput: Bool) throws -> [[Double]] {
      try Sensitivity(
        model, layers, palette, calibration, measuresOutput: measuresOutput, progress: .silent
      ).gains
    }

    var names: [String] { layers.linears.map(\.name) + layers.tables.map(\.name) }

    /// Weights, rows, channels and mean squares of a layer or table.
    func part(_ index: Int) -> (weights: [Float], rows: Int, channels: Int, squares: [Float]?) {
      if index < layers.linears.count {
        let layer = layers.linears[index]
        return (layer.weights, layer.outputs, layer.inputs, calibration.layers[index].meanSquares)
      }
      let table = layers.tables[index - layers.linears.count]
      return (table.weights, table.rows, table.channels, nil)
    }

    /// What rounding to a level costs each channel in the layer's own outputs.
    func errors(_ index: Int, _ level: Level) throws -> [Double] {
      let (weights, rows, channels, squares) = part(index)
      let run = try weights.withUnsafeBufferPointer {
        try MatrixQuantizer(level: level).quantize(
          weights: $0, outputs: rows, channels: channels, importance: squares)
      }
      return (0..<channels).map { channel in
        (0..<rows).reduce(0.0) { sum, row in
          let integer = level.weight.integer(Int(run.codes[row * channels + channel]))
          let difference = Double(weights[row * channels + channel] - run.scales[row] * Float(integer))
          return sum + difference * difference
        } * Double(squares?[channel] ?? 1)
      }
    }
  }

  /// Within a layer: what the fine level takes off each channel's error, as a part of the layer's error.
  @Test func channelsShareTheErrorOfTheirLayer() throws {
    let fixture = try Fixture(TinyCheckpoint(), palette: "2,8")
    let gains = try fixture.gains(measuresOutput: false)
    #expect(gains.count == fixture.names.count && gains.count > 8)
    for (index, got) in gains.enumerated() {
      let coarse = try fixture.errors(index, fixture.palette.levels[0])
      let fine = try fixture.errors(index, fixture.palette.levels[1])
      let total = coarse.reduce(0, +)
      #expect(got.count == coarse.count)
      for (channel, gain) in got.enumerated() {
        let wanted = max(0, coarse[channel] - fine[channel]) / total
        #expect(abs(gain - wanted) < 1e-6, "\(fixture.names[index]), channel \(channel): \(gain), \(wanted)")
      }
      #expect((0.9...1).contains(got.reduce(0, +)), "\(fixture.names[index]): 2 bits against 8")
    }
  }

  /// Measured, every channel of a layer counts as much more as rounding the layer alone moves the outputs.
  @Test func layersCountByWhatTheyDoToTheOutput() throws {
    let fixture = try Fixture(TinyCheckpoint(), palette: "2,8")
    let within = try fixture.gains(measuresOutput: false)
    let measured = try fixture.gains(measuresOutput: true)
    let reference = try GraphRunner(fixture.model, data: fixture.calibration.data).outputRows()
    for (index, name) in fixture.names.enumerated() {
      let cost = measured[index].reduce(0, +) / within[index].reduce(0, +)
      for (left, right) in zip(measured[index], within[index]) {
        #expect(abs(left - right * cost) <= 1e-9 * cost, "\(name)")
      }
      guard index < fixture.layers.linears.count else { continue }
      let rows = try GraphRunner(fixture.rounded(index), data: fixture.calibration.data).outputRows()
      let wanted = OutputAgreement(reference: reference, rows: rows).relativeError
      #expect(wanted > 0 && abs(cost - wanted) < 1e-3 * wanted, "\(name): \(cost), \(wanted)")
    }
  }

  /// What the next layer multiplies by nothing cannot hurt.
  @Test func layersThatNobodySeesGainNothing() throws {
    let name = "encoder.layer.1.output.dense.weight"
    let checkpoint = try TinyCheckpoint { tensors, _ in
      guard let tensor = tensors[name] else { return }
      tensors[name]?.bytes = [UInt8](repeating: 0, count: tensor.bytes.count)
    }
    let fixture = try Fixture(checkpoint, palette: "2,8")
    let gains = try fixture.gains(measuresOutput: true)
    for (index, layer) in fixture.names.enumerated() {
      let isUnseen = layer.contains("layer.1.intermediate") || layer.contains("layer.1.output.dense")
      #expect(gains[index].allSatisfy { $0.isFinite && $0 >= 0 })
      #expect((gains[index].reduce(0, +) < 1e-12) == isUnseen, "\(layer): \(gains[index].reduce(0, +))")
    }
  }

  /// Weights on the coarse grid have nothing to gain.
  @Test func exactLayersGainNothing() throws {
    let name = "encoder.layer.0.intermediate.dense.weight"
    let checkpoint = try TinyCheckpoint { tensors, _ in
      guard let tensor = tensors[name] else { return }
      let numbers = (0..<tensor.bytes.count / 4).map { Float(2 * ($0 * 7 % 4) - 3) / 16 }
      tensors[name]?.bytes = TinyCheckpoint.floats(numbers)
    }
    let fixture = try Fixture(checkpoint, palette: "2,8")
    let index = try #require(fixture.names.firstIndex { $0.contains("layer.0.intermediate") })
    #expect(try fixture.gains(measuresOutput: true)[index].allSatisfy { $0 == 0 })
  }
}

extension SensitivityTests.Fixture {
  /// The model with one linear layer at the coarse level.
  fileprivate func rounded(_ index: Int) throws -> ModelDescription {
    let layer = layers.linears[index]
    let level = palette.levels[0]
    let run = try layer.weights.withUnsafeBufferPointer {
      try MatrixQuantizer(level: level).quantize(
        weights: $0, outputs: layer.outputs, channels: layer.inputs,
        importance: calibration.layers[index].meanSquares)
    }
    let weights = run.codes.indices.map {
      run.scales[$0 / layer.inputs] * Float(level.weight.integer(Int(run.codes[$0])))
    }
    let store = ConstantStore()
    var changed = model
    changed.owner.append(store)
    changed.graph.constants[layer.constant] = .floatMatrix(
      try weights.withUnsafeBufferPointer {
        try store.floatMatrix(weights: $0, outputs: layer.outputs, inputs: layer.inputs, bias: layer.bias)
      })
    return changed
  }
}
