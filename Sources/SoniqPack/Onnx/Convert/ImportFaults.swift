/// The nodes that cannot be imported, all of them, and why.
struct ImportFaults {
  /// Names of nodes by operators that are not known.
  private var unknown: [String: [String]] = [:]
  /// Nodes of known operators, with what is wrong.
  private var others: [String] = []
  private var count = 0

  var isEmpty: Bool { count == 0 }

  mutating func add(_ words: String) {
    others.append(words)
    count += 1
  }

  /// Looks at the operator of a node and, where it is not known, at the nodes of its branches.
  ///
  /// Returns whether it is known.
  mutating func isKnown(_ node: OnnxNode) -> Bool {
    guard OnnxOperators.converter(of: node) == nil else { return true }
    addUnknown(node, name: node.name)
    return false
  }

  private mutating func addUnknown(_ node: OnnxNode, name: String) {
    unknown[node.typeName, default: []].append(name)
    count += 1
    for attribute in node.attributes.values.sorted(by: { $0.name < $1.name }) {
      for graph in (attribute.hasG ? [attribute.g] : []) + attribute.graphs {
        // Messages are nested 32 deep at most.
        for inner in graph.node.map(OnnxNode.init) where OnnxOperators.converter(of: inner) == nil {
          addUnknown(inner, name: "\(name)/\(inner.name)")
        }
      }
    }
  }

  /// One line: unknown operators by name with their nodes, then the others.
  var message: String {
    var parts: [String] = []
    if !unknown.isEmpty {
      let types = unknown.sorted { $0.key < $1.key }.map { type, names in
        "\(type) (\(names.count): \(names.joined(separator: ", ")))"
      }
      parts.append(
        "unknown " + (unknown.count == 1 ? "operator " : "operators ") + types.joined(separator: ", "))
    }
    parts += others
    return "\(count == 1 ? "1 node" : "\(count) nodes") cannot be imported: " + parts.joined(separator: "; ")
  }
}
