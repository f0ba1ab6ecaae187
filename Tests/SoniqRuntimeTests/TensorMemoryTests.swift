import SoniqGraph
import SoniqRuntime
import SoniqTestSupport
import Testing

/// Values that share memory: nothing is overwritten while somebody still needs it.
@Suite struct TensorMemoryTests {
  /// A graph with one input [4, 6].
  static func graph(_ build: (inout Graph) -> [ValueID]) -> Graph {
    var graph = Graph()
    graph.values = [Value(name: "x", elementType: .float32, shape: [.fixed(4), .fixed(6)])]
    graph.inputs = [GraphInput(value: 0)]
    graph.outputs = build(&graph)
    return graph
  }

  static let x = TensorArray([4, 6], (0..<24).map { Double($0) - 7 })

  static func floats(_ graph: Graph, lanes: Int = 1) throws -> [Float] {
    try graph.run([x], lanes: lanes).bits.map { Float(bitPattern: $0) }
  }

  @Test func anInputUnderAnotherShape() throws {
    let output = Self.graph { [$0.add(.reshape([.fixed(3), .fixed(8)]), [0])] }
    #expect(try Self.floats(output) == Self.x.elements.map { Float($0) })
    let used = Self.graph { graph in
      let flat = graph.add(.reshape([.fixed(24)]), [0])
      return [graph.add(.unary(.negative), [graph.add(.reshape([.fixed(2), .fixed(12)]), [flat])])]
    }
    #expect(try Self.floats(used) == Self.x.elements.map { Float(-$0) })
  }

  /// A function that could be computed in place of what an output shows under another shape.
  @Test(arguments: [false, true])
  func whatIsStillReadStays(isKept: Bool) throws {
    let graph = Self.graph { graph in
      let y = graph.add(.unary(.negative), [0])
      let flat = graph.add(.reshape([.fixed(24)]), [y])
      let z = graph.add(.unary(.absolute), [y])
      let w = graph.add(.binary(.multiply), [graph.add(.reshape([.fixed(24)]), [z]), flat])
      return isKept ? [flat, w] : [w]
    }
    let expected = Self.x.elements.map { isKept ? Float(-$0) : Float(-$0 * abs($0)) }
    for lanes in 1...2 { #expect(try Self.floats(graph, lanes: lanes) == expected) }
  }

  @Test func chainsInPlace() throws {
    let graph = Self.graph { graph in
      var value = 0
      for round in 0..<6 {
        value = graph.add(.unary(.negative), [value])
        value = graph.add(
          .reshape([.fixed(round % 2 == 0 ? 24 : 12), .fixed(round % 2 == 0 ? 1 : 2)]), [value])
        value = graph.add(.binary(.add), [value, value])
      }
      return [value]
    }
    #expect(try Self.floats(graph) == Self.x.elements.map { Float($0 * 64) })
  }

  /// Rows that a lane would keep in a block of its own, were it not for their other shape.
  @Test func rowsUnderAnotherShape() throws {
    for lanes in 1...3 {
      var generator = SeededGenerator(seed: 141)
      let x = TensorArray.random([64, 12], using: &generator)
      var graph = Graph()
      graph.values = [Value(name: "x", elementType: .float32, shape: [.fixed(64), .fixed(12)])]
      graph.inputs = [GraphInput(value: 0)]
      let y = graph.add(.activation(.relu), [0])
      let wide = graph.add(.reshape([.fixed(16), .fixed(48)]), [y])
      let z = graph.add(.activation(.relu), [wide])
      graph.outputs = [graph.add(.add, [z, wide])]
      let bits = try graph.run([x], lanes: lanes).bits
      #expect(bits == x.elements.map { (2 * max(0, Float($0))).bitPattern })
    }
  }

  @Test func constantsAreNotCopied() throws {
    let run = TensorRun(.constant(0), [], constants: [TensorArray([2, 3], [1, 2, 3, 4, 5, 6])])
    try run.expect(run.constants[0])
    var (graph, owners) = try run.graph()
    let flat = graph.add(.reshape([.fixed(6)]), [graph.outputs[0]])
    graph.outputs = [graph.add(.unary(.negative), [flat])]
    #expect(
      try graph.run([], lanes: 1, owners: owners).bits == (1...6).map { (-Float($0)).bitPattern })
  }

  /// What nobody reads is computed nevertheless: into memory that is large enough for all of it.
  @Test(arguments: 1...2)
  func unreadValuesHaveRoom(lanes: Int) throws {
    let graph = Self.graph { graph in
      let wide = graph.add(.expand([.fixed(5000), .fixed(4), .fixed(6)]), [0])
      graph.add(.transpose([1, 0, 2]), [wide])
      graph.add(.binary(.add), [wide, wide])
      graph.add(.reduce(.sum, axes: [2], keepsDimensions: false), [wide])
      return [graph.add(.unary(.negative), [0])]
    }
    var options = SessionOptions()
    options.threadCount = lanes
    let session = try Session(
      Model(ModelDescription(graph: graph, metadata: [], owner: [])), options: options)
    #expect(session.workspaceByteCount >= 2 * 5000 * 24 * 4)
    #expect(try Self.floats(graph, lanes: lanes) == Self.x.elements.map { Float(-$0) })
  }

  @Test func stepsAreReported() throws {
    let graph = Self.graph { graph in
      // Neither a constant's reshape nor dimensions of 1 that change places make a step.
      let image = graph.add(.reshape([.fixed(1), .fixed(1), .fixed(4), .fixed(6)]), [0])
      let moved = graph.add(.transpose([2, 0, 1, 3]), [image])
      let softmax = graph.add(.softmax(axis: 3, isLogarithm: false), [moved])
      let mapped = graph.add(.unary(.elu(alpha: 1)), [softmax])
      return [graph.add(.transpose([3, 1, 2, 0]), [mapped])]
    }
    var options = SessionOptions()
    options.threadCount = 1
    options.isProfiling = true
    let session = try Session(
      Model(ModelDescription(graph: graph, metadata: [], owner: [])), options: options)
    #expect(session.kernelReport.map(\.operation) == ["tensor.softmax", "activation", "tensor.transpose"])
    #expect(session.kernelReport.map(\.kernel)[2] == "portable")
    try Self.x.bits.withUnsafeBytes { data in
      try session.setInput(0, data: data.baseAddress, elementType: .float32, shape: [4, 6], rank: 2)
    }
    try session.run()
    #expect(session.profile.allSatisfy { $0.rows > 0 })
  }
}
