import SoniqGraph

/// When a run needs what a node makes. What nothing but one side of a selection by a single number reads is needed only in
/// runs in which the number selects that side: so one of two branches is done, and nothing in the file says which nodes
/// are whose.
struct Demand {
  /// A single int32 is not 0, or it is.
  struct Condition: Hashable {
    var value: ValueID
    var isTrue: Bool
  }
  /// By node: what must all hold. Each condition is made before the node, wherever those before it in the list hold.
  private(set) var conditions: [[Condition]]
  /// More are not looked at: the node is done in more runs than need be.
  private static let maximumDepth = 16

  /// * keptValues: are needed in every run.
  init(_ graph: Graph, keptValues: [ValueID]) {
    conditions = [[Condition]](repeating: [], count: graph.nodes.count)
    // nil where no node has been found that reads the value.
    var demands = [[Condition]?](repeating: nil, count: graph.values.count)
    for value in graph.outputs + keptValues { demands[value] = [] }
    for case .recurrent(_, let next) in graph.states.map(\.kind) { demands[next] = [] }
    var makers = [Int](repeating: -1, count: graph.values.count)
    for (index, node) in graph.nodes.enumerated() {
      for output in node.outputs { makers[output] = index }
    }
    for index in graph.nodes.indices.reversed() {
      let node = graph.nodes[index]
      let readers = node.outputs.compactMap { demands[$0] }
      // A node that nobody needs is done as it always was; one with a state changes it.
      var demand = readers.dropFirst().reduce(readers.first ?? []) { Self.common($0, $1) }
      if node.operation.changesState { demand = [] }
      conditions[index] = Array(demand.prefix { makers[$0.value] < index })
      let selector = Self.selector(node, graph)
      for (place, input) in node.inputs.enumerated() {
        var needed = demand
        if let selector, place > 0, demand.count < Self.maximumDepth {
          let condition = Condition(value: selector, isTrue: place == 1)
          if !demand.contains(condition) { needed.append(condition) }
        }
        demands[input] = demands[input].map { Self.common($0, needed) } ?? needed
      }
    }
  }

  /// What a step needs that does several nodes.
  func conditions(ofNodes nodes: [Int]) -> [Condition] {
    guard let first = nodes.first else { return [] }
    return nodes.dropFirst().reduce(conditions[first]) { Self.common($0, conditions[$1]) }
  }

  private static func common(_ left: [Condition], _ right: [Condition]) -> [Condition] {
    zip(left, right).prefix { $0 == $1 }.map { $0.0 }
  }

  /// The one number that chooses between the inputs of a node.
  private static func selector(_ node: Node, _ graph: Graph) -> ValueID? {
    guard case .select = node.operation else { return nil }
    let value = graph.values[node.inputs[0]]
    return value.elementType == .int32 && value.shape.allSatisfy { $0 == .fixed(1) } ? node.inputs[0] : nil
  }
}

extension Operation {
  /// Whether it puts something into a state.
  fileprivate var changesState: Bool {
    if case .groupedAttention(let attention) = self { attention.keyState != nil } else { false }
  }
}
