import SoniqCore
import SoniqGraph
import SoniqQuantizers

/// Products with powers of two before depthwise convolutions, whose channels would share one step of activations though
/// some are far smaller than others. The weights of a channel are divided by its factor, which changes no float.
struct EvenChannels {
  /// By the weights of a convolution: a factor for each channel.
  private(set) var factors: [ConstantID: [Float]] = [:]

  /// The convolution and the sample of what it multiplies, with even channels where that is worth a pass over them.
  mutating func even(_ layer: DepthwiseLayer, _ sample: ActivationSample) -> (
    DepthwiseLayer, ActivationSample
  ) {
    guard let factors = sample.evenFactors, factors.count == layer.channels else { return (layer, sample) }
    self.factors[layer.constant] = factors
    return (layer.divided(by: factors), sample.scaled(by: factors))
  }

  /// Puts the products into the graph.
  func insert(into graph: inout Graph, store: ConstantStore) {
    guard !factors.isEmpty else { return }
    var (nodeNames, valueNames, constantNames) = (StoredNames(), StoredNames(), StoredNames())
    for node in graph.nodes { _ = nodeNames.unique(node.name) }
    for value in graph.values { _ = valueNames.unique(value.name) }
    for name in graph.constantNames { _ = constantNames.unique(name) }
    var nodes: [Node] = []
    for var node in graph.nodes {
      if case .depthwiseConvolution(let depthwise) = node.operation, let factors = factors[depthwise.weights]
      {
        let (input, factor, product) = (node.inputs[0], graph.values.count, graph.values.count + 1)
        let bytes = store.store(factors)
        graph.constants.append(
          .dense(DenseConstant(elementType: .float32, shape: [factors.count], bytes: bytes)))
        graph.constantNames.append(constantNames.unique(node.name + ".factors"))
        let own = node.name
        func add(_ word: String, _ operation: Operation, _ inputs: [ValueID], _ shape: [Dimension]) {
          let name = valueNames.unique(own + word)
          nodes.append(
            Node(
              name: nodeNames.unique(own + word), operation: operation, inputs: inputs,
              output: graph.values.count))
          graph.values.append(Value(name: name, elementType: .float32, shape: shape))
        }
        add(".factors", .constant(graph.constants.count - 1), [], [.fixed(factors.count)])
        add(".even", .binary(.multiply), [input, factor], graph.values[input].shape)
        node.inputs[0] = product
      }
      nodes.append(node)
    }
    graph.nodes = nodes
  }
}

extension DepthwiseLayer {
  fileprivate func divided(by factors: [Float]) -> DepthwiseLayer {
    var layer = self
    for index in layer.weights.indices { layer.weights[index] /= factors[index % channels] }
    return layer
  }
}
