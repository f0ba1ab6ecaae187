import SoniqGraph

extension SampleModels {
  /// Sizes that follow from others, in every operation that makes them: files of version 3.
  static func sizes() -> ModelDescription {
    let constants = SampleConstants()
    var graph = Graph()
    let (half, last, begin, joined, area, height) = defineSizes(in: &graph)
    func add(
      _ name: String, _ operation: Operation, _ inputs: [ValueID], _ shape: [Dimension]
    ) -> ValueID {
      graph.values.append(Value(name: name, elementType: .float32, shape: shape))
      graph.nodes.append(
        Node(name: "make " + name, operation: operation, inputs: inputs, output: graph.values.count - 1))
      return graph.values.count - 1
    }
    let image: [Dimension] = [.fixed(1), .symbol(1), .symbol(0), .fixed(2)]
    graph.values = [
      Value(name: "image", elementType: .float32, shape: image),
      Value(name: "other", elementType: .float32, shape: [.symbol(half)]),
      Value(name: "third", elementType: .float32, shape: [.symbol(height)]),
    ]
    graph.constants = [.dense(constants.dense([2]))]
    graph.constantNames = ["bias"]
    let pooled = add(
      "pooled", .pool(.maximum, Window(height: 1, width: 3, strides: (1, 2))), [0],
      [.fixed(1), .symbol(1), .symbol(half), .fixed(2)])
    let both = add(
      "both", .concatenate(axis: 2), [0, pooled], [.fixed(1), .symbol(1), .symbol(joined), .fixed(2)])
    let flat = add("flat", .reshape([.symbol(area), .fixed(2)]), [0], [.symbol(area), .fixed(2)])
    let part = add(
      "part",
      .slice([
        .whole, .whole, SliceRange(begin: 0, beginSymbol: begin, step: -1, count: .symbol(last)),
        SliceRange(begin: 1, step: 1, count: 1),
      ]), [0], [.fixed(1), .symbol(1), .symbol(last), .fixed(1)])
    let resized = add(
      "resized",
      .resize(
        .nearest, .asymmetric, .floor, height: .symbol(1), width: .symbol(joined), scaleHeight: 1,
        scaleWidth: 0), [0], [.fixed(1), .symbol(1), .symbol(joined), .fixed(2)])
    let folded = add(
      "folded",
      .foldTaps(Window(height: 1, width: 1), height: .symbol(1), width: .symbol(0), bias: 0), [0], image)
    let doubled = add("doubled", .concatenate(axis: 0), [1, 1], [.symbol(height)])
    let sum = add("sum", .binary(.add), [doubled, 2], [.symbol(height)])
    graph.inputs = (0..<3).map { GraphInput(value: $0) }
    graph.outputs = [both, flat, part, resized, folded, sum]
    return ModelDescription(
      graph: graph, metadata: [("general.name", .text("sizes"))], owner: constants.owners)
  }

  /// Of the symbols 0 "width" and 1 "rows"; the last is a size of its own that equals another.
  private static func defineSizes(
    in graph: inout Graph
  ) -> (half: Int, last: Int, begin: Int, joined: Int, area: Int, height: Int) {
    graph.symbols = [Symbol(name: "width", maximum: 12), Symbol(name: "rows", maximum: 3, isOpen: true)]
    func size(_ function: SizeExpression.Function, _ terms: [SizeTerm], by divisor: Int = 1) -> Int {
      guard case .symbol(let symbol)? = graph.define(SizeExpression(function, terms, divisor: divisor)) else {
        return -1
      }
      return symbol
    }
    let half = size(.sum, [SizeTerm(1, [0]), SizeTerm(-1)], by: 2)
    let last = size(.minimum, [SizeTerm(1, [0]), SizeTerm(3)])
    let begin = size(.maximum, [SizeTerm(1, [0]), SizeTerm(4)])
    let joined = size(.sum, [SizeTerm(1, [0]), SizeTerm(1, [half])])
    let area = size(.sum, [SizeTerm(1, [0, 1])])
    graph.symbols.append(
      Symbol(name: "height", maximum: 12, equals: [SizeExpression([SizeTerm(2, [half])])]))
    let height = graph.symbols.count - 1
    return (half, last, begin, joined, area, height)
  }
}
