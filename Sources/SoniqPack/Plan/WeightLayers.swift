import SoniqCore
package import SoniqGraph
import SoniqQuantizers

/// A linear layer of the float graph, weights copied out.
package struct LinearLayer: Sendable {
  package let node: Int
  package let constant: ConstantID
  package let name: String
  package let outputs: Int
  package let inputs: Int
  /// Row-major [outputs][inputs].
  package var weights: [Float]
  package var bias: [Float]?
  /// The value that the layer multiplies.
  package let input: ValueID
  /// Index of the linear layer whose outputs, through elementwise functions only, are this layer's inputs
  /// and nobody else's: the channel order of this layer can be folded into its output order.
  package var producer: Int?
}

/// An embedding table of the float graph.
package struct TableLayer: Sendable {
  package let node: Int
  package let constant: ConstantID
  package let name: String
  package let rows: Int
  package let channels: Int
  /// Row-major [rows][channels].
  package let weights: [Float]
}

/// Every weight of a float graph.
package struct WeightLayers: Sendable {
  package var linears: [LinearLayer] = []
  package var tables: [TableLayer] = []

  /// - Throws: `software` when two nodes share a matrix: one channel order cannot serve both.
  package init(_ graph: Graph) throws(PackError) {
    var owners: [ConstantID: String] = [:]
    for (index, node) in graph.nodes.enumerated() {
      let constant: ConstantID
      switch node.operation {
      case .linear(let matrix): constant = matrix
      case .embedding(let table): constant = table
      default: continue
      }
      if let owner = owners.updateValue(node.name, forKey: constant) {
        throw PackError(.software, place: node.name, "shares its weights with \(owner)")
      }
      try add(index, node, graph.constants[constant], constant)
    }
    findProducers(graph)
  }

  private mutating func add(
    _ index: Int, _ node: Node, _ constant: Constant, _ identifier: ConstantID
  ) throws(PackError) {
    switch constant {
    case .floatMatrix(let matrix):
      linears.append(
        LinearLayer(
          node: index, constant: identifier, name: node.name, outputs: matrix.outputs,
          inputs: matrix.inputs, weights: matrix.rowMajor,
          bias: matrix.bias.map { Array($0.bound(to: Float.self).prefix(matrix.outputs)) },
          input: node.inputs[0], producer: nil))
    case .dense(let dense) where dense.shape.count == 2:
      tables.append(
        TableLayer(
          node: index, constant: identifier, name: node.name, rows: dense.shape[0],
          channels: dense.shape[1], weights: Array(dense.bytes.bound(to: Float.self))))
    default: throw PackError(.software, place: node.name, "is not a float layer")
    }
  }

  private mutating func findProducers(_ graph: Graph) {
    var uses = [Int](repeating: 0, count: graph.values.count)
    for node in graph.nodes { for input in node.inputs { uses[input] += 1 } }
    for output in graph.outputs { uses[output] += 1 }
    var makers: [ValueID: Node] = [:]
    for node in graph.nodes { makers[node.output] = node }
    for index in linears.indices {
      var value = linears[index].input
      while uses[value] == 1, let maker = makers[value], case .activation = maker.operation {
        value = maker.inputs[0]
      }
      guard uses[value] == 1, let maker = makers[value], case .linear(let matrix) = maker.operation else {
        continue
      }
      linears[index].producer = linears.firstIndex { $0.constant == matrix }
    }
  }

  /// The values that linear layers multiply, each once.
  package var inputs: [ValueID] {
    var seen: Set<ValueID> = []
    return linears.map(\.input).filter { seen.insert($0).inserted }
  }
}
