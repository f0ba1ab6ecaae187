import SoniqCore
import SoniqGraph
import SoniqTestSupport
import Testing

@testable import SoniqRuntime

/// States that every run replaces.
@Suite struct RecurrentStateTests {
  /// total + x, with the total of the runs before; and the number of runs.
  private static func graph() throws -> Graph {
    var graph = Graph()
    graph.symbols = [Symbol(name: "batch", maximum: 3)]
    let shape: [Dimension] = [.symbol(0), .fixed(4)]
    graph.values = [
      Value(name: "x", elementType: .float32, shape: shape),
      Value(name: "total", elementType: .float32, shape: shape),
      Value(name: "count", elementType: .int32, shape: [.fixed(1)]),
      Value(name: "picks", elementType: .int32, shape: [.symbol(0)]),
    ]
    graph.inputs = [GraphInput(value: 0), GraphInput(value: 3)]
    let one = AlignedBuffer(copying: [Int32(1)])
    graph.constants = [.dense(DenseConstant(elementType: .int32, shape: [1], bytes: ConstantBytes(one)))]
    graph.constantNames = ["one"]
    let total = graph.add(.add, [1, 0])
    let count = graph.add(.binary(.add), [2, graph.add(.constant(0), [])])
    // Fails when an index is out of range, after the sums are made.
    let picked = graph.add(.gather(axis: 0), [total, 3])
    // The state itself, under another shape.
    let before = graph.add(.reshape([.symbol(0), .fixed(2), .fixed(2)]), [1])
    graph.outputs = [graph.add(.unary(.negative), [picked]), count, graph.add(.unary(.negative), [before])]
    graph.states = [
      GraphState(name: "total", elementType: .float32, shape: shape, kind: .recurrent(value: 1, next: total)),
      GraphState(
        name: "count", elementType: .int32, shape: [.fixed(1)], kind: .recurrent(value: 2, next: count)),
    ]
    try graph.validate()
    kept.append(one)
    return graph
  }
  nonisolated(unsafe) private static var kept: [AnyObject] = []

  private static func session(lanes: Int = 1) throws -> Session {
    var options = SessionOptions()
    options.threadCount = lanes
    return try Session(
      Model(ModelDescription(graph: graph(), metadata: [], owner: [])), options: options)
  }

  /// The outputs of a run: what is picked, the count, what was before.
  private static func run(_ session: Session, _ x: [Float], picks: [Int32]) throws -> (
    [Float], Int32, [Float]
  ) {
    try x.withUnsafeBytes {
      try session.setInput(
        0, data: $0.baseAddress, elementType: .float32, shape: [Int64(picks.count), 4], rank: 2)
    }
    try session.set(1, picks, [picks.count])
    try session.run()
    let count = try session.output(1).data.load(as: Int32.self)
    return (try session.floats(session.output(0)), count, try session.floats(session.output(2)))
  }

  @Test(arguments: 1...3) func runsReplaceThem(lanes: Int) throws {
    let session = try Self.session(lanes: lanes)
    let x: [Float] = [1, 2, 3, 4, 5, 6, 7, 8]
    for run in 1...3 {
      let (picked, count, before) = try Self.run(session, x, picks: [1, 0])
      #expect(picked == (x[4...] + x[..<4]).map { -Float(run) * $0 })
      #expect(count == Int32(run))
      #expect(before == x.map { -Float(run - 1) * $0 })
    }
    // A run that fails after they were computed.
    #expect(throws: RuntimeError.self) { try Self.run(session, x, picks: [0, 9]) }
    #expect(try Self.run(session, x, picks: [0, 1]).1 == 4)
    let error = #expect(throws: RuntimeError.self) { try Self.run(session, [1, 1, 1, 1], picks: [0]) }
    #expect(error?.code == .stateSizeDiffers && error?.subject == "total")
    session.states.reset()
    let (picked, count, before) = try Self.run(session, [1, 1, 1, 1], picks: [0])
    #expect(picked == [-1, -1, -1, -1] && count == 1 && before == [-0.0, -0.0, -0.0, -0.0])
  }

  @Test func theyCannotBeTruncated() throws {
    let session = try Self.session()
    let error = #expect(throws: RuntimeError.self) { try session.states.truncate(to: 0) }
    #expect(error?.code == .cannotTruncate && error?.subject == "total")
  }

  @Test func theyAreSavedAndRestored() throws {
    let session = try Self.session()
    let x: [Float] = [1, 2, 3, 4]
    for _ in 0..<2 { _ = try Self.run(session, x, picks: [0]) }
    var saved = [UInt8](repeating: 0, count: session.states.copyByteCount)
    try saved.withUnsafeMutableBytes { try session.readStates(into: $0) }
    let other = try Self.session()
    _ = try Self.run(other, x + x, picks: [0, 0])
    try saved.withUnsafeBytes { try other.writeStates(from: $0) }
    let (picked, count, _) = try Self.run(other, x, picks: [0])
    #expect(picked == x.map { -3 * $0 } && count == 3)
    // To the start again.
    let fresh = try Self.session()
    var start = [UInt8](repeating: 0, count: fresh.states.copyByteCount)
    try start.withUnsafeMutableBytes { try fresh.readStates(into: $0) }
    try start.withUnsafeBytes { try other.writeStates(from: $0) }
    #expect(try Self.run(other, x + x, picks: [0, 0]).1 == 1)
    // Of a model with other states.
    let decoder = try Session(SyntheticDecoder(seed: 9420).model())
    #expect(throws: RuntimeError.self) { try saved.withUnsafeBytes { try decoder.writeStates(from: $0) } }
  }

