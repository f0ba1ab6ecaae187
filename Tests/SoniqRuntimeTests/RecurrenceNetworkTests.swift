import SoniqCore
import SoniqGraph
import SoniqTestSupport
import Testing

@testable import SoniqRuntime

/// Recurrences between linear layers, one behind the other, whole and in pieces: bit for bit by the definition.
@Suite struct RecurrenceNetworkTests {
  private static func layer(
    _ cell: RecurrentCell, hidden: Int, resetsBefore: Bool = false, _ generator: inout SeededGenerator
  ) -> SyntheticRecurrence {
    SyntheticRecurrence(
      RecurrenceTests.made(cell), [.affine(.symmetric(4), hidden)], resetsBefore: resetsBefore,
      using: &generator)
  }

  /// x [batch, time, inputs] -> linear -> recurrence, twice, -> linear of the last hidden state.
  private struct Network {
    var graph = Graph()
    let input = 10
    let hidden = 24
    let linears: [SyntheticLevels]
    let layers: [SyntheticRecurrence]
    /// Hidden and cell states of both layers.
    var states: [ValueID] = []
    var last: [ValueID] = []

    init(_ cell: RecurrentCell, hasStates: Bool, _ generator: inout SeededGenerator) throws {
      let hidden = hidden
      layers = (0..<2).map { _ in
        RecurrenceNetworkTests.layer(cell, hidden: hidden, resetsBefore: cell == .gru, &generator)
      }
      let sizes = [(input, hidden * cell.gates), (hidden, hidden * cell.gates), (hidden, 5)]
      linears = sizes.map { inputs, outputs in
        SyntheticLevels(
          outputs: outputs, [.affine(.symmetric(8), inputs)], shuffled: false, using: &generator)
      }
      graph.symbols = [Symbol(name: "batch", maximum: 4), Symbol(name: "time", maximum: 12)]
      let shape: [Dimension] = [.symbol(0), .symbol(1), .fixed(input)]
      graph.values = [Value(name: "x", elementType: .float32, shape: shape)]
      graph.inputs = [GraphInput(value: 0)]
      graph.constants = linears.map { .matrix($0.packed) } + layers.flatMap(\.constants)
      graph.constantNames = graph.constants.indices.map { "constant\($0)" }
      var (value, constant) = (0, 3)
      for (index, layer) in layers.enumerated() {
        value = graph.add(.linear(matrix: index), [value])
        var operation = layer.operation
        operation.matrix = constant
        if operation.candidate != nil { operation.candidate = constant + 1 }
        constant += layer.constants.count
        value = try add(operation, value, hasStates: hasStates)
      }
      let final = graph.add(.linear(matrix: 2), [last[last.count - (cell == .lstm ? 2 : 1)]])
      graph.outputs = [value, final]
      try graph.validate()
    }

    private mutating func add(
      _ recurrence: Recurrence, _ part: ValueID, hasStates: Bool
    ) throws -> ValueID {
      var operation = recurrence
      var inputs = [part]
      if hasStates {
        operation.hasHidden = true
        operation.hasCell = operation.cell == .lstm
        for _ in 1..<operation.outputCount {
          let shape: [Dimension] = [.symbol(0), .fixed(hidden)]
          graph.values.append(
            Value(name: "before\(graph.values.count)", elementType: .float32, shape: shape))
          inputs.append(graph.values.count - 1)
          states.append(graph.values.count - 1)
          // What a node may read, until the one that replaces it is known.
          graph.states.append(
            GraphState(
              name: "state\(graph.states.count)", elementType: .float32, shape: shape,
              kind: .recurrent(value: graph.values.count - 1, next: 0)))
        }
      }
      let outputs = try graph.addAll(.recurrence(operation), inputs)
      last += outputs[1...]
      for (state, next) in zip(graph.states.indices.suffix(inputs.count - 1), outputs[1...]) {
        graph.states[state].kind = .recurrent(value: inputs[1 + state % (inputs.count - 1)], next: next)
      }
      return outputs[0]
    }

    var owners: [AnyObject] { linears.flatMap(\.owners) + layers.flatMap(\.owners) }

    func session(lanes: Int) throws -> Session {
      var options = SessionOptions()
      options.threadCount = lanes
      return try Session(
        Model(ModelDescription(graph: graph, metadata: [], owner: owners)), options: options)
    }

    /// The bits of both outputs by the definition.
    func expected(_ x: [[[Float]]]) -> [[UInt32]] {
      let start = SyntheticRecurrence.State(
        hidden: [Float](repeating: 0, count: hidden), cell: [Float](repeating: 0, count: hidden))
      var results: [[UInt32]] = [[], []]
      for entry in x {
        var rows = entry
        var end = start
        for (linear, layer) in zip(linears, layers) {
          (rows, end) = layer.run(rows.map { linear.product($0) }, from: start)
        }
        results[0] += rows.flatMap { $0.map(\.bitPattern) }
        results[1] += linears[2].product(end.hidden).map(\.bitPattern)
      }
      return results
    }
  }

  private static func run(_ session: Session, _ x: [[[Float]]]) throws -> [[UInt32]] {
    try x.flatMap { $0.flatMap { $0 } }.withUnsafeBytes {
      try session.setInput(
        0, data: $0.baseAddress, elementType: .float32,
        shape: [x.count, x[0].count, x[0][0].count].map(Int64.init), rank: 3)
    }
    try session.run()
    return try (0..<2).map { try session.floats(session.output($0)).map(\.bitPattern) }
  }

  private static func sequence(_ batch: Int, _ time: Int, _ generator: inout SeededGenerator) -> [[[Float]]] {
    (0..<batch).map { _ in
      (0..<time).map { _ in (0..<10).map { _ in Float.random(in: -2...2, using: &generator) } }
    }
  }

  @Test(arguments: RecurrenceTests.cells, 1...3) func oneBehindTheOther(cell: RecurrentCell, lanes: Int)
    throws
  {
    var generator = SeededGenerator(seed: 9810)
    let network = try Network(cell, hasStates: false, &generator)
    let session = try network.session(lanes: lanes)
    for (batch, time) in [(1, 1), (4, 12), (2, 5)] {
      let x = Self.sequence(batch, time, &generator)
      #expect(try Self.run(session, x) == network.expected(x), "\(batch) x \(time)")
    }
  }

  /// States that live in the session: pieces of any length give the bits of the whole.
  @Test(arguments: RecurrenceTests.cells, 1...2) func piecesAreTheWhole(cell: RecurrentCell, lanes: Int)
    throws
  {
    var generator = SeededGenerator(seed: 9811)
    let network = try Network(cell, hasStates: true, &generator)
    let session = try network.session(lanes: lanes)
    let x = Self.sequence(3, 12, &generator)
    let whole = network.expected(x)
    let width = network.hidden
    for length in [1, 5, 7, 12] {
      session.states.reset()
      var pieces = [[UInt32]](repeating: [], count: x.count)
      var last: [UInt32] = []
      for begin in stride(from: 0, to: 12, by: length) {
        let steps = begin..<min(12, begin + length)
        let result = try Self.run(session, x.map { Array($0[steps]) })
        for entry in x.indices {
          pieces[entry] += result[0][entry * steps.count * width..<(entry + 1) * steps.count * width]
        }
        last = result[1]
      }
      #expect(pieces.flatMap { $0 } == whole[0], "pieces of \(length)")
      #expect(last == whole[1], "pieces of \(length)")
    }
  }
}
