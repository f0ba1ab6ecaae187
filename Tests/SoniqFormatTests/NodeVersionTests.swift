import SoniqCore
import SoniqGraph
import Testing

@testable import SoniqFormat

/// What the tag of an operation does not say: with dynamic sizes it is of version 3, and unknown to files before.
@Suite struct NodeVersionTests {
  /// One node on x of this shape; symbols 0 and 1 are those of inputs.
  static func model(_ operation: Operation, _ shape: [Dimension], _ output: [Dimension]) -> ModelDescription {
    var graph = Graph()
    graph.symbols = [Symbol(name: "a", maximum: 9), Symbol(name: "b", maximum: 9)]
    graph.values = [
      Value(name: "x", elementType: .float32, shape: shape),
      Value(name: "sizes", elementType: .float32, shape: [.symbol(0), .symbol(1)]),
      Value(name: "y", elementType: .float32, shape: output),
    ]
    graph.nodes = [Node(name: "node", operation: operation, inputs: [0], output: 2)]
    graph.inputs = [GraphInput(value: 0), GraphInput(value: 1)]
    graph.outputs = [2]
    return ModelDescription(graph: graph, metadata: [], owner: [])
  }
  static let one = Window(height: 1, width: 1)
  static let fixed: [Dimension] = [.symbol(0), .fixed(2), .fixed(2), .fixed(3)]
  static let dynamic: [Dimension] = [.fixed(1), .symbol(0), .symbol(1), .fixed(3)]

  @Test func sizesThatWereFixedMakeAFileOfVersion3() throws {
    let cases: [(Operation, [Dimension], [Dimension])] = [
      (.pool(.maximum, Self.one), Self.dynamic, Self.dynamic),
      (
        .foldTaps(Self.one, height: .fixed(2), width: .fixed(2), bias: nil), Self.dynamic,
        [.fixed(1), .fixed(2), .fixed(2), .fixed(3)]
      ),
      (.concatenate(axis: 1), Self.dynamic, Self.dynamic),
      (.reshape([.symbol(1), .symbol(0)]), [.symbol(0), .symbol(1)], [.symbol(1), .symbol(0)]),
    ]
    for (operation, shape, output) in cases {
      let bytes = try ModelWriter.serialize(Self.model(operation, shape, output))
      #expect(bytes[12] == 3, "\(operation)")
      var file = try RawFile(Self.model(operation, shape, output))
      file.setHeader(4, to: UInt8(0x32))
      file.setHeader(12, to: UInt32(2))
      let error = #expect(throws: FormatError.self) {
        try file.build().withUnsafeBytes { try _ = ModelFile.read(bytes: $0) }
      }
      #expect(error?.code == .invalidModel, "\(operation)")
      #expect(error?.field == "nodes[0].inputs", "\(operation)")
    }
  }

  @Test func fixedOnesDoNot() throws {
    let bytes = try ModelWriter.serialize(Self.model(.pool(.maximum, Self.one), Self.fixed, Self.fixed))
    #expect(bytes[12] == 2)
  }
}
