import SoniqGraph

/// What the names of a graph stand for, or those of the body of a branch or loop. A body also sees the names around it,
/// but for those that it has itself.
struct OnnxScope {
  /// Stands before the names of its nodes.
  var prefix = ""
  var named: [String: ValueID] = [:]
  /// Constants of the file that no node has asked for yet.
  var unread: [String: TensorProto] = [:]
  /// Names that are not there, as their nodes could not be converted.
  var missing: Set<String> = []
  var uses = OnnxUses([], outputs: [])
  /// Products whose scales are in their layers already, by the output of the Mul that would put them in.
  var scaledProducts: [String: ValueID] = [:]

  func has(_ name: String) -> Bool {
    named[name] != nil || unread[name] != nil || missing.contains(name)
  }
}

extension OnnxConversion {
  /// Reads the graph of a branch or loop.
  /// - Throws: `data` when the node has no such attribute, or the graph is malformed.
  func body(attribute: String) throws(PackError) -> OnnxGraph {
    guard let graph = node.graph(attribute) else { throw fault("it has no \(attribute)") }
    return try OnnxGraph(graph, of: file, isVisible: isVisible)
  }

  /// Lets a body be converted, several times if need be: its constants are read once.
  mutating func withConstants<Result>(
    of graph: OnnxGraph, _ convert: (inout OnnxConversion) throws(PackError) -> Result
  ) throws(PackError) -> Result {
    try file.externalData.requireFiles(of: graph.initializers.values.sorted { $0.name < $1.name })
    scopes.append(OnnxScope(prefix: scopes.last?.prefix ?? "", unread: graph.initializers))
    defer { scopes.removeLast() }
    return try convert(&self)
  }

  /// Converts a body in the place of its node, which becomes the node that is converted again.
  /// * prefix: stands before the names of its nodes.
  /// * inputs: what its own inputs are.
  /// - Returns: its outputs.
  /// - Throws: when a node of it cannot be converted; that is noted already.
  mutating func convertBody(
    _ graph: OnnxGraph, prefix: String, inputs: [ValueID]
  ) throws(PackError) -> [ValueID] {
    guard graph.inputs.count == inputs.count else {
      throw fault("its body takes \(graph.inputs.count) inputs, it is given \(inputs.count)")
    }
    let outer = node
    var scope = OnnxScope(prefix: prefix)
    for (input, value) in zip(graph.inputs, inputs) { scope.named[input.name] = value }
    scopes.append(scope)
    defer {
      scopes.removeLast()
      node = outer
    }
    convertNodes(graph)
    var outputs: [ValueID] = []
    for output in graph.outputs {
      guard !draft.needsSizes, !isMissing(output.name) else {
        isNoted = true
        throw PackError(.data, place: "node \(outer.name)", "its body cannot be converted")
      }
      outputs.append(try value(named: output.name))
    }
    return outputs
  }
}
