/// The nodes that cannot be imported, all of them, and why.
struct ImportFaults {
  /// Bodies may call them.
  private let functions: OnnxFunctions
  /// Names of nodes by operators that are not known.
  private var unknown: [String: [String]] = [:]
  /// Nodes of known operators, with what is wrong.
  private var others: [String] = []
  private var count = 0

  init(functions: OnnxFunctions) { self.functions = functions }

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
    addUnknown(inside: node, name: name)
  }

  /// The nodes by unknown operators of a node's branches or body, which are not converted.
  mutating func addUnknown(inside node: OnnxNode) { addUnknown(inside: node, name: node.name) }

  private mutating func addUnknown(inside node: OnnxNode, name: String) {
    for graph in node.bodies {
      // Functions without end are an error elsewhere. Messages are nested 32 deep at most.
      for inner in (try? functions.inlined(graph.node)) ?? [] {
        if OnnxOperators.converter(of: inner) == nil {
          addUnknown(inner, name: "\(name)/\(inner.name)")
        } else {
          addUnknown(inside: inner, name: "\(name)/\(inner.name)")
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
