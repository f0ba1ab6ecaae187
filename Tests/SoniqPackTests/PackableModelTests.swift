import Foundation
import SoniqGraph
import SoniqPack
import Testing

/// What a packed file cannot hold is a fault of the model, found before packing, or is made to fit.
@Suite struct PackableModelTests {
  private func graph(_ model: OnnxWriter) throws -> Graph {
    try OnnxImporter.importModel(path: try model.write()).description.graph
  }

  private func refusal(_ model: OnnxWriter) throws -> PackError? {
    do throws(PackError) {
      _ = try OnnxImporter.importModel(path: (try? model.write()) ?? "")
      return nil
    } catch {
      return error
    }
  }

  /// Two layers, a norm by channel and a table of constants.
  private func layers(odd: String = "", _ number: Float = 0, epsilon: Float = 1e-5) throws -> OnnxWriter {
    let model = try OnnxWriter()
    func floats(_ name: String, _ count: Int, _ shape: [Int]) {
      var values = (0..<count).map { Float($0 % 5 + 1) / 8 }
      if name == odd { values[count - 2] = number }
      model.floats(name, values, shape)
    }
    model.input("x", ["batch", "8"])
    floats("w", 64, [8, 8])
    floats("b", 8, [8])
    floats("g", 8, [8])
    floats("h", 8, [8])
    floats("c", 8, [8])
    model.node("Gemm", ["x", "w", "b"], ["p"])
    model.node("LayerNormalization", ["p", "g", "h"], ["n"], ["epsilon": .real(epsilon)])
    model.node("Max", ["n", "c"], ["y"])
    model.output("y")
    return model
  }

  @Test(arguments: ["w", "b", "g", "h"], [Float.nan, .infinity, -.infinity]) func notFinite(
    tensor: String, number: Float
  ) throws {
    let error = try #require(try refusal(layers(odd: tensor, number)))
    #expect(error.kind == .data)
    #expect(error.description.contains("tensor \(tensor) holds \(number) at element"), "\(error)")
  }

  @Test(arguments: [-Float.infinity, .infinity, .nan]) func otherConstantsMayBeAnyNumbers(
    number: Float
  ) throws {
    let model = try layers(odd: "c", number)
    let imported = try OnnxImporter.importModel(path: try model.write())
    let path = model.folder.path + "/m.soniq"
    _ = try OutputFile(path: path).write(imported.description)
    try PackedFile.verify(path)
  }

  @Test(arguments: [Float(0), -1, .nan, .infinity]) func epsilon(value: Float) throws {
    let error = try #require(try refusal(layers(epsilon: value)))
    #expect(error.kind == .data && error.description.contains("the_n"), "\(error)")
  }

  @Test func variancesBelowZero() throws {
    let model = try OnnxWriter()
    model.input("x", ["1", "2", "4", "4"])
    for name in ["s", "b", "m"] { model.floats(name, [1, 1], [2]) }
    model.floats("v", [1, -1], [2])
    model.node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"])
    model.output("y")
    let error = try #require(try refusal(model))
    #expect(error.description.contains("the_y") && error.description.contains("channel 1"), "\(error)")
  }

  private func named(_ input: String, _ middle: String, _ output: String, symbol: String) throws -> OnnxWriter
  {
    let model = try OnnxWriter()
    model.input(input, [symbol, "4"])
    model.node("Neg", [input], [middle])
    model.node("Abs", [middle], [output])
    model.output(output)
    return model
  }

  @Test(arguments: [255, 256, 257, 300, 5000]) func longNames(length: Int) throws {
    for letter in ["a", "é", "語", "\u{1f600}"] {
      let name = String(repeating: letter, count: length / letter.utf8.count + 1)
      let model = try named(name + "x", name + "m", name + "y", symbol: name + "s")
      let imported = try OnnxImporter.importModel(path: try model.write())
      let graph = imported.description.graph
      let names = graph.values.map(\.name) + graph.nodes.map(\.name) + graph.symbols.map(\.name)
      #expect(names.allSatisfy { $0.utf8.count <= 256 && !$0.unicodeScalars.contains("\u{fffd}") })
      #expect(Set(graph.values.map(\.name)).count == graph.values.count)
      #expect(imported.fullNames.count == (name.utf8.count + 1 > 256 ? 2 : 0))
      #expect(try self.graph(model).values == graph.values)
      let path = model.folder.path + "/m.soniq"
      _ = try OutputFile(path: path).write(imported.description)
      try PackedFile.verify(path)
    }
  }