  @Test func aModelWithoutStates() throws {
    var graph = Graph()
    graph.values = [Value(name: "x", elementType: .float32, shape: [.fixed(2)])]
    graph.inputs = [GraphInput(value: 0)]
    graph.outputs = [graph.add(.unary(.negative), [0])]
    let session = try Session(Model(ModelDescription(graph: graph, metadata: [], owner: [])))
    #expect(session.states.count == 0 && session.states.byteCount == 0)
    session.states.reset()
    let error = #expect(throws: RuntimeError.self) { try session.states.truncate(to: 0) }
    #expect(error?.code == .cannotTruncate)
  }

  // MARK: Graphs that are refused

  @Test func brokenStatesAreRefused() throws {
    func refused(_ field: String, _ code: GraphError.Code, _ change: (inout Graph) -> Void) throws {
      var graph = try Self.graph()
      change(&graph)
      let error = #expect(throws: GraphError.self, "\(field)") { try graph.validate() }
      #expect(error?.field == field && error?.code == code, "\(String(describing: error))")
    }
    func next(_ graph: Graph) -> ValueID {
      if case .recurrent(_, let next) = graph.states[0].kind { next } else { 0 }
    }
    try refused("states[1].name", .invalidName) { $0.states[1].name = "total" }
    try refused("states[0].value", .producedTwice) {
      $0.states[0].kind = .recurrent(value: 0, next: next($0))
    }
    try refused("states[1].value", .producedTwice) {
      $0.states[1].kind = .recurrent(value: 1, next: next($0))
    }
    try refused("states[0].value", .indexOutOfRange) { $0.states[0].kind = .recurrent(value: 99, next: 0) }
    try refused("states[0].next", .neverProduced) { $0.states[0].kind = .recurrent(value: 1, next: 0) }
    try refused("states[0].next", .indexOutOfRange) { $0.states[0].kind = .recurrent(value: 1, next: -1) }
    try refused("states[0].value", .shapeMismatch) { $0.states[0].shape = [.symbol(0), .fixed(5)] }
    try refused("states[0].value", .elementTypeMismatch) {
      ($0.states[0].elementType, $0.states[0].bits) = (.float16, 16)
    }
    try refused("states[1].elementType", .elementTypeMismatch) { $0.states[1].kind = .growing }
    try refused("states[0].shape", .shapeMismatch) { $0.states[0].kind = .growing }
  }

  @Test func brokenGrowthIsRefused() throws {
    func refused(_ field: String, _ code: GraphError.Code, _ change: (inout Graph) -> Void) {
      let decoder = SyntheticDecoder(seed: 9421)
      var graph = decoder.graph
      change(&graph)
      // The decoder owns the bytes of the graph's constants, and validation reads them.
      let error = withExtendedLifetime(decoder) {
        #expect(throws: GraphError.self, "\(field)") { try graph.validate() }
      }
      #expect(error?.field == field && error?.code == code, "\(String(describing: error))")
    }
    func attention(_ graph: inout Graph, _ change: (inout GroupedAttention) -> Void) {
      for index in graph.nodes.indices {
        guard case .groupedAttention(var attention) = graph.nodes[index].operation else { continue }
        change(&attention)
        graph.nodes[index].operation = .groupedAttention(attention)
        return
      }
    }
    refused("states[4]", .neverProduced) {
      $0.states.append($0.states[0])
      $0.states[4].name = "more"
    }
    refused("keyState", .producedTwice) { graph in
      for index in graph.nodes.indices {
        guard case .groupedAttention(var attention) = graph.nodes[index].operation else { continue }
        (attention.keyState, attention.valueState) = (0, 1)
        graph.nodes[index].operation = .groupedAttention(attention)
      }
    }
    refused("valueState", .invalidAttribute) { attention(&$0) { $0.valueState = nil } }
    refused("valueState", .invalidAttribute) { attention(&$0) { $0.valueState = 0 } }
    refused("keyState", .indexOutOfRange) { attention(&$0) { $0.keyState = 9 } }
    refused("isCausal", .invalidAttribute) { attention(&$0) { $0.isCausal = false } }
    refused("precision", .invalidAttribute) { attention(&$0) { $0.precision = .int8 } }
    refused("softcap", .invalidAttribute) { attention(&$0) { $0.softcap = -1 } }
    refused("window", .invalidAttribute) { attention(&$0) { $0.window = -1 } }
    refused("keyState", .shapeMismatch) { $0.states[0].shape[2] = .fixed(9) }
    refused("valueState", .shapeMismatch) { $0.states[1].shape[1] = .fixed(9) }
    refused("valueState", .shapeMismatch) { ($0.states[1].elementType, $0.states[1].bits) = (.float16, 16) }
    refused("states[1].bits", .invalidSize) { $0.states[1].bits = 16 }
    refused("valueState", .elementTypeMismatch) { graph in
      for index in 0..<2 { (graph.states[index].elementType, graph.states[index].bits) = (.int8, 8) }
      graph.states[1].bits = 6
    }
    refused("states[0].shape", .invalidSize) { $0.states[0].shape[1] = .fixed(maximumCapacity + 1) }
    refused("states[0].shape", .shapeMismatch) { $0.states[0].shape[1] = .symbol(1) }
    refused("states[0].shape", .invalidSize) { $0.states[0].shape[0] = .symbol(2) }
  }
}
