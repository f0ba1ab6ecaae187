import Foundation
import SoniqCore
import SoniqGraph
import SoniqPack
import SoniqQuantizers
import SoniqTestSupport
import Testing

/// What `soniq-pack compare` computes, on models whose differences are known.
@Suite struct ComparisonTests {
  private static let layers = ["first", "active", "second", "third"]

  /// x [batch, 16] -> linear 32 -> ReLU -> linear 16 -> linear 8.
  private func model(hasBias: Bool = true) throws -> OnnxWriter {
    let model = try OnnxWriter()
    var generator = SeededGenerator(seed: 7)
    model.input("x", ["batch", "16"])
    var input = "x"
    for (name, inputs, outputs) in [("first", 16, 32), ("second", 32, 16), ("third", 16, 8)] {
      let count = inputs * outputs
      let weights = (0..<count).map { _ in Float.random(in: -0.4...0.4, using: &generator) }
      model.floats(name + ".w", weights, [inputs, outputs])
      model.node("MatMul", [input, name + ".w"], [hasBias ? name + ".product" : name])
      if hasBias {
        model.floats(
          name + ".b", (0..<outputs).map { _ in Float.random(in: -1...1, using: &generator) }, [outputs])
        model.node("Add", [name + ".product", name + ".b"], [name])
      }
      input = name
      if name == "first" {
        model.node("Relu", [name], ["active"])
        input = "active"
      }
    }
    model.output("third")
    return model
  }

  private func imported(_ model: OnnxWriter) throws -> ImportedModel {
    var options = OnnxOptions()
    options.keepsCodes = false
    return try OnnxImporter.importModel(path: try model.write(), options: options)
  }

