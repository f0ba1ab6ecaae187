import SoniqGraph

/// The float matrices of a graph that multiply the same values: what these hold calibrates all of them.
struct MatrixReaders: Sendable {
  /// More than one where nodes share their weights.
  let inputs: [ValueID]
  let channels: Int
  private(set) var constants: [ConstantID]

  /// Of second moments, which are made once.
  var momentBytes: Int { channels * channels * MemoryLayout<Float>.stride }

  /// Those of linear layers, in the order of the graph.
  /// * isChosen: whether a constant is to be among them.
  static func all(_ graph: Graph, where isChosen: (ConstantID) -> Bool) -> [MatrixReaders] {
    var constants: [ConstantID] = []
    var inputs: [ConstantID: [ValueID]] = [:]
    for node in graph.nodes {
      guard case .linear(let linear) = node.operation, case .floatMatrix = graph.constants[linear.matrix],
        isChosen(linear.matrix)
      else { continue }
      if inputs[linear.matrix] == nil { constants.append(linear.matrix) }
      if inputs[linear.matrix]?.contains(node.inputs[0]) != true {
        inputs[linear.matrix, default: []].append(node.inputs[0])
      }
    }
    var all: [MatrixReaders] = []
    for constant in constants {
      guard case .floatMatrix(let matrix) = graph.constants[constant], let values = inputs[constant] else {
        continue
      }
      if let known = all.firstIndex(where: { $0.inputs == values }) {
        all[known].constants.append(constant)
      } else {
        all.append(MatrixReaders(inputs: values, channels: matrix.inputs, constants: [constant]))
      }
    }
    return all
  }

  /// Portions of at most so many bytes of moments, or of one value with more, in order.
  static func portions(_ readers: [MatrixReaders], momentBytes most: Int) -> [[MatrixReaders]] {
    var portions: [[MatrixReaders]] = []
    var bytes = 0
    for reader in readers {
      if portions.isEmpty || bytes + reader.momentBytes > most {
        portions.append([])
        bytes = 0
      }
      portions[portions.count - 1].append(reader)
      bytes += reader.momentBytes
    }
    return portions
  }
}

extension ModelDescription {
  /// The nodes up to the last that makes one of some values, which becomes the output: what comes behind is neither stored
  /// nor computed.
  func cut(behind values: [ValueID]) -> ModelDescription {
    func attends(_ node: Node) -> Bool { if case .groupedAttention = node.operation { true } else { false } }
    let makers = graph.nodes.indices.filter { node in
      graph.nodes[node].outputs.contains { values.contains($0) }
    }
    guard let maker = makers.last, let output = graph.nodes[maker].outputs.first(where: values.contains)
    else {
      return self
    }
    // Positions are counted in what the first attention keeps.
    let last = max(maker, graph.states.isEmpty ? 0 : graph.nodes.firstIndex(where: attends) ?? 0)
    var cut = self
    cut.graph.nodes.removeSubrange((last + 1)...)
    cut.graph.outputs = [output]
    guard graph.states.allSatisfy(\.isGrowing) else { return self }
    let states = cut.graph.nodes.reduce(graph.states.isEmpty ? 0 : 1) { count, node in
      guard case .groupedAttention(let attention) = node.operation else { return count }
      return max(count, (attention.keyState ?? 0) + 1, (attention.valueState ?? 0) + 1)
    }
    cut.graph.states.removeSubrange(min(states, graph.states.count)...)
    return cut
  }
}

extension GraphState {
  fileprivate var isGrowing: Bool { if case .growing = kind { true } else { false } }
}
