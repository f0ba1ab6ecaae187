import SoniqGraph

/// Parts of an axis that was split to cut them, as in x.view(batch, positions, 3, heads, length)[:, :, 1]: cut from the
/// axis before it is split.
enum SliceOfSplit: DraftPass {
  static func run(_ draft: inout DraftGraph) throws(PackError) {
    let matcher = PatternMatcher(draft)
    let nodes = draft.nodes
    draft.nodes = []
    for node in nodes {
      guard let (source, cut) = cut(node, matcher) else {
        draft.nodes.append(node)
        continue
      }
      let prefix = draft.shape(source).dropLast()
      let ranges = prefix.map { _ in SliceRange(begin: 0, step: 1, count: nil) } + [cut]
      let part = draft.append(
        node.name + ".part", .tensor(.slice(ranges)), [source], prefix + [cut.count ?? .fixed(0)],
        type: draft.values[source].elementType)
      let target = Operation.reshape(draft.shape(node.output))
      draft.nodes.append(
        DraftNode(name: node.name, operation: .tensor(target), inputs: [part], output: node.output))
    }
  }

  /// What has the axis whole, and the range of it that the node takes.
  private static func cut(_ node: DraftNode, _ matcher: PatternMatcher) -> (ValueID, SliceRange)? {
    guard case .tensor(.slice(let slice)) = node.operation, let source = matcher.reshaped(node.inputs[0])
    else { return nil }
    let (whole, split) = (matcher.draft.shape(source), matcher.draft.shape(node.inputs[0]))
    let axis = whole.count - 1
    let ranges = slice.ranges
    guard axis > 0, split.count > whole.count, split[..<axis] == whole[..<axis],
      case .fixed(let length) = whole[axis], case .fixed(let parts) = split[axis], parts > 0,
      ranges[axis].step == 1, ranges[axis].beginSymbol == nil, case .fixed(let count)? = ranges[axis].count
    else { return nil }
    for (place, range) in ranges.enumerated() where place != axis {
      let isWhole = range.count == nil || split[place] == range.count
      guard isWhole, range.begin == 0, range.beginSymbol == nil, range.step == 1 else { return nil }
    }
    let inner = length / parts
    return (source, SliceRange(begin: ranges[axis].begin * inner, step: 1, count: count * inner))
  }
}