  private func samples(_ graph: Graph, count: Int = 20, seed: UInt64 = 3) throws -> SampleArrays {
    var generator = SeededGenerator(seed: seed)
    let floats = (0..<count * 16).map { _ in Float.random(in: -2...2, using: &generator) }
    return try #require(
      SampleArrays(
        arrays: [InputArray(name: "x", floats: floats, shape: [count, 16])], source: "test",
        fixedLengths: [nil]))
  }

  private func packed(_ palette: String, _ imported: ImportedModel, _ data: SampleArrays) throws
    -> ModelDescription
  {
    var options = PackOptions(palette: try Palette(palette))
    options.calibration = .samples(data)
    return try ModelPacker(options: options).pack(imported).0
  }

  @Test func aModelIsEqualToItself() throws {
    let float = try imported(model()).description
    let result = try Comparison.run(float, float, data: samples(float.graph))
    #expect(result.layers.map(\.name) == Self.layers)
    #expect(result.layers.allSatisfy { $0.error == 0 && $0.added == 0 })
    #expect(result.layers.map(\.source) == [nil, "first", "active", "second"])
    #expect(result.largestJump == nil)
    #expect(result.firstLayer(beyond: 0) == nil)
    let output = try #require(result.outputs.first)
    #expect(output.name == "third")
    #expect(output.minimumCosine > 1 - 1e-12)
    #expect(output.numbers.largest == 0)
    #expect((output.samples, output.rows, output.equalRows) == (20, 20, 20))
  }

  /// One layer's weights are changed: everything before it is equal, and it is the one that is named.
  @Test(arguments: ["first", "second", "third"]) func theChangedLayerIsNamed(name: String) throws {
    let float = try imported(model()).description
    var other = float
    let node = try #require(other.graph.nodes.first { other.graph.values[$0.output].name == name })
    guard case .linear(let linear) = node.operation,
      case .floatMatrix(let matrix) = float.graph.constants[linear.matrix]
    else {
      Issue.record("\(node)")
      return
    }
    let store = ConstantStore()
    let bias = matrix.bias.map { Array($0.bound(to: Float.self).prefix(matrix.outputs)) }
    other.graph.constants[linear.matrix] = .floatMatrix(
      try matrix.rowMajor.map { -$0 }.withUnsafeBufferPointer {
        try store.floatMatrix(weights: $0, outputs: matrix.outputs, inputs: matrix.inputs, bias: bias)
      })
    other.owner.append(store)
    let result = try Comparison.run(float, other, data: samples(float.graph))
    #expect(result.largestJump?.name == name)
    #expect(result.firstLayer(beyond: 0.1)?.name == name)
    let place = try #require(Self.layers.firstIndex(of: name))
    #expect(result.layers.prefix(place).allSatisfy { $0.error == 0 })
    #expect(result.layers[place...].allSatisfy { $0.error > 0.1 })
  }

  /// The relative error of a layer is that of its numbers, computed here from the runs of each model alone.
  @Test(arguments: ["8", "4", "2,8"]) func errorsAreThoseOfTheNumbers(palette: String) throws {
    let imported = try imported(model())
    let data = try samples(imported.description.graph)
    let packed = try packed(palette, imported, data)
    let result = try Comparison.run(imported.description, packed, data: data)
    let numbers = try [imported.description, packed].map { model -> [Float] in
      let value = try #require(model.graph.values.firstIndex { $0.name == "third" })
      let runner = try GraphRunner(model, keptValues: [value], data: .samples(data), threadCount: 1)
      var numbers: [Float] = []
      try runner.run { _, floats, _ in numbers += floats }
      return numbers
    }
    let distance = zip(numbers[0], numbers[1]).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
    let length = numbers[0].reduce(0.0) { $0 + Double($1 * $1) }
    let third = try #require(result.layers.first { $0.name == "third" })
    #expect(abs(third.error - (distance / length).squareRoot()) < 1e-5)
    #expect(third.error > 0)
    let output = try GraphRunner(imported.description, data: .samples(data)).outputRows()
    let other = try GraphRunner(packed, data: .samples(data)).outputRows()
    let agreement = OutputAgreement(reference: output, rows: other)
    #expect(abs(result.outputs[0].minimumCosine - agreement.minimumCosine) < 1e-9)
    let largest = zip(output.joined(), other.joined()).map { abs(Double($0) - Double($1)) }.max() ?? 0
    #expect(result.outputs[0].numbers.largest == largest)
  }

  /// Runs of channels sort the outputs of the layer before: its values are compared in their own order, or not at all.
  @Test func sortedChannelsAreNoError() throws {
    let imported = try imported(model())
    let data = try samples(imported.description.graph)
    let packed = try packed("8", imported, data)
    // The test of the test: the channels that the second layer multiplies are in two runs.
    #expect(Self.isSorted("first", imported.description.graph, packed.graph))
    let result = try Comparison.run(imported.description, packed, data: data)
    #expect(result.reordered.isEmpty)
    #expect(result.layers.map(\.name) == Self.layers)
    // In another order the values would differ by more than their own size.
    #expect(result.layers.allSatisfy { $0.error < 0.02 })
  }

  @Test func channelsInAnOrderThatCannotBeToldAreNotCompared() throws {
    let imported = try imported(model(hasBias: false))
    let data = try samples(imported.description.graph)
    let result = try Comparison.run(
      imported.description, packed("8", imported, data), data: data)
    #expect(Set(result.reordered).isSuperset(of: ["first", "active"]))
    #expect(result.layers.map(\.name) == Self.layers.filter { !result.reordered.contains($0) })
    #expect(result.layers.allSatisfy { $0.error < 0.02 })
    #expect(result.layers.first?.source == nil)
  }

  private static func isSorted(_ name: String, _ model: Graph, _ packed: Graph) -> Bool {
    let node = model.nodes.first { model.values[$0.output].name == name }
    guard case .linear(let linear)? = node?.operation,
      case .floatMatrix(let matrix) = model.constants[linear.matrix],
      case .matrix(let other) = packed.constants[linear.matrix], let bias = matrix.bias,
      let moved = other.bias
    else { return false }
    return Array(bias.bound(to: Float.self)) != Array(moved.bound(to: Float.self))
  }

  /// Exposed values are those whose channels lie as in the model.
  @Test func sortedValuesAreNotExposed() throws {
    let imported = try imported(model())
    let packed = try packed("8", imported, samples(imported.description.graph))
    func names(_ model: ModelDescription) -> [String] {
      model.graph.outputs.map { model.graph.values[$0].name }
    }
    #expect(
      try names(Expose.values(imported.description, names: nil)) == ["third", "first", "active", "second"])
    let exposed = try names(Expose.values(packed, names: nil))
    #expect(exposed.first == "third")
    #expect(Set(exposed).isDisjoint(with: ["first", "active"]))
    #expect(throws: PackError.self) { try Expose.values(packed, names: ["first"]) }
    #expect(try names(Expose.values(packed, names: ["first"], skipsOthers: true)) == ["third"])
  }

  /// Values that do not fit into memory together are kept in turns.
  @Test func littleMemoryChangesNothing() throws {
    let imported = try imported(model())
    let data = try samples(imported.description.graph)
    let packed = try packed("4", imported, data)
    let all = try Comparison.run(imported.description, packed, data: data)
    let one = try Comparison.run(imported.description, packed, data: data, mostBytes: 1)
    #expect(all.layers == one.layers)
    #expect(all.outputs == one.outputs)
  }

  @Test func layersOfOtherNamesAreAnError() throws {
    let imported = try imported(model())
    let data = try samples(imported.description.graph)
    var packed = try packed("8", imported, data)
    let outputs = Set(packed.graph.outputs)
    for value in packed.graph.values.indices
    where packed.graph.values[value].name != "x" && !outputs.contains(value) {
      packed.graph.values[value].name += "'"
    }
    let error = #expect(throws: PackError.self) {
      try Comparison.run(imported.description, packed, data: data)
    }
    #expect(error?.kind == .data)
    #expect(error?.message.contains("no layer has one name") == true)
    let outputsAlone = try Comparison.run(
      imported.description, packed, data: data, comparesLayers: false)
    #expect(outputsAlone.layers.isEmpty)
    #expect(outputsAlone.outputs.count == 1)
  }
}
