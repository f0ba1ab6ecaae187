import SoniqGraph

/// Powers of 2 as products, which are the same bits and a tenth of the time.
enum Squares: DraftPass {
  static func run(_ draft: inout DraftGraph) throws(PackError) {
    let matcher = PatternMatcher(draft)
    for index in draft.nodes.indices {
      let node = draft.nodes[index]
      guard case .tensor(.binary(let binary)) = node.operation, binary.function == .power,
        UniformValue.of(node.inputs[1], matcher) == 2, draft.values[node.inputs[0]].elementType == .float32,
        draft.shape(node.inputs[0]) == draft.shape(node.output)
      else { continue }
      draft.nodes[index].operation = .tensor(.binary(.multiply))
      draft.nodes[index].inputs = [node.inputs[0], node.inputs[0]]
    }
  }
}
