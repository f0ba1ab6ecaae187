import SoniqGraph

/// A transpose of the last two axes that an exporter writes with the axes before them merged into one, which may be a
/// product of dynamic sizes: they stay apart.
enum MergedTranspose: DraftPass {
  static func run(_ draft: inout DraftGraph) throws(PackError) {
    let matcher = PatternMatcher(draft)
    for index in draft.nodes.indices {
      let node = draft.nodes[index]
      guard case .tensor(.reshape(let reshape)) = node.operation, reshape.shape.count == 4,
        let merged = matcher.transposed(node.inputs[0], [0, 2, 1]), let source = matcher.reshaped(merged)
      else { continue }
      let shape = draft.shape(source)
      guard shape.count == 4, draft.shape(merged)[1] == shape[2], draft.shape(merged)[2] == shape[3],
        reshape.shape == [shape[0], shape[1], shape[3], shape[2]]
      else { continue }
      draft.nodes[index].operation = .tensor(.transpose([0, 1, 3, 2]))
      draft.nodes[index].inputs = [source]
    }
  }
}
