import SoniqGraph
import Testing

/// The largest tables of sizes that files can hold, made so that normal forms look at as much as they can.
@Suite struct SizeTimeTests {
  /// Two inputs' sizes and 1022 quotients of one divisor; 3000 equalities of 15 terms with 8 symbols.
  @Test func aTableOfQuotientsIsValidatedInLinearTime() {
    var graph = Graph()
    graph.symbols = [Symbol(name: "width", maximum: 1 << 20), Symbol(name: "height", maximum: 1 << 20)]
    var symbols = graph.symbols
    for index in 0..<1022 {
      let terms = [SizeTerm(2 * index + 1, [0]), SizeTerm(1, [1])]
      symbols.append(
        Symbol(name: "s\(index)", maximum: 1 << 20, definition: SizeExpression(terms, divisor: 1 << 20)))
    }
    for index in 0..<3000 {
      let terms = (0..<15).map { term in
        SizeTerm(1 + term, (0..<8).map { 2 + (index + 67 * term + 7 * $0) % 1022 })
      }
      symbols[index % symbols.count].equals.append(SizeExpression(terms))
    }
    graph.symbols = symbols
    var normalForms = 0
    let time = ContinuousClock().measure {
      for symbol in graph.symbols {
        for expression in symbol.equals where graph.normalized(expression) != nil { normalForms += 1 }
      }
    }
    #expect(normalForms == 3000)
    // Unoptimised builds take .3 s; a search among all symbols for each term takes minutes.
    #expect(time < .seconds(20))
  }
}
