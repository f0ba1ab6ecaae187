import SoniqGraph
import SoniqRuntime
import SoniqTestSupport
import Testing

/// Sizes that follow from those of the inputs: what a graph of dynamic sizes computes is what one of these fixed sizes
/// does, and runs whose sizes do not fit are refused by name.
@Suite struct DerivedSizesTests {
  /// x [length, 3] and y [other, 3] through every operation that makes a size of sizes. `length` and `other` are symbols,
  /// or fixed.
  static func graph(_ length: Dimension, _ other: Dimension) -> Graph {
    var graph = Graph()
    graph.symbols = [Symbol(name: "length", maximum: 9), Symbol(name: "other", maximum: 5)]
    graph.values = [
      Value(name: "x", elementType: .float32, shape: [length, .fixed(3)]),
      Value(name: "y", elementType: .float32, shape: [other, .fixed(3)]),
    ]
    graph.inputs = [GraphInput(value: 0), GraphInput(value: 1)]
    let joined = graph.add(.concatenate(axis: 0), [0, 1])
    let padded = graph.add(.pad(.reflect, before: [2, 0], after: [1, 1], value: 0), [joined])
    let flat = graph.add(.reshape([graph.product(graph.values[padded].shape)]), [padded])
    // Every other element from the last one backwards; of an odd number one more.
    let count = graph.values[flat].shape[0]
    let half = graph.size(SizeExpression(SizeExpression(count).terms + [SizeTerm(1)], divisor: 2))
    let last: SliceRange =
      switch count {
      case .fixed(let size): SliceRange(begin: size - 1, step: -2, count: half)
      case .symbol(let symbol): SliceRange(begin: 0, beginSymbol: symbol, step: -2, count: half)
      }
    let backwards = graph.add(.slice([last]), [flat])
    // The first 20, or all where there are fewer.
    let first = graph.size(SizeExpression(.minimum, SizeExpression(half).terms + [SizeTerm(20)]))
    let head = graph.add(.slice([SliceRange(begin: 0, step: 1, count: first)]), [backwards])
    let rows = graph.add(.expand([length, first]), [head])
    let sum = graph.add(.reduce(.sum, axes: [1], keepsDimensions: true), [0])
    graph.outputs = [graph.add(.binary(.multiply), [rows, sum])]
    return graph
  }

  @Test func everySizeGivesWhatAFixedOneDoes() throws {
    var generator = SeededGenerator(seed: 5150)
    let dynamic = Self.graph(.symbol(0), .symbol(1))
    try dynamic.validate()
    #expect(dynamic.symbols.count > 5)
    for length in 1...9 {
      for other in [1, 2, 5] {
        let x = TensorArray.random([length, 3], using: &generator)
        let y = TensorArray.random([other, 3], using: &generator)
        let fixed = try Self.graph(.fixed(length), .fixed(other)).run([x, y], lanes: 1)
        for lanes in 1...3 {
          let result = try dynamic.run([x, y], lanes: lanes)
          #expect(result.shape == fixed.shape, "\(length) and \(other)")
          #expect(result.bits == fixed.bits, "\(length) and \(other) with \(lanes) lanes")
        }
      }
    }
  }

  /// One session runs sizes in any order.
  @Test func sizesChangeFromRunToRun() throws {
    var generator = SeededGenerator(seed: 5151)
    let session = try Session(
      Model(ModelDescription(graph: Self.graph(.symbol(0), .symbol(1)), metadata: [], owner: [])))
    for (length, other) in [(9, 5), (1, 1), (4, 3), (9, 1), (2, 5)] {
      let inputs = [length, other].map { TensorArray.random([$0, 3], using: &generator) }
      try session.set(inputs)
      try session.run()
      let expected = try Self.graph(.fixed(length), .fixed(other)).run(inputs, lanes: 1)
      #expect(try session.output(0).shape == expected.shape)
      #expect(try session.bits(expected.bits.count) == expected.bits)
    }
  }

