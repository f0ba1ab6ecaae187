import SoniqCore
package import SoniqGraph
import SoniqQuantizers

/// Another node that multiplies by the same weights.
package struct LayerUse: Sendable {
  package let node: Int
  package let input: ValueID
  package let window: Window?
  package let firstChannel: Int
}

/// A linear layer, or one group of a convolution, of the float graph, weights copied out.
package struct LinearLayer: Sendable {
  package let node: Int
  package let constant: ConstantID
  package let name: String
  package let outputs: Int
  /// Input channels, of one tap and of this group.
  package let inputs: Int
  /// The window of a convolution; nil for a linear layer.
  package var window: Window?
  /// First input channel of the group.
  package var firstChannel = 0
  /// Whether its activations get fixed scales: pixels do.
  package var isStatic = false
  /// Row-major [outputs][taps][inputs].
  package var weights: [Float]
  package var bias: [Float]?
  /// The value that the layer multiplies.
  package let input: ValueID
  /// The other nodes and groups that use its weights: all are calibrated together.
  package var otherUses: [LayerUse] = []
  /// Index of the linear layer whose outputs, through elementwise functions only, are this layer's inputs
  /// and nobody else's: the channel order of this layer can be folded into its output order.
  package var producer: Int?

  package var taps: Int { window?.taps ?? 1 }
  /// Groups of channels with scales of their own have activations whose scales follow from each row.
  var canHaveGroups: Bool { window == nil && !isStatic }
  package var uses: [LayerUse] {
    [LayerUse(node: node, input: input, window: window, firstChannel: firstChannel)] + otherUses
  }
  /// The values that its uses multiply, each once.
  package var inputValues: [ValueID] { Set(uses.map(\.input)).sorted() }
}

