import SoniqGraph
import SoniqPack
import Testing

/// What the importer makes of graphs inside nodes, and which of them it refuses.
@Suite struct OnnxControlFlowTests {
  private func kinds(_ model: OnnxWriter, _ options: OnnxOptions = OnnxOptions()) throws -> [String] {
    let graph = try OnnxImporter.importModel(path: try model.write(), options: options).description.graph
    return graph.nodes.map { $0.operation.schema.name }
  }

  private func branch(_ type: String, _ inputs: [String], outputs: [String] = ["r"]) -> OnnxWriter.Attribute {
    var graph = WireMessage()
    graph.data(1, OnnxWriter.bytes(ofNode: type, inputs, ["r"]))
    for output in outputs { graph.data(12, OnnxWriter.info(output, [], 1)) }
    return .graph(graph.bytes)
  }

  /// y = rate == 16000 ? relu(x) : tanh(x), or what the attributes say.
  private func model(_ attributes: [String: OnnxWriter.Attribute]? = nil) throws -> OnnxWriter {
    let model = try OnnxWriter()
    model.input("x", ["2", "4"])
    model.input("rate", [], type: 7)
    model.integers("wanted", [16000])
    model.node("Equal", ["rate", "wanted"], ["condition"])
    let both = ["then_branch": branch("Relu", ["x"]), "else_branch": branch("Tanh", ["x"])]
    model.node("If", ["condition"], ["y"], attributes ?? both)
    model.output("y")
    return model
  }

  @Test func aConditionOfTheRunSelects() throws {
    let kinds = try kinds(model()).filter { $0 != "tensor.constant" }
    #expect(kinds == ["tensor.binary", "activation", "activation", "tensor.select"])
  }

  @Test func aFixedInputDecides() throws {
    for (rate, function) in [("16000", ElementFunction.relu), ("8000", .tanh)] {
      let options = try OnnxOptions(shapes: [], maximums: [], values: ["rate=\(rate)"])
      let model = try model()
      let graph = try OnnxImporter.importModel(path: try model.write(), options: options).description.graph
      #expect(graph.inputs.count == 1)
      #expect(graph.nodes.map(\.operation) == [.activation(function)])
    }
  }

  static let malformed: [(name: String, words: String)] = [
    ("no else_branch", "no else_branch"), ("type", "then_branch is of type int, not graph"),
    ("outputs", "its else_branch has 2 outputs, the node has 1"), ("cycle", "part of a cycle through"),
    ("nothing", "made by no node"),
  ]

  @Test(arguments: malformed.map(\.name)) func malformedBranches(name: String) throws {
    var attributes = ["then_branch": branch("Relu", ["x"]), "else_branch": branch("Tanh", ["x"])]
    switch name {
    case "no else_branch": attributes["else_branch"] = nil
    case "type": attributes["then_branch"] = .integer(3)
    case "outputs": attributes["else_branch"] = branch("Tanh", ["x"], outputs: ["r", "x"])
    case "cycle": attributes["then_branch"] = branch("Relu", ["r"])
    default: attributes["then_branch"] = branch("Relu", ["nowhere"])
    }
    let words = Self.malformed.first { $0.name == name }?.words ?? ""
    let model = try model(attributes)
    let error = #expect(throws: PackError.self) { try OnnxImporter.importModel(path: try model.write()) }
    #expect(error?.message.contains(words) == true, "\(error?.message ?? "none")")
  }

  /// A graph that reads what its own node makes.
  @Test func cyclesThroughBranches() throws {
    let looped = ["then_branch": branch("Relu", ["y"]), "else_branch": branch("Tanh", ["x"])]
    let model = try model(looped)
    let error = #expect(throws: PackError.self) { try OnnxImporter.importModel(path: try model.write()) }
    #expect(error?.message.contains("cycle") == true)
  }
}
