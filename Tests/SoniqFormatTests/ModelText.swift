import SoniqCore
import SoniqGraph
import SoniqText

@testable import SoniqFormat

/// Everything that a model says, one fact a line: equal texts are equal models.
enum ModelText {
  static func describe(_ model: ModelDescription) -> String {
    let graph = model.graph
    var lines = model.metadata.map { "metadata \($0.key) \(metadata($0.value))" }
    lines += graph.symbols.map { "symbol \($0.name) <= \($0.maximum)" + ($0.isOpen ? ", open" : "") }
    lines += graph.symbols.enumerated().flatMap { index, symbol in
      (symbol.definition.map { [size($0, "is", of: index)] } ?? [])
        + symbol.equals.map { size($0, "must be", of: index) }
    }
    lines += graph.values.map { "value \($0.name) \($0.elementType) \(shape($0.shape))" }
    lines += graph.states.map { state in
      let bits = state.isCodes && state.bits < 8 ? " \(state.bits) bits" : ""
      return "state \(state.name) \(state.elementType)\(bits) \(shape(state.shape)) \(kind(state.kind))"
    }
    for (name, constant) in zip(graph.constantNames, graph.constants) {
      lines.append("constant \(name) \(summary(constant))")
      lines += constant.fields.map {
        "  \($0.name) \($0.bytes.count) bytes \(String(XXHash64.hash($0.bytes.raw), radix: 16))"
      }
    }
    lines += graph.nodes.map { "node \($0.name) \($0.operation.words) \($0.inputs) -> \(list($0.outputs))" }
    lines += graph.inputs.map { "input \($0.value) fill \($0.fill.map { "\($0)" } ?? "none")" }
    lines += graph.outputs.map { "output \($0)" }
    lines += tokenizer(model)
    return lines.joined(separator: "\n") + "\n"
  }

  private static func tokenizer(_ model: ModelDescription) -> [String] {
    guard let tokenizer = try? TokenizerCoding.read(model) else { return [] }
    var lines = [
      "tokenizer \(tokenizer.algorithm.rawValue) split \(tokenizer.split.rawValue) flags \(tokenizer.flags.rawValue) "
        + "prefix \(tokenizer.prefix) suffix \(tokenizer.suffix)"
    ]
    for id in 0..<tokenizer.pieces.count {
      let bits =
        !tokenizer.scores.isEmpty
        ? UInt64(tokenizer.scores[id].bitPattern)
        : tokenizer.likelihoods.isEmpty ? nil : tokenizer.likelihoods[id].bitPattern
      let score = bits.map { " score \(String($0, radix: 16))" } ?? ""
      let rule = tokenizer.rules[id].map { " rule \($0.rawValue)" } ?? ""
      let piece = hexadecimal(tokenizer.pieces[id])
      lines.append("  token \(piece) role \(tokenizer.roles[id].rawValue)\(rule)\(score)")
    }
    lines += tokenizer.merges.map { "  merge \($0.left) \($0.right)" }
    guard !tokenizer.characterMap.isEmpty else { return lines }
    return lines + ["  map " + hexadecimal(tokenizer.characterMap)]
  }

  private static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  private static func kind(_ kind: GraphState.Kind) -> String {
    switch kind {
    case .growing: "growing"
    case .recurrent(let value, let next): "recurrent \(value) <- \(next)"
    }
  }

  private static func list(_ outputs: [ValueID]) -> String {
    outputs.map { "\($0)" }.joined(separator: ", ")
  }

  private static func metadata(_ value: MetadataValue) -> String {
    switch value {
    case .text(let text): "text \(text)"
    case .integer(let number): "integer \(number)"
    case .real(let number): "real \(number)"
    case .boolean(let flag): "boolean \(flag)"
    }
  }

  private static func size(_ expression: SizeExpression, _ meaning: String, of symbol: Int) -> String {
    let terms = expression.terms.map { term in
      ([String(term.coefficient)] + term.symbols.map { "symbol \($0)" }).joined(separator: " * ")
    }
    return
      "size symbol \(symbol) \(meaning) \(expression.function)(\(terms.joined(separator: ", "))) / \(expression.divisor)"
  }

  static func shape(_ shape: [Dimension]) -> String {
    shape.map { dimension in
      switch dimension {
      case .fixed(let size): "\(size)"
      case .symbol(let index): "symbol \(index)"
      }
    }.joined(separator: " x ")
  }

  private static func summary(_ constant: Constant) -> String {
    switch constant {
    case .dense(let dense): "dense \(dense.elementType) \(dense.shape)"
    case .depthwise(let depthwise):
      "depthwise \(depthwise.channels) x \(depthwise.taps) {\(code(depthwise.level.weight)) "
        + "\(code(depthwise.level.activation))}"
    case .floatMatrix(let matrix): "float matrix \(matrix.outputs) x \(matrix.inputs)"
    case .matrix(let matrix):
      "matrix \(matrix.outputs) x \(matrix.inputs)" + (matrix.taps > 1 ? " taps \(matrix.taps)" : "")
        + matrix.levels.map(level).joined()
    case .table(let table):
      "table \(table.rows) x \(table.channels)"
        + table.levels.map { " {\(code($0.code)) \($0.channels) by \($0.blockLength)}" }.joined()
    }
  }

  private static func level(_ level: MatrixLevel) -> String {
    var text = " {\(code(level.level.weight)) \(code(level.level.activation)) \(level.channels)"
    if let groups = level.groups { text += " groups \(groups.length) \(groups.numbers)" }
    return text + "}"
  }

  private static func code(_ code: WeightCode) -> String {
    var text = "w \(code.kind) \(code.bits) zero \(code.zero)"
    if code.layout != WeightLayout(bits: code.bits) { text += " as \(code.layout)" }
    if code.kind == .codebook {
      text += " of \((0..<code.codeCount).map { String(code.codebook[$0]) }.joined(separator: " "))"
    }
    return text
  }

  private static func code(_ code: ActivationCode) -> String {
    switch code.scaling {
    case .dynamicPerRow: "a \(code.kind) \(code.bits) dynamic"
    case .dynamicPerGroup(let channels): "a \(code.kind) \(code.bits) dynamic by \(channels)"
    case .fixed(let scale, let zero): "a \(code.kind) \(code.bits) scale \(scale) zero \(zero)"
    }
  }
}
