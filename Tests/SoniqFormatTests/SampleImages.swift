import SoniqGraph

extension SampleModels {
  /// The convolutions of version 2, and what else has a window, over images whose height and width a run says.
  static func images() -> ModelDescription {
    let model = convolutions()
    var graph = model.graph
    graph.symbols += [Symbol(name: "height", maximum: 40), Symbol(name: "width", maximum: 9)]
    graph.values[0].shape = [.symbol(0), .fixed(4), .symbol(1), .symbol(2)]
    // Every value one further: the convolutions begin with a transposition from planes.
    for index in graph.nodes.indices {
      graph.nodes[index].inputs = graph.nodes[index].inputs.map { $0 + 1 }
      graph.nodes[index].output += 1
    }
    graph.values.insert(Value(name: "pixels", elementType: .float32, shape: [.fixed(1)]), at: 1)
    graph.nodes.insert(
      Node(name: "transpose", operation: .transpose([0, 2, 3, 1]), inputs: [0], output: 1), at: 0)
    let windowed: [(String, Operation)] = [
      ("pool", .pool(.average, Window(height: 2, width: 3, strides: (1, 2), padding: (0, 1, 1, 0)))),
      ("pad", .pad(.reflect, before: [0, 1, 0, 0], after: [0, 0, 3, 0], value: 0)),
    ]
    for (name, operation) in windowed {
      let output = graph.values.count
      graph.values.append(Value(name: name, elementType: .float32, shape: [.fixed(1)]))
      graph.nodes.append(Node(name: name, operation: operation, inputs: [output - 1], output: output))
    }
    for node in graph.nodes.indices { graph.shape(node) }
    graph.outputs = [graph.values.count - 1]
    return ModelDescription(graph: graph, metadata: [("general.name", .text("images"))], owner: model.owner)
  }
}

extension Graph {
  /// Gives a node's output the shape that is inferred, with symbols for sizes that have none.
  fileprivate mutating func shape(_ node: Int) {
    while true {
      do throws(GraphError) {
        values[nodes[node].output].shape = try inferredOutput(ofNode: node).shape
        return
      } catch {
        guard let size = error.missingSize, define(size) != nil else { return }
      }
    }
  }
}
