import SoniqCore
import SoniqGraph
import SoniqQuantizers
import SoniqTestSupport
import Testing

@testable import SoniqPack

@Suite struct LayerQuantizerTests {
  private static let coarse = Level(
    weight: .bipolar(3), activation: ActivationCode(kind: .affine, bits: 8))
  private static let fine = Level(
    weight: .symmetric(8), activation: ActivationCode(kind: .affine, bits: 8))

  private static func layer(
    outputs: Int, inputs: Int, window: Window? = nil, using generator: inout SeededGenerator
  ) -> LinearLayer {
    let taps = window?.taps ?? 1
    return LinearLayer(
      node: 0, constant: 0, name: "layer", outputs: outputs, inputs: inputs, window: window,
      weights: (0..<outputs * taps * inputs).map { _ in Float.random(in: -1...1, using: &generator) },
      bias: nil, input: 0)
  }

  /// What a layer saw: rows of [taps][channels] in which neighbours go together.
  private static func input(
    _ layer: LinearLayer, count: Int = 200, using generator: inout SeededGenerator
  ) -> (input: Calibration.Input, rows: [[Float]]) {
    var input = Calibration.Input(channels: layer.inputs, taps: layer.taps)
    let rows = (0..<count).map { _ -> [Float] in
      var level: Float = 0
      return (0..<layer.inputs * layer.taps).map { _ in
        level = 0.8 * level + Float.random(in: -1...1, using: &generator)
        return level
      }
    }
    rows.flatMap { $0 }.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      input.moments?.add(rows: base, count: count)
      input.add(base, count: count, stride: layer.inputs * layer.taps)
    }
    return (input, rows)
  }

  /// [outputs][taps][inputs] that the codes stand for.
  private static func values(_ result: LayerQuantizer.Result, _ layer: LinearLayer) -> [Float] {
    var values = [Float](repeating: .nan, count: layer.weights.count)
    var begin = 0
    for run in result.runs {
      for index in run.codes.indices {
        let (output, place) = (index / (run.taps * run.channels), index % (run.taps * run.channels))
        let channel = result.order[begin + place % run.channels]
        values[(output * layer.taps + place / run.channels) * layer.inputs + channel] =
          run.scales[output] * Float(run.level.weight.integer(Int(run.codes[index])))
      }
      begin += run.channels
    }
    return values
  }

  /// The squared error of the outputs on rows.
  private static func error(_ values: [Float], _ layer: LinearLayer, _ rows: [[Float]]) -> Double {
    let width = layer.inputs * layer.taps
    var sum = 0.0
    for row in rows {
      for output in 0..<layer.outputs {
        let difference = (0..<width).reduce(0.0) {
          $0 + Double(values[output * width + $1] - layer.weights[output * width + $1]) * Double(row[$1])
        }
        sum += difference * difference
      }
    }
    return sum
  }

  /// Compensated or not, with windows or not: every code stands for the weight at its place.
  @Test(arguments: UInt64(7800)..<7812) func codesStayAtTheirPlaces(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let window = seed % 3 == 0 ? Window(height: 2, width: 3) : nil
    let layer = Self.layer(
      outputs: Int.random(in: 1...20, using: &generator), inputs: Int.random(in: 2...12, using: &generator),
      window: window, using: &generator)
    var (input, _) = Self.input(layer, using: &generator)
    if seed % 2 == 0 { input.moments = nil }
    let half = Int.random(in: 0..<layer.inputs, using: &generator)
    let shuffled = (0..<layer.inputs).shuffled(using: &generator)
    let assignment = ChannelRun.split(
      coarse: Self.fine, fine: Level(weight: .symmetric(7), activation: Self.fine.activation),
      fineChannels: Array(shuffled.prefix(half)), count: layer.inputs)
    let result = try LayerQuantizer().quantize(layer, input, assignment: assignment)
    #expect(result.order == assignment.flatMap(\.channels), "seed \(seed)")
    #expect(result.runs.map(\.channels) == assignment.map(\.channels.count))
    #expect(result.runs.allSatisfy { $0.taps == layer.taps })
    let values = Self.values(result, layer)
    // A step of 7 bits is 1/64; what compensation moves is a few of these.
    for (value, weight) in zip(values, layer.weights) {
      #expect(abs(value - weight) < 0.12, "seed \(seed): \(value) for \(weight)")
    }
  }

  @Test(arguments: UInt64(7850)..<7856) func momentsMakeOutputsCloser(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let window = seed % 2 == 0 ? Window(height: 1, width: 3) : nil
    let layer = Self.layer(outputs: 24, inputs: 16, window: window, using: &generator)
    var (input, rows) = Self.input(layer, using: &generator)
    for assignment in [
      ChannelRun.whole(Self.coarse, count: 16),
      ChannelRun.split(coarse: Self.coarse, fine: Self.fine, fineChannels: [1, 4, 7, 13], count: 16),
    ] {
      let compensated = Self.values(
        try LayerQuantizer().quantize(layer, input, assignment: assignment), layer)
      let moments = input.moments
      input.moments = nil
      let rounded = Self.values(try LayerQuantizer().quantize(layer, input, assignment: assignment), layer)
      input.moments = moments
      let (better, worse) = (Self.error(compensated, layer, rows), Self.error(rounded, layer, rows))
      #expect(better < 0.8 * worse, "seed \(seed): \(better) compensated, \(worse) rounded")
    }
  }

  /// Up to so many inputs, taps counted, errors are compensated; beyond, weights are rounded.
  @Test func compensationEndsAtItsBorder() throws {
    #expect(Calibration.mostCompensated == 1536)
    for (channels, taps, isCompensated) in [
      (1536, 1, true), (1537, 1, false), (170, 9, true), (171, 9, false), (1, 1536, true), (1, 1537, false),
    ] {
      let moments = Calibration.Input(channels: channels, taps: taps).moments
      #expect((moments != nil) == isCompensated, "\(channels) channels, \(taps) taps")
      #expect(moments.map { $0.channels == channels * taps } ?? true)
    }
    var generator = SeededGenerator(seed: 7890)
    let wide = Self.layer(outputs: 3, inputs: 1537, using: &generator)
    let (input, _) = Self.input(wide, count: 5, using: &generator)
    let result = try LayerQuantizer().quantize(
      wide, input, assignment: ChannelRun.whole(Self.coarse, count: 1537))
    let rounded = try wide.weights.withUnsafeBufferPointer {
      try MatrixQuantizer(level: Self.coarse).quantize(
        weights: $0, outputs: 3, channels: 1537, importance: input.meanSquares)
    }
    #expect(result.runs == [rounded])
  }

  @Test func inputsAddUp() {
    var input = Calibration.Input(channels: 2, taps: 1)
    // Rows of 3 floats, of which the layer reads the last two.
    let rows: [Float] = [9, 1, -2, 9, 3, 0, 9, -5, 4]
    rows.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      input.add(base + 1, count: 1, stride: 3)
      input.add(base + 4, count: 2, stride: 3)
    }
    #expect(input.largest == [5, 4])
    #expect(input.meanSquares == [35.0 / 3, 20.0 / 3])
  }

  @Test func weightsThatAreNotFiniteNameTheLayer() {
    var generator = SeededGenerator(seed: 7891)
    var layer = Self.layer(outputs: 2, inputs: 4, using: &generator)
    let (input, _) = Self.input(layer, using: &generator)
    layer.weights[5] = .infinity
    #expect {
      _ = try LayerQuantizer().quantize(layer, input, assignment: ChannelRun.whole(Self.coarse, count: 4))
    } throws: { error in
      (error as? PackError)?.kind == .data && "\(error)".contains("layer")
    }
  }
}
