/// Which nodes make and use the names of a graph: for operators that are told by what follows them.
struct OnnxUses {
  private let nodes: [OnnxNode]
  private var makers: [String: Int] = [:]
  private var users: [String: [Int]] = [:]
  private let outputs: Set<String>

  init(_ nodes: [OnnxNode], outputs: [String]) {
    self.nodes = nodes
    self.outputs = Set(outputs)
    for (index, node) in nodes.enumerated() {
      for name in node.outputs where !name.isEmpty { makers[name] = index }
      for name in node.needs where !name.isEmpty { users[name, default: []].append(index) }
    }
  }

  func maker(of name: String) -> OnnxNode? { makers[name].map { nodes[$0] } }

  /// All nodes that use a name; nil for an output of the graph.
  func users(of name: String) -> [OnnxNode]? {
    outputs.contains(name) ? nil : users[name, default: []].map { nodes[$0] }
  }

  /// The node that alone uses a name; nil where there are others, or it is an output of the graph.
  func onlyUser(of name: String) -> OnnxNode? {
    guard !outputs.contains(name), let list = users[name], list.count == 1 else { return nil }
    return nodes[list[0]]
  }
}
