import SoniqCore
import SoniqGraph

extension SampleModels {
  /// Two branches within one of two, as an importer makes them of `If`: selections by single numbers.
  static func branches() -> ModelDescription {
    let constants = SampleConstants()
    var graph = Graph()
    graph.symbols = [Symbol(name: "batch", maximum: 4)]
    let rows: [Dimension] = [.symbol(0), .fixed(8)]
    for name in ["outer", "inner"] {
      graph.inputs.append(GraphInput(value: graph.values.count))
      graph.values.append(Value(name: name, elementType: .int32, shape: [.fixed(1)]))
    }
    graph.inputs.append(GraphInput(value: 2))
    graph.values.append(Value(name: "input", elementType: .float32, shape: rows))
    for (index, code) in [WeightCode.symmetric(8), .bipolar(2)].enumerated() {
      graph.constants.append(
        .matrix(
          constants.matrix(
            outputs: 8, [(Level(weight: code, activation: dynamic8), 8)], gather: false, bias: index == 1)))
      graph.constantNames.append("matrix \(index)")
    }
    func add(_ name: String, _ operation: Operation, _ inputs: [ValueID]) -> ValueID {
      graph.nodes.append(
        Node(name: name, operation: operation, inputs: inputs, output: graph.values.count))
      graph.values.append(Value(name: name, elementType: .float32, shape: rows))
      return graph.values.count - 1
    }
    let shared = add("shared", .activation(.relu), [2])
    let first = add("then.then", .linear(matrix: 0), [shared])
    let second = add("then.else", .activation(.tanh), [add("then.else.linear", .linear(matrix: 1), [shared])])
    let then = add("then", .select, [1, first, second])
    let other = add("else", .activation(.sigmoid), [add("else.linear", .linear(matrix: 1), [2])])
    graph.outputs = [add("joined", .select, [0, then, other]), add("nested", .select, [1, first, shared])]
    return ModelDescription(
      graph: graph, metadata: [("general.name", .text("branches"))], owner: constants.owners)
  }
}
