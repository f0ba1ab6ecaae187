/// Functions that a model defines, put in the place of the nodes that call them.
struct OnnxFunctions {
  private let functions: [String: FunctionProto]
  private let path: String
  private static let maximumDepth = 32

  init(_ file: OnnxFile) {
    var functions: [String: FunctionProto] = [:]
    for function in file.model.functions {
      functions[Self.key(function.domain, function.name, function.overload)] = function
    }
    self.functions = functions
    path = file.path
  }

  private static func key(_ domain: String, _ name: String, _ overload: String) -> String {
    "\(domain)\u{0}\(name)\u{0}\(overload)"
  }

  func inlined(_ nodes: [NodeProto]) throws(PackError) -> [OnnxNode] {
    var result: [OnnxNode] = []
    var calls = 0
    for node in nodes { try inline(node, depth: 0, calls: &calls, into: &result) }
    return result
  }

  private func inline(
    _ node: NodeProto, depth: Int, calls: inout Int, into result: inout [OnnxNode]
  ) throws(PackError) {
    guard let function = functions[Self.key(node.domain, node.opType, node.overload)] else {
      result.append(OnnxNode(node))
      guard result.count <= OnnxGraph.maximumNodes else {
        throw PackError(.data, file: path, "more than \(OnnxGraph.maximumNodes) nodes")
      }
      return
    }
    calls += 1
    guard depth < Self.maximumDepth, calls <= OnnxGraph.maximumNodes else {
      throw PackError(
        .data, file: path, place: "function \(function.name)", "functions call each other without end")
    }
    let prefix = "\(node.output.first ?? node.name)/"
    var names: [String: String] = [:]
    for (index, input) in function.input.enumerated() {
      names[input] = index < node.input.count ? node.input[index] : ""
    }
    for (index, output) in function.output.enumerated() {
      if index < node.output.count, !node.output[index].isEmpty { names[output] = node.output[index] }
    }
    var attributes: [String: AttributeProto] = [:]
    for attribute in function.attributeProto { attributes[attribute.name] = attribute }
    for attribute in node.attribute { attributes[attribute.name] = attribute }
    for inner in function.node {
      try inline(
        Self.renamed(inner, names: names, prefix: prefix, attributes: attributes), depth: depth + 1,
        calls: &calls, into: &result)
    }
  }

  /// A node of a function's body, with the caller's names and attributes.
  private static func renamed(
    _ node: NodeProto, names: [String: String], prefix: String, attributes: [String: AttributeProto]
  ) -> NodeProto {
    func name(_ inner: String) -> String { inner.isEmpty ? "" : names[inner] ?? prefix + inner }
    func body(_ graph: GraphProto) -> GraphProto {
      var copy = graph
      copy.node = graph.node.map { renamed($0, names: names, prefix: prefix, attributes: attributes) }
      for index in copy.input.indices { copy.input[index].name = name(graph.input[index].name) }
      for index in copy.output.indices { copy.output[index].name = name(graph.output[index].name) }
      for index in copy.initializer.indices {
        copy.initializer[index].name = name(graph.initializer[index].name)
      }
      return copy
    }
    var copy = node
    copy.input = node.input.map(name)
    copy.output = node.output.map(name)
    copy.name = node.name.isEmpty ? "" : prefix + node.name
    copy.attribute = node.attribute.compactMap { attribute in
      guard attribute.hasRefAttrName else {
        guard attribute.hasG || !attribute.graphs.isEmpty else { return attribute }
        var value = attribute
        if attribute.hasG { value.g = body(attribute.g) }
        value.graphs = attribute.graphs.map(body)
        return value
      }
      guard var value = attributes[attribute.refAttrName] else { return nil }
      value.name = attribute.name
      return value
    }
    return copy
  }
}
