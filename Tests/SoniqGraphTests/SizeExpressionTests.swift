import SoniqGraph
import SoniqTestSupport
import Testing

/// Normal forms of sizes have the value of what they are made of, and equal sizes have one.
@Suite struct SizeExpressionTests {
  /// Two sizes of inputs, "width" and "height".
  static func graph() -> Graph {
    var graph = Graph()
    graph.symbols = [Symbol(name: "width", maximum: 100), Symbol(name: "height", maximum: 50)]
    return graph
  }
  static func sum(_ terms: SizeTerm..., divisor: Int = 1) -> SizeExpression {
    SizeExpression(terms, divisor: divisor)
  }
  static let width = SizeTerm(1, [0])
  static let height = SizeTerm(1, [1])

  /// The values of all symbols of a graph, for sizes of the first two.
  static func sizes(_ graph: Graph, _ width: Int, _ height: Int) -> [Int] {
    var sizes = [width, height]
    for symbol in graph.symbols.dropFirst(2) {
      sizes.append(symbol.definition?.value { sizes[$0] } ?? .min)
    }
    return sizes
  }

  @Test func halvingTwiceIsOneQuotient() {
    var graph = Self.graph()
    let window = SizeTerm(1)
    let half = graph.define(Self.sum(Self.width, window, divisor: 2))
    #expect(half == .symbol(2))
    let quarter = graph.define(Self.sum(SizeTerm(1, [2]), window, divisor: 2))
    #expect(quarter == .symbol(3))
    // What a stride of 4 makes of the width.
    #expect(graph.dimension(Self.sum(Self.width, SizeTerm(3), divisor: 4)) == .symbol(3))
    #expect(graph.symbols[3].name == "floor((width + 3) / 4)")
    #expect(graph.symbols[3].maximum == 25)
  }

  @Test func whatIsASizeAlreadyIsNotDefinedAgain() {
    var graph = Self.graph()
    #expect(graph.define(Self.sum(Self.width)) == .symbol(0))
    #expect(graph.define(Self.sum(SizeTerm(6), SizeTerm(-2))) == .fixed(4))
    #expect(graph.define(Self.sum(Self.width, Self.height, SizeTerm(-1, [1]))) == .symbol(0))
    #expect(graph.define(Self.sum(SizeTerm(2, [0]), SizeTerm(1), divisor: 2)) == .symbol(0))
    #expect(graph.symbols.count == 2)
  }

  /// Twice the half of an even width is the width: a run in which it is not is refused.
  @Test func anEqualityNamesASize() {
    var graph = Self.graph()
    _ = graph.define(Self.sum(Self.width, divisor: 2))
    let twice = Self.sum(SizeTerm(2, [2]))
    #expect(graph.dimension(twice) == nil)
    graph.symbols[0].equals = [twice]
    #expect(graph.dimension(twice) == .symbol(0))
  }

  /// A height that pooling must bring to 1 is 1, and a run in which it is not is refused.
  @Test func whatMustBeANumberIsOne() {
    var graph = Self.graph()
    let pooled = Self.sum(Self.height, divisor: 32)
    #expect(graph.define(pooled) == .symbol(2))
    graph.symbols[2].equals = [Self.sum(SizeTerm(1))]
    #expect(graph.dimension(pooled) == .fixed(1))
  }

  /// Quotients that differ by a whole number are one size and the number.
  @Test func quotientsMeet() {
    var graph = Self.graph()
    #expect(graph.define(Self.sum(Self.width, SizeTerm(2), divisor: 2)) == .symbol(2))
    #expect(graph.define(Self.sum(Self.width, divisor: 2)) == .symbol(3))
    #expect(graph.normalized(Self.sum(SizeTerm(2, [3]))) == Self.sum(SizeTerm(2, [2]), SizeTerm(-2)))
    #expect(graph.dimension(Self.sum(SizeTerm(1, [2]), SizeTerm(-1))) == .symbol(3))
  }

