import SoniqGraph

/// Moves transposes of what is computed element by element from narrow values to those values: planes of bytes change their
/// places as bytes, and the floats behind them are made where they are read.
struct TransposeRaising: DraftPass {
  private var draft: DraftGraph
  private let makers: [Int?]
  private let uses: [Int]

  static func run(_ draft: inout DraftGraph) throws(PackError) {
    var pass = TransposeRaising(draft)
    let nodes = draft.nodes
    pass.draft.nodes = []
    for node in nodes {
      if case .tensor(.transpose(let transpose)) = node.operation,
        let chain = pass.chain(above: node.inputs[0], nodes, transpose.permutation)
      {
        pass.raise(node, transpose.permutation, above: chain)
      } else {
        pass.draft.nodes.append(node)
      }
    }
    draft = pass.draft
  }

  private init(_ draft: DraftGraph) {
    self.draft = draft
    makers = draft.makers()
    uses = draft.useCounts()
  }

  /// The nodes that make a value of a narrow one, the last first; each has no other reader. Nil where something else is
  /// between.
  private func chain(
    above value: ValueID, _ nodes: [DraftNode], _ permutation: [Int]
  ) -> [(node: DraftNode, source: ValueID)]? {
    var chain: [(node: DraftNode, source: ValueID)] = []
    var value = value
    while draft.values[value].elementType.isComputed {
      guard value < makers.count, uses[value] == 1, let maker = makers[value],
        let source = source(of: nodes[maker], permutation)
      else { return nil }
      chain.append((nodes[maker], source))
      value = source
    }
    return chain.isEmpty ? nil : chain
  }

  /// The input whose elements a node computes one by one, where the transpose may as well be before it.
  private func source(of node: DraftNode, _ permutation: [Int]) -> ValueID? {
    switch node.operation {
    case .element(let function) where function.kind.isActivation:
      guard let last = permutation.last, case .fixed = draft.shape(node.output)[last] else { return nil }
      return node.inputs[0]
    case .element, .tensor(.cast), .tensor(.unary), .tensor(.pad): return node.inputs[0]
    case .tensor(.binary):
      let others = node.inputs.filter { draft.known($0) == nil }
      guard others.count == 1, node.inputs.count == 2, draft.shape(others[0]) == draft.shape(node.output)
      else {
        return nil
      }
      return others[0]
    default: return nil
    }
  }

  private mutating func raise(
    _ transpose: DraftNode, _ permutation: [Int], above chain: [(node: DraftNode, source: ValueID)]
  ) {
    guard let top = chain.last?.source else { return }
    var value = draft.append(
      transpose.name, transpose.operation, [top], permutation.map { draft.shape(top)[$0] },
      type: draft.values[top].elementType)
    for (index, (node, source)) in chain.enumerated().reversed() {
      let inputs = node.inputs.map { $0 == source ? value : turned($0, permutation) }
      var operation = node.operation
      if case .tensor(.pad(var pad)) = operation {
        (pad.before, pad.after) = (permutation.map { pad.before[$0] }, permutation.map { pad.after[$0] })
        operation = .tensor(.pad(pad))
      }
      if index == 0 {
        draft.nodes.append(
          DraftNode(name: node.name, operation: operation, inputs: inputs, output: transpose.output))
      } else {
        let output = draft.values[node.output]
        value = draft.append(
          node.name, operation, inputs, permutation.map { output.shape[$0] }, type: output.elementType)
        draft.values[value].name = output.name
      }
    }
  }

  /// A constant that broadcasts, as what is transposed meets it.
  private mutating func turned(_ value: ValueID, _ permutation: [Int]) -> ValueID {
    guard let known = draft.known(value), known.count > 1 else { return value }
    let wide = known.reshaped(
      [Int](repeating: 1, count: permutation.count - known.shape.count) + known.shape)
    return draft.constant(wide.transposed(permutation), name: draft.values[value].name)
  }
}