  /// x [width] and y [twice], where twice must be 2 * floor(width / 2): a join of two halves is added to y.
  static func symmetric() -> Graph {
    var graph = Graph()
    graph.symbols = [Symbol(name: "width", maximum: 9)]
    graph.values = [Value(name: "x", elementType: .float32, shape: [.symbol(0)])]
    let half = graph.size(SizeExpression([SizeTerm(1, [0])], divisor: 2))
    guard case .symbol(let symbol) = half else { return graph }
    graph.symbols.append(
      Symbol(name: "twice", maximum: 9, equals: [SizeExpression([SizeTerm(2, [symbol])])]))
    graph.values.append(Value(name: "y", elementType: .float32, shape: [.symbol(2)]))
    graph.inputs = [GraphInput(value: 0), GraphInput(value: 1)]
    let part = graph.add(.slice([SliceRange(begin: 1, step: 1, count: half)]), [0])
    let joined = graph.add(.concatenate(axis: 0), [part, part])
    graph.outputs = [graph.add(.binary(.add), [joined, 1])]
    return graph
  }

  @Test func whatDoesNotFitIsRefusedByName() throws {
    let session = try Session(
      Model(ModelDescription(graph: Self.symmetric(), metadata: [], owner: [])))
    func error(_ width: Int, _ twice: Int) throws -> RuntimeError? {
      try session.set([TensorArray.ones([width]), TensorArray.ones([twice])])
      return #expect(throws: RuntimeError.self) { try session.run() }
    }
    let different = try error(6, 5)
    #expect(different?.code == .sizesDiffer)
    #expect(
      different?.message
        == "the size \"twice\" is 5, but the model needs it to be 2 * floor(width / 2), which is 6")
    let small = try error(1, 2)
    #expect(small?.code == .sizeOutOfRange)
    #expect(small?.message == "the inputs are too small: the size \"floor(width / 2)\" would be 0")
    // Elements 1 and 2 of two.
    var graph = Self.symmetric()
    graph.nodes[0].operation = .slice([SliceRange(begin: 1, step: 3, count: graph.values[2].shape[0])])
    let cut = try Session(Model(ModelDescription(graph: graph, metadata: [], owner: [])))
    try cut.set([TensorArray.ones([4]), TensorArray.ones([4])])
    let outside = #expect(throws: RuntimeError.self) { try cut.run() }
    #expect(outside?.code == .sliceOutOfRange)
    #expect(outside?.message == "node \"node0\" cuts dimension 0 from element 1 on beyond its size 4")
    try session.set([TensorArray.ones([7]), TensorArray.ones([6])])
    try session.run()
  }

  /// The limit of an input's size bounds what follows from it: a smaller session takes less memory.
  @Test func limitsBoundWhatFollows() throws {
    let model = try Model(
      ModelDescription(graph: Self.graph(.symbol(0), .symbol(1)), metadata: [], owner: []))
    var options = SessionOptions()
    let whole = try Session.workspaceSize(model, options: options)
    options.maximums = [SymbolMaximum(name: "length", maximum: 1), SymbolMaximum(name: "other", maximum: 1)]
    #expect(try Session.workspaceSize(model, options: options) < whole)
    options.maximums = [SymbolMaximum(name: model.symbols[2].name, maximum: 1)]
    let error = #expect(throws: RuntimeError.self) { try Session.workspaceSize(model, options: options) }
    #expect(error?.code == .invalidOption)
  }
}

extension Graph {
  /// The dimension of this size.
  fileprivate mutating func size(_ expression: SizeExpression) -> Dimension {
    define(expression) ?? .fixed(0)
  }

  fileprivate mutating func product(_ shape: [Dimension]) -> Dimension {
    var term = SizeTerm(1)
    for dimension in shape {
      switch dimension {
      case .fixed(let size): term.coefficient *= size
      case .symbol(let symbol): term = SizeTerm(term.coefficient, term.symbols + [symbol])
      }
    }
    return size(SizeExpression([term]))
  }
}

extension TensorArray {
  fileprivate static func ones(_ shape: [Int]) -> TensorArray { TensorArray(shape) { _ in 1 } }
}

extension Session {
  fileprivate func set(_ inputs: [TensorArray]) throws {
    for (index, input) in inputs.enumerated() {
      try input.bits.withUnsafeBytes { data in
        try setInput(
          index, data: data.baseAddress, elementType: HostElementType(input.type),
          shape: input.shape.map(Int64.init), rank: input.shape.count)
      }
    }
  }

  fileprivate func bits(_ count: Int) throws -> [UInt32] {
    let data = try output(0).data.assumingMemoryBound(to: UInt32.self)
    return Array(UnsafeBufferPointer(start: data, count: count))
  }
}