/// A depthwise convolution of the float graph.
package struct DepthwiseLayer: Sendable {
  package let node: Int
  package let constant: ConstantID
  package let name: String
  package let channels: Int
  package let taps: Int
  /// Row-major [taps][channels].
  package internal(set) var weights: [Float]
  /// The values that it is applied to, each once, sorted.
  package fileprivate(set) var inputValues: [ValueID]
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
  package var depthwise: [DepthwiseLayer] = []
  /// Whether the graph has convolutions: then its first and last layer keep 8 bits.
  package var hasConvolutions = false
  private var linearsOfConstants: [ConstantID: Int] = [:]

  /// - Throws: `software` when a node's weights are not float ones.
  package init(_ graph: Graph) throws(PackError) {
    for (index, node) in graph.nodes.enumerated() {
      switch node.operation {
      case .linear(let linear): try add(index, node, graph, linear.matrix)
      case .recurrence(let recurrence):
        // Its products are of the hidden states, which are its first output but for the first and the last.
        let states = node.output
        try add(index, node, graph, recurrence.matrix, of: states, name: node.name + ".R")
        if let candidate = recurrence.candidate {
          try add(index, node, graph, candidate, of: states, name: node.name + ".R.candidate")
        }
      case .embedding(let embedding): try add(index, node, graph, embedding.table)
      case .convolution(let convolution):
        try addConvolution(index, node, convolution.window, convolution.weights, graph)
      case .depthwiseConvolution(let depthwise):
        let weights = depthwise.weights
        try addDepthwise(index, node, depthwise.window, graph.constants[weights], weights)
      default: continue
      }
    }
    findProducers(graph)
  }

  /// Whether a layer of these weights is there, which then has one use more.
  private mutating func share(_ constant: ConstantID, _ use: LayerUse) -> Bool {
    guard let index = linearsOfConstants[constant] else { return false }
    linears[index].otherUses.append(use)
    return true
  }

  private mutating func append(_ layer: LinearLayer) {
    linearsOfConstants[layer.constant] = linears.count
    linears.append(layer)
  }

  /// * of: what it multiplies; the node's input when nil.
  private mutating func add(
    _ index: Int, _ node: Node, _ graph: Graph, _ identifier: ConstantID, of value: ValueID? = nil,
    name: String? = nil
  ) throws(PackError) {
    let input = value ?? node.inputs[0]
    let use = LayerUse(node: index, input: input, window: nil, firstChannel: 0)
    if share(identifier, use) || tables.contains(where: { $0.constant == identifier }) { return }
    switch graph.constants[identifier] {
    // Packed by the importer, from a model that was quantised before.
    case .matrix, .depthwise, .table: return
    case .floatMatrix(let matrix):
      append(
        LinearLayer(
          node: index, constant: identifier, name: name ?? node.name, outputs: matrix.outputs,
          inputs: matrix.inputs, isStatic: graph.values[input].shape.count == 4,
          weights: matrix.rowMajor,
          bias: matrix.bias.map { Array($0.bound(to: Float.self).prefix(matrix.outputs)) },
          input: input, producer: nil))
    case .dense(let dense) where dense.shape.count == 2:
      tables.append(
        TableLayer(
          node: index, constant: identifier, name: node.name, rows: dense.shape[0],
          channels: dense.shape[1], weights: Array(dense.bytes.bound(to: Float.self))))
    default: throw PackError(.software, place: node.name, "is not a float layer")
    }
  }

  private mutating func addConvolution(
    _ index: Int, _ node: Node, _ window: Window, _ weights: [ConstantID], _ graph: Graph
  ) throws(PackError) {
    hasConvolutions = true
    for (group, constant) in weights.enumerated() {
      guard case .floatMatrix(let matrix) = graph.constants[constant] else { continue }
      let channels = matrix.inputs / window.taps
      let use = LayerUse(
        node: index, input: node.inputs[0], window: window, firstChannel: group * channels)
      if share(constant, use) { continue }
      append(
        LinearLayer(
          node: index, constant: constant,
          name: weights.count == 1 ? node.name : "\(node.name) group \(group)",
          outputs: matrix.outputs, inputs: channels, window: window, firstChannel: group * channels,
          isStatic: true, weights: matrix.rowMajor,
          bias: matrix.bias.map { Array($0.bound(to: Float.self).prefix(matrix.outputs)) },
          input: node.inputs[0], producer: nil))
    }
  }

  private mutating func addDepthwise(
    _ index: Int, _ node: Node, _ window: Window, _ constant: Constant, _ identifier: ConstantID
  ) throws(PackError) {
    hasConvolutions = true
    if let known = depthwise.firstIndex(where: { $0.constant == identifier }) {
      let values = Set(depthwise[known].inputValues + [node.inputs[0]])
      depthwise[known].inputValues = values.sorted()
      return
    }
    guard case .dense(let dense) = constant else { return }
    depthwise.append(
      DepthwiseLayer(
        node: index, constant: identifier, name: node.name, channels: dense.shape[1], taps: window.taps,
        weights: Array(dense.bytes.bound(to: Float.self)), inputValues: [node.inputs[0]]))
  }

  private mutating func findProducers(_ graph: Graph) {
    var uses = [Int](repeating: 0, count: graph.values.count)
    for node in graph.nodes { for input in node.inputs { uses[input] += 1 } }
    for output in graph.outputs { uses[output] += 1 }
    var makers: [ValueID: Node] = [:]
    for node in graph.nodes { for output in node.outputs { makers[output] = node } }
    // One channel order cannot serve several uses.
    for index in linears.indices where linears[index].window == nil && linears[index].otherUses.isEmpty {
      var value = linears[index].input
      while uses[value] == 1, let maker = makers[value], case .activation = maker.operation {
        value = maker.inputs[0]
      }
      guard uses[value] == 1, let maker = makers[value], case .linear(let linear) = maker.operation else {
        continue
      }
      linears[index].producer = linearsOfConstants[linear.matrix].flatMap { producer in
        linears[producer].otherUses.isEmpty ? producer : nil
      }
    }
  }

  /// Whether there is nothing to quantise.
  package var isEmpty: Bool { linears.isEmpty && tables.isEmpty && depthwise.isEmpty }

  /// The values that layers multiply, each once.
  package var inputs: [ValueID] {
    var seen: Set<ValueID> = []
    return (linears.flatMap { $0.uses.map(\.input) } + depthwise.flatMap(\.inputValues)).filter {
      seen.insert($0).inserted
    }
  }

  /// The first and the last node of all linear layers and convolutions.
  var endNodes: Set<Int> {
    let nodes = linears.flatMap { $0.uses.map(\.node) }
    guard let first = nodes.min(), let last = nodes.max() else { return [] }
    return [first, last]
  }

  /// The layers of these, which keep 8 bits in convolutional networks.
  package var ends: Set<Int> { ends(endNodes) }

  func ends(_ nodes: Set<Int>) -> Set<Int> {
    guard hasConvolutions else { return [] }
    return Set(linears.indices.filter { linears[$0].uses.contains { nodes.contains($0.node) } })
  }
}
