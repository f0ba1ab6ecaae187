import SoniqCore
import SoniqGraph
import SoniqTestSupport
import Testing

@testable import SoniqRuntime

/// Steps that only one side of a selection needs are done only in runs that take that side.
@Suite struct DemandTests {
  private static func values(_ count: Int) -> Graph {
    var graph = Graph()
    for index in 0..<count {
      graph.values.append(Value(name: "v\(index)", elementType: .float32, shape: [.fixed(2), .fixed(8)]))
    }
    return graph
  }

  private static func add(
    _ graph: inout Graph, _ operation: SoniqGraph.Operation, _ inputs: [ValueID], _ output: ValueID
  ) {
    graph.nodes.append(
      Node(name: "n\(graph.nodes.count)", operation: operation, inputs: inputs, output: output))
  }

  /// Values: 0 the first condition, 1 the second, 2 what is computed with.
  private static func branches() -> Graph {
    var graph = values(11)
    for condition in 0..<2 {
      graph.values[condition].elementType = .int32
      graph.values[condition].shape = [.fixed(1)]
    }
    for input in 0..<3 { graph.inputs.append(GraphInput(value: input)) }
    add(&graph, .activation(.relu), [2], 3)  // both sides
    add(&graph, .activation(.tanh), [3], 4)  // first: true, second: true
    add(&graph, .activation(.silu), [3], 5)  // first: true, second: false
    add(&graph, .select, [1, 4, 5], 6)  // first: true
    add(&graph, .activation(.sigmoid), [3], 7)  // first: false
    add(&graph, .activation(.geluErf), [7], 8)  // first: false
    add(&graph, .select, [0, 6, 8], 9)
    add(&graph, .add, [9, 3], 10)
    graph.outputs = [10]
    return graph
  }

  private static func words(_ demand: Demand) -> [String] {
    demand.conditions.map { $0.map { "\($0.value)\($0.isTrue ? "+" : "-")" }.joined(separator: " ") }
  }

  @Test func whatOnlyOneSideReads() {
    let graph = Self.branches()
    #expect(
      Self.words(Demand(graph, keptValues: [])) == ["", "0+ 1+", "0+ 1-", "0+", "0-", "0-", "", ""])
    #expect(
      Self.words(Demand(graph, keptValues: [7])) == ["", "0+ 1+", "0+ 1-", "0+", "", "0-", "", ""],
      "a value to keep is made in every run")
    var read = graph
    read.outputs.append(4)
    #expect(Self.words(Demand(read, keptValues: []))[1] == "")
  }

  /// What a node needs must be known before it.
  @Test func conditionsThatAreMadeLater() {
    var graph = Self.values(5)
    graph.values[0].shape = [.fixed(1), .fixed(1)]
    graph.values[2].shape = [.fixed(1), .fixed(1)]
    graph.values[2].elementType = .int32
    graph.inputs = [GraphInput(value: 0), GraphInput(value: 1)]
    Self.add(&graph, .activation(.relu), [1], 3)
    Self.add(&graph, .cast(.int32), [0], 2)
    Self.add(&graph, .select, [2, 3, 1], 4)
    graph.outputs = [4]
    #expect(Self.words(Demand(graph, keptValues: [])) == ["", "", ""])
    graph.nodes.swapAt(0, 1)
    #expect(Self.words(Demand(graph, keptValues: [])) == ["", "2+", ""])
  }

  /// A condition of several numbers takes from both sides.
  @Test func conditionsOfSeveralNumbers() {
    var graph = Self.branches()
    graph.values[0].shape = [.fixed(2), .fixed(1)]
    #expect(Self.words(Demand(graph, keptValues: []))[4] == "")
  }

  /// Keeping all values makes every step needed: the outputs have the same bits, and without it some steps are left out.
  @Test func sameBitsAsWithEveryStepDone() throws {
    let seed: UInt64 = 20261128
    var generator = SeededGenerator(seed: seed)
    var skipped = 0
    for round in 0..<24 {
      let random = RandomGraph(
        nodes: Int.random(in: 4...40, using: &generator), conditions: 3, using: &generator)
      let description = random.description
      let all = description.graph.nodes.map(\.output).filter { !description.graph.outputs.contains($0) }
      let inputs = description.graph.inputs.dropFirst(3).map { input in
        let shape = description.graph.values[input.value].shape.map { description.graph.maximum($0) }
        return TensorArray.random(shape, using: &generator)
      }
      for choice in 0..<8 {
        let conditions = (0..<3).map { TensorArray([1], [Double(choice >> $0 & 1)], .int32) }
        var expected: [[UInt32]]?
        for lanes in 1...3 {
          for isLazy in [false, true] {
            let run = try Self.run(description, conditions + inputs, kept: isLazy ? [] : all, lanes: lanes)
            #expect(
              run.bits == expected ?? run.bits,
              "seed \(seed), round \(round), choice \(choice), \(lanes) lanes")
            expected = expected ?? run.bits
            if isLazy { skipped += run.skipped } else { #expect(run.skipped == 0) }
          }
        }
      }
    }
    #expect(skipped > 300)
  }

  private static func run(
    _ description: ModelDescription, _ inputs: [TensorArray], kept: [ValueID], lanes: Int
  ) throws -> (bits: [[UInt32]], skipped: Int) {
    var options = SessionOptions()
    options.threadCount = lanes
    options.keptValues = kept
    options.isProfiling = true
    let session = try Session(try Model(description), options: options)
    for (index, input) in inputs.enumerated() {
      try input.bytes.withUnsafeBytes { data in
        try session.setInput(
          index, data: data.baseAddress, elementType: HostElementType(input.type),
          shape: input.shape.map(Int64.init), rank: input.shape.count)
      }
    }
    try session.run()
    let bits = try description.graph.outputs.indices.map { index in
      let output = try session.output(index)
      return ElementType.float32.patterns(output.data, output.shape.reduce(1, *))
    }
    return (bits, session.profile.count { $0.rows == 0 })
  }
}
