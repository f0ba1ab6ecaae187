import Foundation
import SoniqCore
import SoniqGraph
import Testing

@testable import SoniqFormat

/// The largest models that the limits allow are read in linear time and little memory.
@Suite(.serialized) struct LimitTests {
  /// A node makes a value, and one is the input.
  static let nodeCount = FormatLimits.maximumValues - 1

  /// A chain of as many nodes as allowed, all names as long as allowed, metadata up to its limits.
  static func largest() -> ModelDescription {
    let constants = SampleConstants()
    var graph = Graph()
    graph.constants = [.dense(constants.dense([8])), .dense(constants.dense([8]))]
    graph.constantNames = ["gamma", "beta"]
    for index in 0...nodeCount {
      graph.values.append(
        Value(name: name("v", index), elementType: .float32, shape: [.fixed(1), .fixed(8)]))
    }
    for index in 0..<nodeCount {
      let operation: SoniqGraph.Operation =
        index % 2 == 0 ? .layerNorm(gamma: 0, beta: 1, epsilon: 1) : .activation(.relu)
      graph.nodes.append(
        Node(name: name("n", index), operation: operation, inputs: [index], output: index + 1))
    }
    graph.inputs = [GraphInput(value: 0)]
    graph.outputs = [nodeCount]
    let metadata = (0..<FormatLimits.maximumMetadataEntries).map {
      (key: "test.\($0)", value: MetadataValue.text(String(repeating: "x", count: 900)))
    }
    return ModelDescription(graph: graph, metadata: metadata, owner: constants.owners)
  }

  private static func name(_ prefix: String, _ index: Int) -> String {
    let number = "\(prefix)\(index)"
    return number + String(repeating: "_", count: FormatLimits.maximumNameLength - number.utf8.count)
  }

  private static func residentBytes() throws -> Int {
    let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
    return try #require(Int(fields[1])) * 4096
  }

  @Test func largestModel() throws {
    let bytes = try ModelWriter.serialize(Self.largest())
    let buffer = AlignedBuffer(copying: bytes)
    let before = try Self.residentBytes()
    let clock = ContinuousClock()
    var model: ModelDescription?
    let time = try clock.measure { model = try ModelFile.read(bytes: ConstantBytes(buffer).raw) }
    let growth = try Self.residentBytes() - before
    #expect(model?.graph.nodes.count == Self.nodeCount)
    #expect(growth < 64 << 20, "\(growth) bytes for a file of \(bytes.count)")
    // Unoptimised builds take about a second; anything quadratic takes minutes.
    #expect(time < .seconds(20), "\(time)")
  }

  /// 23 MB of weights are mapped, not read: opening costs far less than hashing them would.
  @Test func openingDoesNotReadTheWeights() throws {
    let constants = SampleConstants()
    var model = SampleModels.small()
    model.owner += constants.owners
    let zeros = AlignedBuffer(byteCount: 4 << 20)
    model.owner.append(zeros)
    for index in 0..<6 {
      model.graph.constantNames.append("zeros.\(index)")
      model.graph.constants.append(
        .dense(DenseConstant(elementType: .int32, shape: [1 << 20], bytes: ConstantBytes(zeros))))
    }
    let path = NSTemporaryDirectory() + "soniq-open-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try ModelWriter.write(model, toPath: path)
    let before = try Self.residentBytes()
    let read = try ModelFile.open(path: path)
    let growth = try Self.residentBytes() - before
    #expect(growth < 8 << 20, "\(growth) bytes")
    #expect(read.graph.constants.count == 8)
  }
}
