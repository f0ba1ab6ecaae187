import SoniqCore
import SoniqGraph
import Testing

/// Which shapes tensor operations take, and what they make of them. Symbol 0 is of an input of the graph, 1 of none.
@Suite struct TensorInferenceTests {
  typealias Shape = [Dimension]
  static let b = Dimension.symbol(0)
  static func fixed(_ sizes: Int...) -> Shape { sizes.map(Dimension.fixed) }

  /// The inferred output of one node, or why there is none.
  static func infer(
    _ operation: Operation, _ inputs: [Shape], _ type: ElementType = .float32
  ) -> Result<Shape, GraphError> {
    var graph = Graph()
    graph.symbols = [Symbol(name: "B", maximum: 4), Symbol(name: "C", maximum: 4)]
    graph.values = inputs.map { Value(name: "", elementType: type, shape: $0) }
    graph.values.append(Value(name: "batch", elementType: .float32, shape: [b]))
    graph.inputs = [GraphInput(value: inputs.count)]
    graph.nodes = [
      Node(name: "", operation: operation, inputs: Array(inputs.indices), output: inputs.count)
    ]
    return Result { () throws(GraphError) in try graph.inferredOutput(ofNode: 0).shape }
  }

  @Test func broadcastsSymbols() {
    let add = Operation.binary(.add)
    #expect(
      Self.infer(add, [[Self.b] + Self.fixed(1, 6), Self.fixed(4, 1)])
        == .success([Self.b] + Self.fixed(4, 6)))
    #expect(Self.infer(add, [Self.fixed(1), [Self.b]]) == .success([Self.b]))
    #expect(Self.infer(add, [[Self.b], [Self.b]]) == .success([Self.b]))
    for other in [Self.fixed(4), [.symbol(1)]] {
      #expect(Self.infer(add, [[Self.b], other]).failure?.code == .shapeMismatch)
    }
  }

  struct Refusal: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let code: GraphError.Code
    let operation: Operation
    let inputs: [Shape]
    let type: ElementType
    init(
      _ name: String, _ code: GraphError.Code, _ operation: Operation, _ inputs: [Shape],
      _ type: ElementType = .float32
    ) {
      testDescription = name
      self.code = code
      self.operation = operation
      self.inputs = inputs
      self.type = type
    }
  }

  static let most = Int(Int32.max)

  @Test(arguments: [
    Refusal("one operand", .wrongInputCount, .binary(.add), [fixed(2)]),
    Refusal("truth of reals", .elementTypeMismatch, .binary(.and), [fixed(2), fixed(2)]),
    Refusal("slope of integers", .elementTypeMismatch, .binary(.prelu), [fixed(2), fixed(2)], .int32),
    Refusal(
      "a running sum along no axis", .invalidAttribute,
      .cumulate(axis: 1, isExclusive: false, isReversed: false), [fixed(2)]),
    Refusal("NaN as a bound", .invalidAttribute, .unary(.clip(low: .nan, high: 1)), [fixed(2)]),
    Refusal("infinite slope", .invalidAttribute, .unary(.leakyRelu(alpha: .infinity)), [fixed(2)]),
    Refusal("an axis twice", .notAPermutation, .transpose([0, 0]), [fixed(2, 3)]),
    Refusal("shape of an unbound symbol", .indexOutOfRange, .reshape([.symbol(1), b]), [[b, .symbol(1)]]),
    Refusal("size for a symbol", .shapeMismatch, .reshape(fixed(4)), [[b]]),
    Refusal("elements beyond Int", .invalidSize, .reshape(fixed(most, most, most, most)), [fixed(2)]),
    Refusal("size 0", .invalidSize, .reshape(fixed(0)), [fixed(2)]),
    Refusal("symbol of no input", .indexOutOfRange, .expand([.symbol(1)]), [fixed(1)]),
    Refusal("expansion to less", .shapeMismatch, .expand(fixed(1)), [fixed(2)]),
    Refusal("length of a join that is no size", .undefinedSize, .concatenate(axis: 0), [[b], [b]]),
    Refusal("sum beyond 31 bits", .invalidSize, .concatenate(axis: 0), [fixed(most), fixed(1)]),
    Refusal(
      "slice as long as an unbound symbol", .indexOutOfRange,
      .slice([SliceRange(begin: 0, step: 1, count: .symbol(1))]), [[b]]),
    Refusal(
      "two begins", .invalidAttribute,
      .slice([SliceRange(begin: 1, beginSymbol: 0, step: 1, count: .fixed(1))]),
      [[b]]),
    Refusal(
      "scale 0 of fixed sizes", .invalidAttribute,
      .resize(
        .linear, .halfPixel, .floor, height: .fixed(2), width: .fixed(2), scaleHeight: 0, scaleWidth: 1),
      [fixed(1, 2, 2, 1)]),
    Refusal(
      "smallest step", .invalidAttribute, .slice([SliceRange(begin: 1, step: .min, count: 2)]), [fixed(2)]),
    Refusal(
      "slice before the begin", .invalidAttribute, .slice([SliceRange(begin: 1, step: -1, count: 3)]),
      [fixed(4)]),
    Refusal(
      "padded symbol that is no size", .undefinedSize, .pad(.edge, before: [1], after: [0], value: 0), [[b]]),
    Refusal(
      "negative padding", .invalidAttribute, .pad(.edge, before: [-1], after: [0], value: 0), [fixed(3)]),
    Refusal(
      "padding beyond 31 bits", .invalidSize, .pad(.edge, before: [most], after: [most], value: 0), [fixed(3)]
    ),
    Refusal("real indices", .elementTypeMismatch, .gather(axis: 0), [fixed(3), fixed(2)]),
    Refusal("no axes", .invalidAttribute, .reduce(.sum, axes: [], keepsDimensions: true), [fixed(3)]),
    Refusal("axis 1 of one", .invalidAttribute, .softmax(axis: 1, isLogarithm: false), [fixed(3)]),
    Refusal("vectors", .shapeMismatch, .matmul(transposesRight: false), [fixed(3), fixed(3)]),
    Refusal("depths", .shapeMismatch, .matmul(transposesRight: true), [fixed(2, 3), fixed(3, 2)]),
    Refusal(
      "window beyond the image", .invalidSize, .pool(.maximum, Window(height: 4, width: 1)),
      [fixed(1, 3, 3, 1)]),
    Refusal(
      "stride 0", .invalidAttribute, .pool(.maximum, Window(height: 1, width: 1, strides: (0, 1))),
      [fixed(1, 3, 3, 1)]),
    Refusal(
      "symbolic channels", .shapeMismatch, .pool(.maximum, Window(height: 1, width: 1)),
      [[.fixed(1), b, b, b]]),
    Refusal(
      "taps that do not divide", .shapeMismatch,
      .foldTaps(Window(height: 2, width: 2), height: .fixed(4), width: .fixed(4), bias: nil),
      [fixed(1, 2, 2, 6)]),
  ])
  func isRefused(refusal: Refusal) {
    #expect(Self.infer(refusal.operation, refusal.inputs, refusal.type).failure?.code == refusal.code)
  }

  /// Ids that are computed could be anything: they are checked where they are looked up.
  @Test func embeddingsTakeComputedIds() {
    var fixture = GraphFixture()
    fixture.graph.nodes[1].operation = .unary(.not)
    #expect(fixture.fault() == nil)
  }
}

extension Result {
  fileprivate var failure: Failure? {
    if case .failure(let error) = self { error } else { nil }
  }
}
