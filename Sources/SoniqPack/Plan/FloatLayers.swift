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
    let graph = packed
    for constant in constants(packedBytes: { Self.bytes($0, graph) }) {
      packed.constants[constant] = model.constants[constant]
    }
  }

  /// The constants that stay float32.
  /// * packedBytes: what a constant takes when it is packed.
  func constants(packedBytes: (ConstantID) -> Int) -> Set<ConstantID> {
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
        let used = Set(constants)
        let packed = used.reduce(0) { $0 + packedBytes($1) }
        guard isTied || packed > used.reduce(0, { $0 + Self.bytes($1, model) }) else { continue }
        restored.formUnion(constants)
        isChanged = true
      }
    }
    return restored
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
    case .recurrence(let recurrence): [recurrence.matrix] + (recurrence.candidate.map { [$0] } ?? [])
    case .convolution(let convolution): convolution.weights
    case .depthwiseConvolution(let depthwise): [depthwise.weights]
    default: []
    }
  }

  static func bytes(_ constant: ConstantID, _ graph: Graph) -> Int {
    if case .dense(let dense) = graph.constants[constant] { return dense.bytes.count }
    return WeightAccount(graph.constants[constant])?.byteCount ?? 0
  }
}
