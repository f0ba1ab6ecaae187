package import SoniqGraph
package import SoniqQuantizers

/// What the float model does on the calibration data.
package struct Calibration: Sendable {
  /// What a linear layer, or a group of a convolution, multiplies.
  package struct Input: Sendable {
    /// Of [taps][channels]; nil when these are too many to pay.
    package var moments: SecondMoments?
    /// The mean square of each channel.
    package private(set) var meanSquares: [Float]
    /// The largest |x| of each channel.
    package private(set) var largest: [Float]
    private var squares: [Double]
    private var rowCount = 0

    init(channels: Int, taps: Int) {
      let inputs = channels * taps
      moments = inputs <= Calibration.mostCompensated ? SecondMoments(channels: inputs) : nil
      largest = [Float](repeating: 0, count: channels)
      meanSquares = largest
      squares = [Double](repeating: 0, count: channels)
    }

    /// * rows: `count` rows `stride` floats apart.
    mutating func add(_ rows: UnsafePointer<Float>, count: Int, stride: Int) {
      let channels = largest.count
      for row in 0..<count {
        let start = rows + row * stride
        for channel in 0..<channels {
          let number = start[channel]
          largest[channel] = max(largest[channel], abs(number))
          squares[channel] += Double(number) * Double(number)
        }
      }
      rowCount += count
      for channel in 0..<channels {
        meanSquares[channel] = Float(squares[channel] / Double(max(1, rowCount)))
      }
    }
  }

  /// The most inputs of a layer, taps counted, whose rounding errors are compensated.
  static let mostCompensated = 1536
  /// Windows of a convolution that its moments are made of, of each run.
  private static let windowsOfRun = 2048

  /// By linear layer.
  package private(set) var layers: [Input] = []
  /// By the values that a layer with fixed scales multiplies, more than one where nodes share its weights.
  package private(set) var samples: [[ValueID]: ActivationSample] = [:]
  package let data: CalibrationData

  /// Runs the float model once.
  package static func run(
    _ model: ModelDescription, _ layers: WeightLayers, data: CalibrationData, progress: ProgressReport
  ) throws(PackError) -> Calibration {
    let runner = try GraphRunner(model, keptValues: layers.inputs, data: data)
    var calibration = Calibration(data: data)
    calibration.layers = layers.linears.map { Input(channels: $0.inputs, taps: $0.taps) }
    for layer in layers.linears where layer.isStatic {
      calibration.samples[layer.inputValues] = ActivationSample()
    }
    for layer in layers.depthwise {
      calibration.samples[layer.inputValues] = ActivationSample(channels: layer.channels)
    }
    let sampled = Array(calibration.samples.keys)
    var readers: [ValueID: [(layer: Int, use: LayerUse)]] = [:]
    for (index, layer) in layers.linears.enumerated() {
      for use in layer.uses { readers[use.input, default: []].append((index, use)) }
    }
    try runner.run(progress: { progress.step("calibrating", $0, $1) }) { value, floats, shape in
      for values in sampled where values.contains(value) { calibration.samples[values]?.add(floats) }
      for reader in readers[value] ?? [] {
        calibration.add(floats, shape, to: reader.layer, layers.linears[reader.layer], reader.use)
      }
    }
    try calibration.requireFinite(model.graph, layers)
    return calibration
  }

  private init(data: CalibrationData) { self.data = data }

  private mutating func add(
    _ floats: UnsafeBufferPointer<Float>, _ shape: [Int], to index: Int, _ layer: LinearLayer,
    _ use: LayerUse
  ) {
    guard let base = floats.baseAddress, let stride = shape.last, stride > 0 else { return }
    let count = floats.count / stride
    layers[index].add(base + use.firstChannel, count: count, stride: stride)
    guard let window = use.window else {
      layers[index].moments?.add(rows: base, count: count)
      return
    }
    guard layers[index].moments != nil else { return }
    let windows = WindowSample(window, shape: shape, firstChannel: use.firstChannel, channels: layer.inputs)
    let rows = windows.rows(floats, atMost: Self.windowsOfRun)
    rows.withUnsafeBufferPointer { rows in
      guard let start = rows.baseAddress else { return }
      layers[index].moments?.add(rows: start, count: rows.count / (layer.inputs * layer.taps))
    }
  }

  private func requireFinite(_ graph: Graph, _ weights: WeightLayers) throws(PackError) {
    for (layer, input) in zip(weights.linears, layers) where !input.meanSquares.allSatisfy(\.isFinite) {
      throw PackError(
        .data, place: "value \(graph.values[layer.input].name)", "is not finite on the calibration data")
    }
    for (values, sample) in samples where !sample.isFinite {
      let names = values.map { graph.values[$0].name }.joined(separator: ", ")
      throw PackError(.data, place: "value \(names)", "is not finite on the calibration data")
    }
  }
}

/// Windows of an image batch as rows [taps][channels], evenly picked.
private struct WindowSample {
  private let window: Window
  private let shape: [Int]
  private let firstChannel: Int
  private let channels: Int

  init(_ window: Window, shape: [Int], firstChannel: Int, channels: Int) {
    self.window = window
    self.shape = shape
    self.firstChannel = firstChannel
    self.channels = channels
  }

  func rows(_ floats: UnsafeBufferPointer<Float>, atMost limit: Int) -> [Float] {
    let (height, width) = (window.outputHeight(shape[1]), window.outputWidth(shape[2]))
    let count = shape[0] * height * width
    let taken = min(count, limit)
    var rows: [Float] = []
    rows.reserveCapacity(taken * window.taps * channels)
    for index in 0..<taken {
      let pixel = index * count / taken
      let (image, row, column) = (pixel / width / height, pixel / width % height, pixel % width)
      for tap in 0..<window.taps {
        let y = row * window.strideHeight + tap / window.width * window.dilationHeight - window.top
        let x = column * window.strideWidth + tap % window.width * window.dilationWidth - window.left
        if (0..<shape[1]).contains(y), (0..<shape[2]).contains(x) {
          let start = ((image * shape[1] + y) * shape[2] + x) * shape[3] + firstChannel
          rows += floats[start..<start + channels]
        } else {
          rows += repeatElement(0, count: channels)
        }
      }
    }
    return rows
  }
}
