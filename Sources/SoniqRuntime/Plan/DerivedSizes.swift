import SoniqGraph

/// The sizes of a run that follow from those of the inputs, and what must hold of them. Plain memory: a run allocates
/// nothing.
struct DerivedSizes {
  /// One definition or equality of a symbol.
  private struct Rule: BitwiseCopyable {
    var symbol: Int
    var isDefinition: Bool
    var function: SizeExpression.Function
    var divisor: Int
    var firstTerm: Int
    var endTerm: Int
  }
  private struct Term: BitwiseCopyable {
    var coefficient: Int
    var firstFactor: Int
    var endFactor: Int
  }
  /// A slice whose sizes only a run knows.
  private struct Cut: BitwiseCopyable {
    var node: Int
    var dimension: Int
    /// Of the dimension, and of what is taken.
    var length: SizeReference
    var count: SizeReference
    var begin: Int
    /// A symbol, or negative.
    var beginSymbol: Int
    var step: Int
  }
  private let graph: Graph
  private let maximums: [Int]
  private let rules: UnsafePointer<Rule>
  private let ruleCount: Int
  private let terms: UnsafePointer<Term>
  private let factors: UnsafePointer<Int>
  private let cuts: UnsafePointer<Cut>
  private let cutCount: Int

  /// Of a valid graph; `maximums` are by symbol.
  ///
  /// - Throws: `outOfMemory`.
  init(_ graph: Graph, maximums: [Int], _ memory: PlanMemory) throws(RuntimeError) {
    self.graph = graph
    self.maximums = maximums
    var rules: [Rule] = []
    var terms: [Term] = []
    var factors: [Int] = []
    func add(_ expression: SizeExpression, _ symbol: Int, isDefinition: Bool) {
      let first = terms.count
      for term in expression.terms {
        terms.append(
          Term(
            coefficient: term.coefficient, firstFactor: factors.count,
            endFactor: factors.count + term.symbols.count))
        factors += term.symbols
      }
      rules.append(
        Rule(
          symbol: symbol, isDefinition: isDefinition, function: expression.function,
          divisor: expression.divisor, firstTerm: first, endTerm: terms.count))
    }
    for (index, symbol) in graph.symbols.enumerated() {
      if let definition = symbol.definition { add(definition, index, isDefinition: true) }
    }
    // What they are compared with is known by then.
    for (index, symbol) in graph.symbols.enumerated() {
      for expression in symbol.equals { add(expression, index, isDefinition: false) }
    }
    let cuts = Self.cuts(graph)
    self.rules = UnsafePointer(try memory.store(rules))
    ruleCount = rules.count
    self.terms = UnsafePointer(try memory.store(terms))
    self.factors = UnsafePointer(try memory.store(factors))
    self.cuts = UnsafePointer(try memory.store(cuts))
    cutCount = cuts.count
  }

  private static func cuts(_ graph: Graph) -> [Cut] {
    var cuts: [Cut] = []
    for (index, node) in graph.nodes.enumerated() {
      guard case .slice(let slice) = node.operation else { continue }
      let shape = graph.values[node.inputs[0]].shape
      for (dimension, range) in slice.ranges.enumerated() where range.isDynamic(in: shape[dimension]) {
        cuts.append(
          Cut(
            node: index, dimension: dimension, length: shape[dimension].sizeReference,
            count: range.count?.sizeReference ?? -1, begin: range.begin,
            beginSymbol: range.beginSymbol ?? -1, step: range.step))
      }
    }
    return cuts
  }

  /// Computes what is defined and checks what must hold. `sizes`: by symbol, those that inputs bind, 0 for others.
  ///
  /// - Throws: `sizeOutOfRange`, `sizesDiffer`, `sliceOutOfRange`.
  func bind(_ sizes: UnsafeMutablePointer<Int>) throws(RuntimeError) {
    for index in 0..<ruleCount {
      let rule = rules[index]
      guard let value = value(rule, sizes), !rule.isDefinition || (1...maximums[rule.symbol]).contains(value)
      else { throw outOfRange(rule, value(rule, sizes)) }
      // An input may have a size that is defined, too.
      if rule.isDefinition, sizes[rule.symbol] == 0 { sizes[rule.symbol] = value }
      guard sizes[rule.symbol] == value else { throw different(rule, value, sizes) }
    }
    for index in 0..<cutCount { try check(cuts[index], sizes) }
  }

  /// nil when it leaves Int.
  private func value(_ rule: Rule, _ sizes: UnsafePointer<Int>) -> Int? {
    var result: Int?
    for index in rule.firstTerm..<rule.endTerm {
      var product = terms[index].coefficient
      for factor in terms[index].firstFactor..<terms[index].endFactor {
        let (next, overflow) = product.multipliedReportingOverflow(by: sizes[factors[factor]])
        guard !overflow else { return nil }
        product = next
      }
      guard let sum = result else {
        result = product
        continue
      }
      switch rule.function {
      case .minimum: result = min(sum, product)
      case .maximum: result = max(sum, product)
      case .sum:
        let (next, overflow) = sum.addingReportingOverflow(product)
        guard !overflow else { return nil }
        result = next
      }
    }
    return floorDivided(result ?? 0, by: rule.divisor)
  }

  private func check(_ cut: Cut, _ sizes: UnsafePointer<Int>) throws(RuntimeError) {
    func size(_ reference: SizeReference) -> Int { reference < 0 ? -reference : sizes[reference] }
    let range = SliceRange(
      begin: cut.beginSymbol < 0 ? cut.begin : sizes[cut.beginSymbol] - 1, step: cut.step,
      count: size(cut.count))
    guard !range.fits(size(cut.length), { _ in 1 }) else { return }
    throw RuntimeError(
      .sliceOutOfRange, subject: graph.nodes[cut.node].name, node: cut.node, position: cut.dimension,
      actual: range.begin, expected: size(cut.length))
  }

  // MARK: Errors

  private func words(_ rule: Rule) -> String {
    let symbol = graph.symbols[rule.symbol]
    let all = (symbol.definition.map { [$0] } ?? []) + symbol.equals
    let expression = all.first { expression in
      expression.function == rule.function && expression.divisor == rule.divisor
        && expression.terms
          == (rule.firstTerm..<rule.endTerm).map { index in
            SizeTerm(
              terms[index].coefficient,
              (terms[index].firstFactor..<terms[index].endFactor).map { factors[$0] })
          }
    }
    return expression?.text { graph.symbols[$0].name } ?? symbol.name
  }

  private func outOfRange(_ rule: Rule, _ value: Int?) -> RuntimeError {
    var error = RuntimeError(
      .sizeOutOfRange, subject: graph.symbols[rule.symbol].name, actual: value ?? .max,
      expected: maximums[rule.symbol])
    error.other = words(rule)
    return error
  }

  private func different(_ rule: Rule, _ value: Int, _ sizes: UnsafePointer<Int>) -> RuntimeError {
    var error = RuntimeError(
      .sizesDiffer, subject: graph.symbols[rule.symbol].name, actual: sizes[rule.symbol], expected: value)
    error.other = words(rule)
    return error
  }
}
