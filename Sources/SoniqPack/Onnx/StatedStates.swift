import SoniqGraph

/// An input and an output of a model that become a state of its sessions: `--state INPUT=OUTPUT`.
package struct StatePair: Sendable, Hashable {
  package var input: String
  package var output: String

  package init(input: String, output: String) { (self.input, self.output) = (input, output) }
}

/// Turns pairs of inputs and outputs into states that live between runs.
struct StatedStates {
  private var graph: Graph
  /// The model's names, by those in the graph, where they differ.
  private let fullNames: [String: String]

  /// - Throws: `usage` for a pair that the model does not have, or that cannot be a state.
  static func apply(
    _ pairs: [StatePair], to graph: Graph, fullNames: [String: String]
  ) throws(PackError) -> Graph {
    var states = StatedStates(graph: graph, fullNames: fullNames)
    for pair in pairs { try states.add(pair) }
    return states.graph
  }

  private func name(_ value: ValueID) -> String {
    let name = graph.values[value].name
    return fullNames[name] ?? name
  }

  private mutating func add(_ pair: StatePair) throws(PackError) {
    func fail(_ message: String) -> PackError {
      PackError(.usage, place: "--state \(pair.input)=\(pair.output)", message)
    }
    guard let place = graph.inputs.firstIndex(where: { name($0.value) == pair.input }) else {
      let others = graph.inputs.map { name($0.value) }.joined(separator: ", ")
      let isState = graph.states.contains { (fullNames[$0.name] ?? $0.name) == pair.input }
      throw fail(
        isState ? "the input is a state already" : "the model has no such input; it has \(others)")
    }
    let value = graph.inputs[place].value
    let taken = graph.states.compactMap { state -> ValueID? in
      if case .recurrent(_, let next) = state.kind { next } else { nil }
    }
    let known = graph.outputs + taken
    guard let next = known.first(where: { name($0) == pair.output }) else {
      let others = graph.outputs.map { name($0) }.joined(separator: ", ")
      throw fail("the model has no such output; it has \(others)")
    }
    guard !taken.contains(next) else { throw fail("the output replaces another state already") }
    let (before, after) = (graph.values[value], graph.values[next])
    guard before.elementType == after.elementType else {
      throw fail("the input is \(before.elementType), the output \(after.elementType)")
    }
    guard before.shape == after.shape else {
      throw fail("the input is \(words(before.shape)), the output \(words(after.shape))")
    }
    guard graph.inputs.count > 1 else { throw fail("the model would have no input left") }
    graph.inputs.remove(at: place)
    try requireBound(before.shape, fail)
    // A model has at least one output.
    if graph.outputs.count > 1 { graph.outputs.removeAll { $0 == next } }
    graph.states.append(
      GraphState(
        name: before.name, elementType: before.elementType, shape: before.shape,
        kind: .recurrent(value: value, next: next)))
  }

  /// Sizes that the input alone gave nobody gives now.
  private func requireBound(
    _ shape: [Dimension], _ fail: (String) -> PackError
  ) throws(PackError) {
    for case .symbol(let symbol) in shape where graph.symbols[symbol].definition == nil {
      let isGiven = graph.inputs.contains {
        $0.fill == nil && graph.values[$0.value].shape.contains(.symbol(symbol))
      }
      guard isGiven else {
        throw fail(
          "no other input has its size \(graph.symbols[symbol].name); fix it with --shape")
      }
    }
  }

  private func words(_ shape: [Dimension]) -> String {
    let sizes = shape.map { dimension in
      switch dimension {
      case .fixed(let size): "\(size)"
      case .symbol(let symbol): graph.symbols[symbol].name
      }
    }
    return "[" + sizes.joined(separator: ", ") + "]"
  }
}