  @Test func oddNames() throws {
    for name in ["", "a\u{0}b", "line\nbreak", "\u{1b}[31m", " "] {
      let model = try named("x" + name, "m" + name, "y" + name, symbol: "s" + name)
      let imported = try OnnxImporter.importModel(path: try model.write())
      let path = model.folder.path + "/m.soniq"
      _ = try OutputFile(path: path).write(imported.description)
      try PackedFile.verify(path)
    }
  }

  @Test func tooManySizes() throws {
    let model = try OnnxWriter()
    for index in 0..<1025 { model.input("x\(index)", ["size\(index)", "4"]) }
    model.node("Abs", ["x0"], ["y"])
    model.output("y")
    let error = try #require(try refusal(model))
    #expect(error.kind == .data && error.description.contains("1025 dynamic sizes"), "\(error)")
  }

  @Test func tooManyOutputs() throws {
    let model = try OnnxWriter()
    model.input("x", ["1", "4"])
    for index in 0..<1025 {
      model.node("Abs", ["x"], ["y\(index)"])
      model.output("y\(index)")
    }
    let error = try #require(try refusal(model))
    #expect(error.kind == .data && error.description.contains("1025 outputs"), "\(error)")
  }

  @Test func largeModelCards() throws {
    let model = try layers()
    model.properties = (0..<200).map { ("key \($0)", String(repeating: "v", count: 60_000)) }
    model.properties.append(("nothing", "a\u{0}b"))
    let imported = try OnnxImporter.importModel(path: try model.write())
    let path = model.folder.path + "/m.soniq"
    _ = try OutputFile(path: path).write(imported.description)
    try PackedFile.verify(path)
  }

  @Test func nodesBehindOthersAreNamed() throws {
    let model = try layers()
    model.node("StringSplit", ["y"], ["l"])
    model.node("Squeeze", ["l"], ["m"])
    model.node("StringSplit", ["m"], ["o"])
    model.node("TopK", ["o"], ["q"], domain: "my.domain")
    model.output("q")
    let words =
      "3 nodes cannot be imported: unknown operators StringSplit (2: the_l, the_o), my.domain.TopK (1: the_q)"
    #expect(try #require(try refusal(model)).description.hasSuffix(words))
  }

  @Test func missingFilesAreNamed() throws {
    let model = try OnnxWriter()
    model.input("x", ["1", "4"])
    model.external("w", [4, 4], ["location": "first.bin"])
    model.external("v", [4, 4], ["location": "second.bin"])
    model.node("MatMul", ["x", "w"], ["p"])
    model.node("MatMul", ["p", "v"], ["y"])
    model.output("y")
    let error = try #require(try refusal(model))
    #expect(error.kind == .noInput)
    for part in ["first.bin", "second.bin", "tensor w", "No such file"] {
      #expect(error.description.contains(part), "\(error)")
    }
  }

  /// A small layer between two large ends, and a depthwise convolution.
  private func convolutions() throws -> (ImportedModel, OnnxWriter) {
    let model = try OnnxWriter()
    model.input("x", ["1", "3", "8", "8"])
    func floats(_ name: String, _ shape: [Int]) {
      let count = shape.reduce(1, *)
      model.floats(name, (0..<count).map { Float($0 * 7 % 19) / 19 - 0.45 }, shape)
    }
    let pads: [String: OnnxWriter.Attribute] = ["pads": .integers([1, 1, 1, 1])]
    floats("w0", [32, 3, 3, 3])
    floats("w1", [32, 32, 3, 3])
    floats("w2", [32, 1, 3, 3])
    floats("w3", [32, 300])
    model.node("Conv", ["x", "w0"], ["a"], pads)
    model.node("Relu", ["a"], ["b"])
    model.node("Conv", ["b", "w1"], ["c"], pads)
    model.node("Relu", ["c"], ["d"])
    model.node("Conv", ["d", "w2"], ["e"], ["pads": .integers([1, 1, 1, 1]), "group": .integer(32)])
    model.node("GlobalAveragePool", ["e"], ["f"])
    model.node("Flatten", ["f"], ["g"])
    model.node("MatMul", ["g", "w3"], ["y"])
    model.output("y")
    return (try OnnxImporter.importModel(path: try model.write()), model)
  }

