import SoniqCore
import SoniqGraph
import SoniqKernels
import SoniqTestSupport
import Testing

@testable import SoniqRuntime

/// Recurrences against `SyntheticRecurrence`, bit for bit, on every instruction set and with several lanes.
@Suite struct RecurrenceTests {
  static let cells: [RecurrentCell] = [.lstm, .gru, .rnn]

  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var operation: Recurrence
    var levels: [SyntheticLevel]
    var resetsBefore = false
    var shuffled = false
    var batch = 3
    var time = 5
    var testDescription: String { name }
  }

  static func made(_ cell: RecurrentCell, _ change: (inout Recurrence) -> Void = { _ in })
    -> Recurrence
  {
    var operation = Recurrence(cell, matrix: 0)
    change(&operation)
    return operation
  }
  private static func all(_ operation: inout Recurrence) {
    operation.hasHidden = true
    operation.hasCell = operation.cell == .lstm
    operation.hasLengths = true
  }

  static let cases: [Case] = [
    Case(name: "LSTM", operation: made(.lstm), levels: [.affine(.symmetric(8), 40)]),
    Case(
      name: "LSTM of 4 bits with everything", operation: made(.lstm, all),
      levels: [.affine(.symmetric(4), 33)]),
    Case(
      name: "LSTM backwards over two levels, coupled, clipped",
      operation: made(.lstm) {
        all(&$0)
        ($0.isReverse, $0.couplesForget, $0.clip, $0.isTimeMajor) = (true, true, 0.6, true)
      }, levels: [.affine(.symmetric(8), 16), .affine(.bipolar(2), 32)], shuffled: true),
    Case(
      name: "LSTM of other functions and a cell state alone",
      operation: made(.lstm) {
        ($0.gateFunction, $0.candidateFunction, $0.outputFunction) = (.relu, .sigmoid, .relu)
        ($0.hasCell, $0.clip) = (true, 1)
      }, levels: [.affine(.bipolar(1), 64, bits: 4)]),
    Case(
      name: "LSTM of groups", operation: made(.lstm, all),
      levels: [.symmetric(.symmetric(4), 64, groups: 32, .float16, by: 32)]),
    Case(
      name: "LSTM of fixed activations", operation: made(.lstm),
      levels: [SyntheticLevel.affine(.symmetric(3), 48).fixed(1 / 127.0, zero: 128)], batch: 2, time: 9),
    Case(
      name: "LSTM with peepholes", operation: made(.lstm) { $0.hasPeepholes = true },
      levels: [.affine(.symmetric(8), 40)]),
    Case(
      name: "LSTM backwards with everything and peepholes, clipped",
      operation: made(.lstm) {
        all(&$0)
        ($0.hasPeepholes, $0.isReverse, $0.isTimeMajor, $0.clip) = (true, true, true, 0.7)
      }, levels: [.affine(.symmetric(4), 24)]),
    Case(
      name: "LSTM with peepholes, coupled",
      operation: made(.lstm) { ($0.hasPeepholes, $0.couplesForget, $0.hasCell) = (true, true, true) },
      levels: [.affine(.symmetric(2), 32)]),
    Case(name: "GRU", operation: made(.gru), levels: [.affine(.symmetric(8), 24)]),
    Case(
      name: "GRU backwards with everything",
      operation: made(.gru) {
        all(&$0)
        ($0.isReverse, $0.clip) = (true, 0.8)
      }, levels: [.affine(.symmetric(2), 37)]),
    Case(
      name: "GRU that resets before", operation: made(.gru), levels: [.affine(.symmetric(4), 20)],
      resetsBefore: true),
    Case(
      name: "GRU that resets before, by time, with everything",
      operation: made(.gru) {
        all(&$0)
        ($0.isTimeMajor, $0.isReverse) = (true, true)
      }, levels: [.affine(.symmetric(8), 12), .affine(.symmetric(4), 20)], resetsBefore: true, shuffled: true),
    Case(
      name: "GRU of groups that resets before", operation: made(.gru, all),
      levels: [.symmetric(.symmetric(4), 48, groups: 16)], resetsBefore: true),
    Case(name: "RNN", operation: made(.rnn), levels: [.affine(.symmetric(8), 19)]),
    Case(
      name: "RNN of ReLU with everything",
      operation: made(.rnn) {
        all(&$0)
        ($0.candidateFunction, $0.clip) = (.relu, 0.5)
      }, levels: [.affine(.symmetric(5), 32)]),
    Case(
      name: "one step", operation: made(.lstm, all), levels: [.affine(.symmetric(8), 16)], batch: 1, time: 1),
    Case(
      name: "many entries", operation: made(.gru, all), levels: [.affine(.symmetric(8), 16)], batch: 37,
      time: 3),
  ]

  /// The host's numbers, and the graph that reads them straight.
  struct Setting {
    var recurrence: SyntheticRecurrence
    var graph = Graph()
    var inputs: [TensorArray] = []
    let (batch, time): (Int, Int)

    init(_ test: Case, _ generator: inout SeededGenerator) throws {
      recurrence = SyntheticRecurrence(
        test.operation, test.levels, resetsBefore: test.resetsBefore, shuffled: test.shuffled,
        using: &generator)
      (batch, time) = (test.batch, test.time)
      let operation = recurrence.operation
      let hidden = recurrence.hidden
      graph.symbols = [Symbol(name: "batch", maximum: 40), Symbol(name: "time", maximum: 10)]
      graph.constants = recurrence.constants
      graph.constantNames = recurrence.constants.indices.map { "matrix\($0)" }
      let channels = hidden * operation.cell.gates
      let sizes = operation.isTimeMajor ? [time, batch] : [batch, time]
      let symbols: [Dimension] = operation.isTimeMajor ? [.symbol(1), .symbol(0)] : [.symbol(0), .symbol(1)]
      add(symbols + [.fixed(channels)], .random(sizes + [channels], -2...2, using: &generator))
      for isThere in [operation.hasHidden, operation.hasCell] where isThere {
        add([.symbol(0), .fixed(hidden)], .random([batch, hidden], -1...1, using: &generator))
      }
      if operation.hasLengths {
        var lengths = TensorArray.integers([batch], 0...Int32(time), using: &generator)
        lengths.elements[batch - 1] = Double(time)
        add([.symbol(0)], lengths)
      }
      if operation.hasPeepholes {
        add([.fixed(3), .fixed(hidden)], .random([3, hidden], -1...1, using: &generator))
        recurrence.peepholes = inputs.last?.elements.map { Float($0) } ?? []
      }
      graph.outputs = try graph.addAll(.recurrence(operation), Array(inputs.indices))
      try graph.validate()
    }

    private mutating func add(_ shape: [Dimension], _ input: TensorArray) {
      graph.inputs.append(GraphInput(value: graph.values.count))
      graph.values.append(Value(name: "input\(inputs.count)", elementType: input.type, shape: shape))
      inputs.append(input)
    }

    private func row(_ entry: Int, _ position: Int) -> Int {
      recurrence.operation.isTimeMajor ? position * batch + entry : entry * time + position
    }

    /// The bits of all outputs.
    func expected() -> [[UInt32]] {
      let (operation, hidden) = (recurrence.operation, recurrence.hidden)
      let channels = hidden * operation.cell.gates
      var all = [Float](repeating: 0, count: batch * time * hidden)
      var (states, cells): ([Float], [Float]) = ([], [])
      for entry in 0..<batch {
        func start(_ input: Int?) -> [Float] {
          guard let input else { return [Float](repeating: 0, count: hidden) }
          return inputs[input].elements[entry * hidden..<(entry + 1) * hidden].map { Float($0) }
        }
        let length = operation.lengthsInput.map { Int(inputs[$0].elements[entry]) } ?? time
        let parts = (0..<length).map { position in
          let begin = row(entry, position) * channels
          return inputs[0].elements[begin..<begin + channels].map { Float($0) }
        }
        let result = recurrence.run(
          parts, from: .init(hidden: start(operation.hiddenInput), cell: start(operation.cellInput)))
        for (position, hiddenState) in result.all.enumerated() {
          let begin = row(entry, position) * hidden
          all.replaceSubrange(begin..<begin + hidden, with: hiddenState)
        }
        states += result.last.hidden
        cells += result.last.cell
      }
      return ([all, states] + (operation.cell == .lstm ? [cells] : [])).map { $0.map(\.bitPattern) }
    }
  }

  @Test(arguments: cases) func isWhatItsDocumentationSays(test: Case) throws {
    for seed in UInt64(9800)..<9803 {
      var generator = SeededGenerator(seed: seed)
      let setting = try Setting(test, &generator)
      let expected = setting.expected()
      for set in InstructionSet.underTest() {
        for lanes in 1...3 {
          let actual = try setting.graph.runAll(
            setting.inputs, lanes: lanes, owners: setting.recurrence.owners, maximumInstructionSet: set.name)
          for (index, bits) in expected.enumerated() {
            #expect(actual[index].bits == bits, "output \(index), seed \(seed), \(set), \(lanes) lanes")
          }
        }
      }
    }
  }

  @Test func lengthsThatAreOutOfRangeAreRefused() throws {
    var generator = SeededGenerator(seed: 9812)
    var setting = try Setting(
      Case(name: "", operation: Self.made(.gru, Self.all), levels: [.affine(.symmetric(8), 16)]), &generator)
    for length in [-1, 6, Int(Int32.min), Int(Int32.max)] {
      setting.inputs[2].elements[1] = Double(length)
      for lanes in 1...3 {
        let error = #expect(throws: RuntimeError.self) {
          try setting.graph.runAll(setting.inputs, lanes: lanes, owners: setting.recurrence.owners)
        }
        #expect(error?.code == .idOutOfRange && error?.position == 1 && error?.actual == length)
      }
    }
  }

  /// Float matrices: the packed ones written out, within rounding.
  @Test(arguments: cells, [false, true])
  func floatMatrices(cell: RecurrentCell, resetsBefore: Bool) throws {
    guard cell == .gru || !resetsBefore else { return }
    var generator = SeededGenerator(seed: 9813)
    var matrices: [SyntheticMatrix] = []
    func matrix(_ outputs: Int) -> Constant {
      matrices.append(
        SyntheticMatrix(
          outputs: outputs, inputs: 20, levels: [(.affine(8, 8), 20)], shuffled: false, using: &generator))
      return .floatMatrix(matrices[matrices.count - 1].float)
    }
    var operation = Self.made(cell)
    var setting = Graph()
    setting.constants = [matrix((cell.gates - (resetsBefore ? 1 : 0)) * 20)]
    if resetsBefore {
      setting.constants.append(matrix(20))
      operation.candidate = 1
    }
    setting.constantNames = setting.constants.indices.map { "matrix\($0)" }
    setting.values = [
      Value(
        name: "x", elementType: .float32, shape: [.fixed(2), .fixed(6), .fixed(20 * cell.gates)])
    ]
    setting.inputs = [GraphInput(value: 0)]
    setting.outputs = try setting.addAll(.recurrence(operation), [0])
    let x = TensorArray.random([2, 6, 20 * cell.gates], using: &generator)
    let one = try setting.runAll([x], lanes: 1, owners: matrices.flatMap(\.owners))
    var packed = setting
    packed.constants = matrices.map { .matrix($0.packed) }
    let close = try packed.runAll([x], lanes: 1, owners: matrices.flatMap(\.owners))
    for (left, right) in zip(one, close) {
      let distance = zip(left.bits, right.bits).map { abs(Float(bitPattern: $0) - Float(bitPattern: $1)) }
      #expect(distance.max() ?? 1 < 0.05)
    }
    for set in InstructionSet.underTest() {
      for lanes in 1...3 {
        let same = try setting.runAll(
          [x], lanes: lanes, owners: matrices.flatMap(\.owners), maximumInstructionSet: set.name)
        #expect(same.map(\.bits) == one.map(\.bits), "\(set), \(lanes) lanes")
      }
    }
  }
}
