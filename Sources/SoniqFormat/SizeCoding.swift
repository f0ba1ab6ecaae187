import SoniqGraph

/// The table of what symbols are defined as, and must be equal to.
enum SizeCoding {
  private enum Meaning: UInt8 {
    case definition = 1, equality
  }
  /// Bytes of a record without its terms, and of a term without its symbols.
  private static let recordSize = 12
  private static let termSize = 8

  static func write(_ symbols: [Symbol], to sink: inout ByteSink) {
    let count = symbols.reduce(0) { $0 + ($1.definition == nil ? 0 : 1) + $1.equals.count }
    sink.word(count)
    for (index, symbol) in symbols.enumerated() {
      if let definition = symbol.definition { write(definition, .definition, of: index, to: &sink) }
      for expression in symbol.equals { write(expression, .equality, of: index, to: &sink) }
    }
  }

  private static func write(
    _ expression: SizeExpression, _ meaning: Meaning, of symbol: Int, to sink: inout ByteSink
  ) {
    sink.word(symbol)
    sink.byte(Int(meaning.rawValue))
    sink.byte(Int(expression.function.rawValue))
    sink.byte(expression.terms.count)
    sink.zeros(1)
    sink.word(expression.divisor)
    for term in expression.terms {
      sink.int32(Int32(truncatingIfNeeded: term.coefficient))
      sink.byte(term.symbols.count)
      sink.zeros(3)
      for factor in term.symbols { sink.word(factor) }
    }
  }

  /// The symbols with what the table says of them.
  static func read(_ cursor: inout ByteCursor, into symbols: [Symbol]) throws(FormatError) -> [Symbol] {
    var symbols = symbols
    let count = try cursor.count("count", limit: FormatLimits.maximumSizes, size: recordSize)
    // Records are in the order of their symbols, the definition first: one model has one file.
    var last = -1
    for index in 0..<count {
      cursor.record = index
      let place = cursor.offset
      let symbol = try cursor.index("symbol", below: symbols.count)
      let meaning = try cursor.tag(Meaning.self, "meaning")
      guard last < symbol || (last == symbol && meaning == .equality) else {
        throw cursor.fault(.duplicate, "symbol", at: place, got: .integer(symbol))
      }
      last = symbol
      let expression = try readExpression(&cursor, symbolCount: symbols.count)
      switch meaning {
      case .definition: symbols[symbol].definition = expression
      case .equality: symbols[symbol].equals.append(expression)
      }
    }
    return symbols
  }

  private static func readExpression(
    _ cursor: inout ByteCursor, symbolCount: Int
  ) throws(FormatError) -> SizeExpression {
    let function = try cursor.tag(SizeExpression.Function.self, "function")
    let count = try cursor.shortCount("terms.count", limit: SizeExpression.maximumTerms, size: termSize)
    try cursor.reserved(1)
    let divisor = try cursor.word("divisor", in: 1...SizeExpression.maximumNumber)
    var terms: [SizeTerm] = []
    for _ in 0..<count {
      let coefficient = Int(try cursor.int32("terms.coefficient"))
      let factors = try cursor.shortCount(
        "terms.symbols.count", limit: SizeExpression.maximumFactors, size: 4)
      try cursor.reserved(3)
      var symbols: [Int] = []
      for _ in 0..<factors { symbols.append(try cursor.index("terms.symbols", below: symbolCount)) }
      guard symbols == symbols.sorted() else {
        throw cursor.fault(
          .outOfRange, "terms.symbols", at: cursor.offset - 4 * factors, got: .integer(symbols[0]))
      }
      terms.append(SizeTerm(coefficient, symbols))
    }
    return SizeExpression(function, terms, divisor: divisor)
  }
}
