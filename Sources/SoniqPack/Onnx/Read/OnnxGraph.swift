/// The part of a graph that its outputs need: every name is made once and before it is used. The model's own, or the
/// body of a branch or loop, which also sees the names around it.
struct OnnxGraph {
  var nodes: [OnnxNode]
  var inputs: [ValueInfoProto]
  var outputs: [ValueInfoProto]
  var initializers: [String: TensorProto]

  static let maximumNodes = 1 << 16

  /// - Throws: `data` when a name is made twice or by nothing, or when nodes form a cycle.
  init(_ file: OnnxFile) throws(PackError) {
    try self.init(file.model.graph, of: file) { _ in false }
    let constants = initializers
    inputs = inputs.filter { constants[$0.name] == nil }
  }

  /// A body.
  /// * isVisible: whether a name is made around it.
  init(
    _ graph: GraphProto, of file: OnnxFile, isVisible: (String) -> Bool
  ) throws(PackError) {
    func fail(_ place: String, _ message: String) -> PackError {
      PackError(.data, file: file.path, place: place, message)
    }
    if let sparse = graph.sparseInitializer.first {
      throw fail("tensor \(sparse.values.name)", "sparse tensors are not supported")
    }
    initializers = [:]
    for tensor in graph.initializer {
      guard initializers.updateValue(tensor, forKey: tensor.name) == nil else {
        throw fail("tensor \(tensor.name)", "the name is used twice")
      }
    }
    inputs = graph.input
    outputs = graph.output
    guard !outputs.isEmpty else { throw fail("graph \(graph.name)", "it has no outputs") }
    let all = try OnnxFunctions(file).inlined(graph.node)
    var makers: [String: Int] = [:]
    var given = Set(initializers.keys)
    // The oldest models list their weights among the inputs.
    for input in inputs where initializers[input.name] == nil {
      guard given.insert(input.name).inserted else {
        throw fail("input \(input.name)", "the name is used twice")
      }
    }
    for (index, node) in all.enumerated() {
      for output in node.outputs where !output.isEmpty {
        guard !given.contains(output), makers.updateValue(index, forKey: output) == nil else {
          throw fail("node \(node.name)", "it makes \"\(output)\", which is made already")
        }
      }
    }
    // A name that is made here hides the same name around it.
    let seen = all.flatMap(\.needs) + outputs.map(\.name)
    given.formUnion(seen.filter { makers[$0] == nil && isVisible($0) })
    let order = try Self.order(all, makers, given, outputs.map(\.name), fail)
    nodes = order.map { all[$0] }
  }

  /// The nodes that the outputs need, each after those it needs. Depth first, with a stack of its own: the depth of
  /// a graph must not be limited by the thread's stack.
  private static func order(
    _ nodes: [OnnxNode], _ makers: [String: Int], _ given: Set<String>, _ outputs: [String],
    _ fail: (String, String) -> PackError
  ) throws(PackError) -> [Int] {
    enum State { case new, open, done }
    var states = [State](repeating: .new, count: nodes.count)
    var order: [Int] = []
    for output in outputs {
      guard let root = makers[output] else {
        guard given.contains(output) else { throw fail("output \(output)", "no node makes it") }
        continue
      }
      var stack: [(node: Int, next: Int)] = [(root, 0)]
      if states[root] == .new { states[root] = .open } else { continue }
      while let top = stack.last {
        let node = nodes[top.node]
        guard top.next < node.needs.count else {
          states[top.node] = .done
          order.append(top.node)
          stack.removeLast()
          continue
        }
        stack[stack.count - 1].next += 1
        let name = node.needs[top.next]
        if name.isEmpty || given.contains(name) { continue }
        guard let maker = makers[name] else {
          throw fail(
            "node \(node.name)", "its input \"\(name)\" is made by no node and is no input of the graph")
        }
        guard states[maker] != .open else {
          throw fail("node \(node.name)", "it is part of a cycle through \"\(name)\"")
        }
        if states[maker] == .new {
          states[maker] = .open
          stack.append((maker, 0))
        }
      }
    }
    return order
  }
}
