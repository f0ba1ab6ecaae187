import Foundation
import SoniqGraph
import SoniqPack
import SoniqTestSupport
import Testing

/// Layers that read what the host gives, alone, first and last; batches that the model fixes.
@Suite struct CalibrationTests {
  private func samples(_ graph: Graph, count: Int) throws -> CalibrationData {
    var generator = SeededGenerator(seed: 71)
    let arrays = graph.inputs.map { input in
      let value = graph.values[input.value]
      let shape = [count] + value.shape.dropFirst().map { if case .fixed(let size) = $0 { size } else { 5 } }
      let floats = (0..<shape.reduce(1, *)).map { _ in Float.random(in: -2...2, using: &generator) }
      return InputArray(name: value.name, floats: floats, shape: shape)
    }
    let lengths = graph.inputs.map { input -> Int? in
      if case .fixed(let size) = graph.values[input.value].shape[0] { size } else { nil }
    }
    return .samples(try #require(SampleArrays(arrays: arrays, source: "test", fixedLengths: lengths)))
  }

  private func weights(_ count: Int, _ layer: Int = 0) -> [Float] {
    (0..<count).map { Float(($0 * 7 + layer * 3) % 13) / 13 - 0.45 }
  }

  /// Packs at a palette and compares with the float model on the samples.
  private func agreement(_ model: OnnxWriter, _ palette: String, samples count: Int = 12) throws -> Float {
    let imported = try OnnxImporter.importModel(path: try model.write(), options: OnnxOptions())
    var options = PackOptions(palette: try Palette(palette))
    options.calibration = try samples(imported.description.graph, count: count)
    let (packed, report) = try ModelPacker(options: options).pack(imported)
    try packed.graph.validate()
    return Float(try #require(report.agreement).meanCosine)
  }

  private func perceptron(layers: Int, batch: String, rank: Int = 2) throws -> OnnxWriter {
    let model = try OnnxWriter()
    model.input("x", [batch] + (rank == 3 ? ["length"] : []) + ["16"])
    var value = "x"
    for layer in 0..<layers {
      model.floats("w\(layer)", weights(256, layer), [16, 16])
      model.node("MatMul", [value, "w\(layer)"], ["h\(layer)"])
      value = "h\(layer)"
      guard layer < layers - 1 else { break }
      model.node("Relu", [value], ["r\(layer)"])
      value = "r\(layer)"
    }
    model.output(value)
    return model
  }

  @Test(arguments: ["8", "4", "4,8", "w2a4", "w1a1+w4a4"], [1, 3])
  func productsReadTheInput(palette: String, layers: Int) throws {
    for (batch, rank) in [("batch", 2), ("batch", 3), ("1", 2)] {
      let model = try perceptron(layers: layers, batch: batch, rank: rank)
      let cosine = try agreement(model, palette)
      // One bit without training promises nothing of a network: that it is packed is the point.
      let least: Float = palette == "8" ? 0.999 : palette == "w1a1+w4a4" ? -1 : 0.5
      #expect(cosine > least, "\(palette), batch \(batch), rank \(rank): \(cosine)")
    }
  }

  /// Transposes that cancel leave a convolution that reads the input itself.
  @Test(arguments: ["8", "4,8", "w1a1+w4a4"], [1, 3]) func convolutionsReadTheInput(
    palette: String, group: Int
  ) throws {
    let model = try OnnxWriter()
    model.input("x", ["batch", "6", "6", "3"])
    model.floats("w", weights(3 * 9 * 3 / group), [3, 3 / group, 3, 3])
    model.node("Transpose", ["x"], ["c"], ["perm": .integers([0, 3, 1, 2])])
    model.node("Conv", ["c", "w"], ["d"], ["group": .integer(group)])
    model.node("Transpose", ["d"], ["y"], ["perm": .integers([0, 2, 3, 1])])
    model.output("y")
    #expect(try agreement(model, palette) > 0.99)
  }

  /// One input read by two layers and by an addition.
  @Test func severalReadersOfTheInput() throws {
    let model = try OnnxWriter()
    model.input("x", ["batch", "16"])
    for name in ["v", "w"] {
      model.floats(name, weights(256), [16, 16])
      model.node("MatMul", ["x", name], ["x\(name)"])
    }
    model.node("Add", ["xv", "xw"], ["s"])
    model.node("Add", ["s", "x"], ["y"])
    model.output("y")
    #expect(try agreement(model, "8") > 0.999)
  }

  @Test(arguments: [1, 4, 8, 9, 32], [1, 6, 8, 40]) func fixedBatches(batch: Int, count: Int) throws {
    let model = try perceptron(layers: 2, batch: "\(batch)")
    #expect(try agreement(model, "8", samples: count) > 0.999)
  }

  /// Inputs whose first sizes are fixed and differ: as many whole runs each, or an error.
  @Test func runsOfSeveralLengths() throws {
    let images = InputArray(name: "a", floats: [Float](repeating: 1, count: 12), shape: [4, 3])
    func state(_ rows: Int) -> InputArray {
      InputArray(name: "b", floats: (0..<rows).map { Float($0) }, shape: [rows, 1])
    }
    let both = try #require(
      SampleArrays(arrays: [images, state(8)], source: "test", fixedLengths: [1, 2]))
    let runs = CalibrationData.samples(both).runs(maximumRows: 1024, maximumBatch: 8)
    #expect(runs.map { $0.map(\.shape) } == Array(repeating: [[1, 3], [2, 1]], count: 4))
    #expect(SampleArrays(arrays: [images, state(6)], source: "test", fixedLengths: [1, 2]) == nil)
    #expect(SampleArrays(arrays: [images, state(7)], source: "test", fixedLengths: [nil, nil]) == nil)
  }

  /// A recurrent layer's state has its layers first: an axis before it counts runs.
  @Test func wholeRuns() throws {
    var graph = Graph()
    graph.symbols = [Symbol(name: "batch", maximum: 8), Symbol(name: "length", maximum: 64)]
    graph.values = [
      Value(name: "x", elementType: .float32, shape: [.symbol(0), .symbol(1)]),
      Value(name: "state", elementType: .float32, shape: [.fixed(2), .symbol(0), .fixed(3)]),
      Value(name: "rate", elementType: .int32, shape: [.fixed(1)]),
    ]
    graph.inputs = (0..<3).map { GraphInput(value: $0) }
    func read(rates: [Int64]) throws -> SampleArrays {
      func floats(_ count: Int) -> [UInt8] {
        (0..<count).map { Float($0) }.withUnsafeBytes { [UInt8]($0) }
      }
      let archive = TokenSequencesTests.archive([
        ("x", "<f4", "(5, 1, 4)", floats(20)), ("state", "<f4", "(5, 2, 1, 3)", floats(30)),
        ("rate", "<i8", "(\(rates.count),)", TokenSequencesTests.integers(rates)),
      ])
      let path = NSTemporaryDirectory() + "soniq-runs-" + UUID().uuidString + ".npz"
      defer { try? FileManager.default.removeItem(atPath: path) }
      try Data(archive).write(to: URL(fileURLWithPath: path))
      return try SampleArrays.read(path: path, graph: graph)
    }
    let samples = try read(rates: [16, 16, 8, 8, 8])
    #expect(samples.areWholeRuns && samples.count == 5)
    let data = CalibrationData.samples(samples)
    let runs = data.runs(maximumRows: 1024, maximumBatch: 8)
    #expect(runs.map { $0.map(\.shape) } == Array(repeating: [[1, 4], [2, 1, 3], [1]], count: 5))
    #expect(runs[3][0].bytes == InputArray(name: "", floats: [12, 13, 14, 15], shape: []).bytes)
    #expect(data.limited(tokens: 0, samples: 2).count == 2)
    #expect(throws: PackError.self) { try read(rates: [16, 16]) }
  }
}
