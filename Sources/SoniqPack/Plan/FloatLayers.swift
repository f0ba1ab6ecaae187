import SoniqCore
import SoniqGraph

/// Layers that would take more bytes packed than as float32, because their few channels and outputs are padded, stay
/// float32.
struct FloatLayers {
  private let model: Graph
  private let layers: WeightLayers

  init(_ model: Graph, _ layers: WeightLayers) {
    self.model = model
    self.layers = layers
  }

  /// Puts the float constants back where the packed ones are no smaller.
  func restore(_ packed: inout Graph) {
    let fixed = reordered
    var restored = Set<ConstantID>()
    var isChanged = true
    // A node's constants are all of one kind, and nodes may share some of them.
    while isChanged {
      isChanged = false
      for node in model.nodes {
        let constants = weights(node)
        guard !constants.isEmpty, !restored.isSuperset(of: constants), fixed.isDisjoint(with: constants)
        else { continue }
        let isTied = !restored.isDisjoint(with: constants)
        guard isTied || bytes(constants, packed) > bytes(constants, model) else { continue }
        restored.formUnion(constants)
        isChanged = true
      }
    }
    for constant in restored { packed.constants[constant] = model.constants[constant] }
  }

  /// Constants whose channels or outputs lie in another order than in the model.
  private var reordered: Set<ConstantID> {
    var result = Set<ConstantID>()
    for layer in layers.linears {
      guard let producer = layer.producer else { continue }
      result.insert(layer.constant)
      result.insert(layers.linears[producer].constant)
    }
    return result
  }

  private func weights(_ node: Node) -> [ConstantID] {
    switch node.operation {
    case .linear(let linear): [linear.matrix]
    case .convolution(let convolution): convolution.weights
    case .depthwiseConvolution(let depthwise): [depthwise.weights]
    default: []
    }
  }

  private func bytes(_ constants: [ConstantID], _ graph: Graph) -> Int {
    Set(constants).reduce(0) { sum, constant in
      if case .dense(let dense) = graph.constants[constant] { return sum + dense.bytes.count }
      return sum + (WeightAccount(graph.constants[constant])?.byteCount ?? 0)
    }
  }
}