  @Test func productsAreWrittenOut() {
    var graph = Self.graph()
    let pixels = graph.define(Self.sum(SizeTerm(1, [1, 0])))
    #expect(pixels == .symbol(2))
    #expect(graph.symbols[2].name == "width * height")
    let padded = graph.define(Self.sum(Self.width, SizeTerm(2)))
    #expect(padded == .symbol(3))
    #expect(
      graph.dimension(Self.sum(SizeTerm(1, [3, 1]), SizeTerm(-2, [1]))) == .symbol(2))
  }

  @Test func randomSizesKeepTheirValue() {
    var generator = SeededGenerator(seed: 4711)
    for _ in 0..<400 {
      var graph = Self.graph()
      for _ in 0..<4 {
        let expression = Self.random(below: graph.symbols.count, &generator)
        guard let normal = graph.normalized(expression) else { continue }
        #expect(graph.normalized(normal) == normal, "\(expression)")
        for _ in 0..<8 {
          let sizes = Self.sizes(
            graph, Int.random(in: 1...100, using: &generator), Int.random(in: 1...50, using: &generator))
          // A run has no size below 1.
          guard sizes.allSatisfy({ $0 >= 1 }) else { continue }
          let value = expression.value { sizes[$0] }
          #expect(normal.value { sizes[$0] } == value, "\(expression) as \(normal) of \(sizes)")
          let bound = normal.upperBound { graph.symbols[$0].maximum }
          if let value, let bound, zip(sizes, graph.symbols).allSatisfy({ $0 <= $1.maximum }) {
            #expect(value <= bound, "\(normal) of \(sizes)")
          }
        }
        _ = graph.define(expression)
      }
    }
  }

  private static func random(below count: Int, _ generator: inout SeededGenerator) -> SizeExpression {
    let function = SizeExpression.Function.allCases.randomElement(using: &generator) ?? .sum
    let terms = (0..<Int.random(in: 1...3, using: &generator)).map { _ in
      SizeTerm(
        Int.random(in: -2...4, using: &generator),
        (0..<Int.random(in: 0...2, using: &generator)).map { _ in Int.random(in: 0..<count, using: &generator)
        })
    }
    return SizeExpression(function, terms, divisor: Int.random(in: 1...4, using: &generator))
  }

  /// Numbers that leave Int are no size, and no trap.
  @Test func hugeNumbersHaveNoValue() {
    let huge = SizeExpression([SizeTerm(Int(Int32.max), [0, 0, 0, 0])])
    #expect(huge.value { _ in Int(Int32.max) } == nil)
    #expect(huge.upperBound { _ in Int(Int32.max) } == nil)
    #expect(SizeExpression([SizeTerm(.max, [0]), SizeTerm(.max)]).value { _ in 1 } == nil)
    #expect(Self.graph().normalized(SizeExpression([SizeTerm(.max, [0]), SizeTerm(.max, [0])])) == nil)
    #expect(Self.graph().normalized(SizeExpression([SizeTerm(.min, [0])], divisor: 2)) == nil)
    #expect(Self.graph().normalized(SizeExpression([SizeTerm(1, [0])], divisor: 0)) == nil)
  }

  struct Refusal: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let code: GraphError.Code
    let symbols: [Symbol]
  }

  @Test(arguments: [
    Refusal(
      testDescription: "defined by itself", code: .indexOutOfRange,
      symbols: [Symbol(name: "a", maximum: 4, definition: sum(SizeTerm(2, [0])))]),
    Refusal(
      testDescription: "a symbol that is not there", code: .indexOutOfRange,
      symbols: [Symbol(name: "a", maximum: 4, equals: [sum(SizeTerm(2, [7]))])]),
    Refusal(
      testDescription: "a number", code: .invalidSize,
      symbols: [Symbol(name: "a", maximum: 4, definition: sum(SizeTerm(2)))]),
    Refusal(
      testDescription: "equal to itself", code: .invalidSize,
      symbols: [Symbol(name: "a", maximum: 4, equals: [sum(SizeTerm(1, [0]))])]),
    Refusal(
      testDescription: "not in its normal form", code: .invalidSize,
      symbols: [
        Symbol(name: "a", maximum: 4),
        Symbol(name: "b", maximum: 4, definition: sum(SizeTerm(2, [0]), divisor: 4)),
      ]),
    Refusal(
      testDescription: "divisor 0", code: .invalidSize,
      symbols: [
        Symbol(name: "a", maximum: 4),
        Symbol(name: "b", maximum: 4, definition: sum(SizeTerm(1, [0]), divisor: 0)),
      ]),
    Refusal(
      testDescription: "one size, two names", code: .producedTwice,
      symbols: [
        Symbol(name: "a", maximum: 4), Symbol(name: "b", maximum: 4, definition: sum(SizeTerm(2, [0]))),
        Symbol(name: "c", maximum: 4, definition: sum(SizeTerm(2, [0]))),
      ]),
    Refusal(
      testDescription: "defined by what nothing binds", code: .neverProduced,
      symbols: [
        Symbol(name: "a", maximum: 4), Symbol(name: "b", maximum: 4),
        Symbol(name: "c", maximum: 4, definition: sum(SizeTerm(2, [1]))),
      ]),
  ])
  func isRefused(refusal: Refusal) {
    var graph = Graph()
    graph.symbols = refusal.symbols
    graph.values = [Value(name: "x", elementType: .float32, shape: [.symbol(0)])]
    graph.inputs = [GraphInput(value: 0)]
    let error = #expect(throws: GraphError.self) { try graph.validate() }
    #expect(error?.code == refusal.code)
  }
}
