import SoniqGraph
import SoniqPack
import Testing

/// Dynamic sizes that nobody bounds, and those that the model or the user makes numbers.
@Suite struct OpenSizesTests {
  private func imported(_ model: OnnxWriter, _ options: OnnxOptions = OnnxOptions()) throws -> ImportedModel {
    try OnnxImporter.importModel(path: try model.write(), options: options)
  }

  private func maximums(_ graph: Graph) -> [String: Int] {
    Dictionary(uniqueKeysWithValues: graph.symbols.map { ($0.name, $0.maximum) })
  }

  /// Gates [n, t] times a signal [n, t].
  private func twoInputs() throws -> OnnxWriter {
    let model = try OnnxWriter()
    model.input("x", ["n", "t"])
    model.input("z", ["n", "t"])
    model.node("Mul", ["x", "z"], ["y"])
    model.output("y")
    return model
  }

  @Test func theyAreLarge() throws {
    let graph = try imported(twoInputs()).description.graph
    #expect(maximums(graph) == ["n": 4096, "t": 262_144])
    #expect(graph.symbols.map(\.isOpen) == [true, true])
  }

  @Test func whatTheUserBoundsIsNotOpen() throws {
    let options = try OnnxOptions(shapes: [], maximums: ["t=100"])
    let graph = try imported(twoInputs(), options).description.graph
    #expect(maximums(graph) == ["n": 4096, "t": 100])
    #expect(graph.symbols.map(\.isOpen) == [true, false])
  }

  /// A picture has rows by batch, height and width: no more than the format counts.
  @Test func theyFitTogether() throws {
    let model = try OnnxWriter()
    model.input("x", ["n", "2", "h", "w"])
    model.floats("w", [1, 2, 3, 4], [2, 2, 1, 1])
    model.node("Conv", ["x", "w"], ["y"])
    model.output("y")
    let graph = try imported(model).description.graph
    #expect(maximums(graph) == ["n": 64, "h": 4096, "w": 4096])
    try graph.validate()
  }

  /// A height that is drawn 512 times as large leaves room for the largest side of an image.
  @Test func wherePicturesGrowTheyAreSmaller() throws {
    let model = try OnnxWriter()
    model.input("x", ["1", "1", "h", "w"])
    model.floats("weights", [Float](repeating: 1, count: 512), [1, 1, 512, 1])
    model.node("ConvTranspose", ["x", "weights"], ["y"], ["strides": .integers([512, 1])])
    model.output("y")
    let graph = try imported(model).description.graph
    let found = maximums(graph)
    #expect(found["h"] == 1024 && found["w"] == 2048)
  }

  @Test func aSizeOfOneInputIsThatOfOthers() throws {
    let options = try OnnxOptions(shapes: ["x=1,?"], maximums: [])
    let graph = try imported(twoInputs(), options).description.graph
    #expect(
      graph.inputs.map { graph.values[$0.value].shape } == [
        [.fixed(1), .symbol(0)], [.fixed(1), .symbol(0)],
      ])
    let model = try OnnxWriter()
    model.input("x", ["n", "t"])
    model.input("z", ["m", "t"])
    model.node("Concat", ["x", "z"], ["y"], ["axis": .integer(0)])
    model.output("y")
    let both = try OnnxOptions(shapes: ["x=2,5", "z=3,5"], maximums: [])
    let joined = try imported(model, both).description.graph
    #expect(joined.symbols.isEmpty)
  }

  /// Weights say how many channels there are, and a shape that the batch is 1.
  @Test(arguments: ["Add", "MatMul", "Reshape"]) func theModelNeedsANumber(type: String) throws {
    let model = try OnnxWriter()
    model.input("x", ["n", "k"])
    switch type {
    case "Reshape":
      model.floats("w", [1, 2, 3, 4, 5, 6], [3, 2])
      model.integers("shape", [1, 2])
      model.node("MatMul", ["x", "w"], ["m"])
      model.node("Reshape", ["m", "shape"], ["y"])
    case "MatMul":
      model.floats("w", [1, 2, 3, 4, 5, 6], [3, 2])
      model.node("MatMul", ["x", "w"], ["y"])
    default:
      model.floats("w", [1, 2, 3], [3])
      model.node("Add", ["x", "w"], ["y"])
    }
    model.output("y")
    let imported = try imported(model)
    let graph = imported.description.graph
    let three = "the size k is 3: operations of the model need it"
    if type == "Reshape" {
      #expect(imported.remarks == ["the size n is 1: operations of the model need it", three])
      #expect(graph.values[graph.inputs[0].value].shape == [.fixed(1), .fixed(3)])
    } else {
      #expect(imported.remarks == [three])
      #expect(graph.values[graph.inputs[0].value].shape == [.symbol(0), .fixed(3)])
    }
  }

  /// An open size of a reshape is that of its own axis, where it is no quotient; what is behind it must fit.
  @Test func aReshapeSaysWhatIsBehindIt() throws {
    let model = try OnnxWriter()
    model.input("x", ["n", "4", "k"])
    model.integers("flat", [-1, 12])
    model.node("Slice", ["x", "one", "end", "two"], ["s"])
    for (name, number) in [("one", 1), ("end", 1 << 31), ("two", 2)] { model.integers(name, [number]) }
    model.node("Reshape", ["s", "flat"], ["y"])
    model.output("y")
    let imported = try imported(model)
    #expect(imported.remarks == ["the size k is 4: operations of the model need it"])
  }

  /// A size that is none is not concluded, nor are two for one size.
  @Test func whatCannotBeIsRefused() throws {
    let model = try OnnxWriter()
    model.input("x", ["n", "k"])
    model.integers("flat", [-1, 1 << 62])
    model.node("Reshape", ["x", "flat"], ["y"])
    model.output("y")
    #expect(throws: PackError.self) { try imported(model) }
    let two = try OnnxWriter()
    two.input("x", ["n", "k"])
    two.floats("a", [1, 2, 3], [3])
    two.floats("b", [1, 2], [2])
    two.node("Add", ["x", "a"], ["p"])
    two.node("Add", ["x", "b"], ["q"])
    two.node("Concat", ["p", "q"], ["y"], ["axis": .integer(0)])
    two.output("y")
    #expect(throws: PackError.self) { try imported(two) }
  }

  /// What broadcasting repeats is no size that others must have.
  @Test func aOneSaysNothing() throws {
    let model = try OnnxWriter()
    model.input("x", ["n", "k"])
    model.floats("row", [1, 2, 3, 4], [1, 4])
    model.node("Add", ["x", "row"], ["y"])
    model.output("y")
    let graph = try imported(model).description.graph
    #expect(graph.values[graph.inputs[0].value].shape == [.symbol(0), .fixed(4)])
    #expect(graph.symbols.map(\.name) == ["n"])
  }
}