  @Test(arguments: [true, false]) func targetsKnowOfTheEnds(keepsEnds: Bool) throws {
    let (imported, model) = try convolutions()
    let graph = imported.description.graph
    let floats: [Float] = (0..<1536).map { index -> Float in Float(index * 11 % 23) / 23 - 0.5 }
    let samples = try #require(
      SampleArrays(
        arrays: [InputArray(name: "x", floats: floats, shape: [8, 3, 8, 8])], source: "test",
        fixedLengths: [1]))
    var options = PackOptions(palette: try Palette("4,8"))
    options.calibration = .samples(samples)
    options.keepsEnds = keepsEnds
    var least = 0.0
    for target in [0.5, 6, 7, 7.5, 8, 9, 12] {
      options.targetBits = target
      do throws(PackError) {
        let (_, report) = try ModelPacker(options: options).pack(imported)
        #expect(report.weights.averageBits <= target)
        #expect(target >= least)
      } catch {
        #expect(error.kind == .usage && error.description.contains("--target-bits"), "\(error)")
        #expect(error.description.contains("--no-ends") == keepsEnds, "\(error)")
        let words = error.description.split(separator: " ")
        least = Double(words[try #require(words.firstIndex(of: "least")) + 1]) ?? 0
        #expect(least > target)
      }
    }
    // What the error promises can be had.
    options.targetBits = least
    let (_, report) = try ModelPacker(options: options).pack(imported)
    #expect(report.weights.averageBits <= least && report.weights.averageBits > least - 0.01)
    withExtendedLifetime((model, graph)) {}
  }

  /// A depthwise convolution whose channels are of one size, or each half as large as the one before and its weights twice
  /// as large: products with powers of two keep the small ones, and are there only where they are needed.
  @Test(arguments: [false, true]) func smallChannelsOfDepthwiseConvolutionsCount(areUneven: Bool) throws {
    let channels = 16
    func size(_ channel: Int) -> Float {
      areUneven ? Float(sign: .plus, exponent: -(channel % 8), significand: 1) : 1
    }
    let model = try OnnxWriter()
    model.input("x", ["1", "16", "8", "8"])
    let weights = (0..<channels * 9).map { (Float($0 * 7 % 19) / 19 - 0.45) / size($0 / 9) }
    model.floats("w", weights, [channels, 1, 3, 3])
    model.node("Conv", ["x", "w"], ["y"], ["group": .integer(16)])
    model.output("y")
    let imported = try OnnxImporter.importModel(path: try model.write())
    let floats = (0..<4 * channels * 64).map { (Float($0 * 11 % 23) / 23 - 0.5) * size($0 / 64 % channels) }
    var options = PackOptions(palette: try Palette("8"))
    options.calibration = .samples(
      try #require(
        SampleArrays(
          arrays: [InputArray(name: "x", floats: floats, shape: [4, channels, 8, 8])], source: "test",
          fixedLengths: [1])))
    let (packed, report) = try ModelPacker(options: options).pack(imported)
    let agreement = try #require(report.agreement)
    #expect(agreement.minimumCosine > 0.9999, "\(agreement)")
    let products = packed.graph.nodes.count { node in
      if case .binary(let binary) = node.operation { binary.function == .multiply } else { false }
    }
    #expect(products == (areUneven ? 1 : 0))
    withExtendedLifetime(model) {}
  }

  @Test func outputsAreNoInputs() throws {
    let files = FileManager.default
    let model = try layers()
    let path = try model.write()
    let folder = model.folder.path
    try files.createSymbolicLink(atPath: folder + "/link", withDestinationPath: path)
    try files.linkItem(atPath: path, toPath: folder + "/hard")
    for other in [path, folder + "/link", folder + "/hard", folder + "/../model/./model.onnx"] {
      #expect { try OutputFile(path: other).refuse(inputs: ["/nowhere", path]) } throws: {
        ($0 as? PackError)?.kind == .usage
      }
    }
    try OutputFile(path: folder + "/m.soniq").refuse(inputs: [path])
    let checkpoint = try TinyCheckpoint()
    for name in ["config.json", "model.safetensors", "1_Pooling/config.json"] {
      let output = try OutputFile(path: checkpoint.path + "/" + name)
      #expect(throws: PackError.self) { try output.refuse(inputs: [checkpoint.path]) }
    }
    let packed = checkpoint.path + "/m.soniq"
    _ = try OutputFile(path: packed).write(try FolderImporter.importModel(path: checkpoint.path).description)
    try OutputFile(path: packed).refuse(inputs: [checkpoint.path])
  }
}
