import SoniqCore
import SoniqGraph

extension SampleModels {
  /// Every cell, with all its inputs and with none, over a state: files of version 3.
  static func recurrence() -> ModelDescription {
    let constants = SampleConstants()
    let hidden = 8
    let code = Level(weight: .symmetric(4), activation: dynamic8)
    func matrix(_ outputs: Int, inputs: Int = 8) -> Constant {
      .matrix(constants.matrix(outputs: outputs, [(code, inputs)], bias: true))
    }
    var graph = Graph()
    graph.symbols = [Symbol(name: "batch", maximum: 3), Symbol(name: "time", maximum: 5)]
    func add(_ name: String, _ shape: [Dimension], _ type: ElementType = .float32) -> ValueID {
      graph.values.append(Value(name: name, elementType: type, shape: shape))
      return graph.values.count - 1
    }
    let (batch, time) = (Dimension.symbol(0), Dimension.symbol(1))
    func steps(_ name: String, _ channels: Int) -> ValueID { add(name, [time, batch, .fixed(channels)]) }
    func last(_ name: String) -> ValueID { add(name, [batch, .fixed(hidden)]) }
    let (x, lengths, before) = (steps("x", 8), add("lengths", [batch], .int32), last("before"))
    graph.constantNames = ["w", "memory", "gated", "reset", "candidate", "plain"]
    graph.constants = [
      matrix(4 * hidden), matrix(4 * hidden), matrix(3 * hidden), matrix(2 * hidden), matrix(hidden),
      .floatMatrix(constants.floatMatrix(outputs: hidden, inputs: hidden, bias: true)),
    ]
    var memory = Recurrence(.lstm, matrix: 1)
    (memory.isTimeMajor, memory.hasHidden, memory.hasCell, memory.hasLengths) = (true, true, true, true)
    (memory.couplesForget, memory.clip, memory.hasPeepholes) = (true, 2.5, true)
    var (gated, reset) = (Recurrence(.gru, matrix: 2), Recurrence(.gru, matrix: 3, candidate: 4))
    (gated.isTimeMajor, gated.isReverse) = (true, true)
    (reset.isTimeMajor, reset.hasLengths, reset.gateFunction) = (true, true, .relu)
    var plain = Recurrence(.rnn, matrix: 5)
    (plain.hasHidden, plain.candidateFunction, plain.isTimeMajor) = (true, .sigmoid, true)
    func node(_ name: String, _ operation: Recurrence, _ inputs: [ValueID]) -> [ValueID] {
      let all = [steps("\(name) all", hidden)]
      let ends = (1..<operation.outputCount).map { last("\(name) \($0)") }
      graph.nodes.append(
        Node(
          name: name, operation: .recurrence(operation), inputs: inputs, output: all[0], moreOutputs: ends))
      return all + ends
    }
    let part = steps("part", 4 * hidden)
    graph.nodes.append(Node(name: "project", operation: .linear(matrix: 0), inputs: [x], output: part))
    let peepholes = add("peepholes", [.fixed(3), .fixed(hidden)])
    let first = node("memory", memory, [part, before, before, lengths, peepholes])
    let three = steps("three", 3 * hidden)
    graph.nodes.append(
      Node(
        name: "join", operation: .concatenate(axis: 2), inputs: [first[0], first[0], first[0]], output: three)
    )
    let second = node("gated", gated, [three])
    let third = node("reset", reset, [three, lengths])
    let fourth = node("plain", plain, [third[0], before])
    graph.states = [
      GraphState(
        name: "state", elementType: .float32, shape: [batch, .fixed(hidden)],
        kind: .recurrent(value: before, next: first[1]))
    ]
    graph.inputs = [x, lengths, peepholes].map { GraphInput(value: $0) }
    graph.outputs = [first[2], second[0], third[1], fourth[0]]
    return ModelDescription(
      graph: graph, metadata: [("general.name", .text("recurrence"))], owner: constants.owners)
  }
}
