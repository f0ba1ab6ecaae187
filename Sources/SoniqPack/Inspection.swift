import SoniqCore
import SoniqFormat
package import SoniqGraph

/// A model in words: for people as a tree, for programs as JSON.
package struct Inspection {
  private let model: ModelDescription
  private let fileByteCount: Int

  package init(_ model: ModelDescription, fileByteCount: Int) {
    self.model = model
    self.fileByteCount = fileByteCount
  }

  private struct Weight {
    var name: String
    var kind: String
    var shape: String
    var levels: [InspectedLevel]
    var account: WeightAccount
  }

  private var weights: [Weight] {
    let graph = model.graph
    return WeightAccount.weightConstants(graph).map { constant in
      let name = graph.constantNames[constant]
      let account = WeightAccount(graph.constants[constant])
      switch graph.constants[constant] {
      case .matrix(let matrix):
        return Weight(
          name: name, kind: matrix.taps == 1 ? "linear" : "convolution",
          shape: "\(matrix.outputs) x \(matrix.inputs)" + (matrix.taps == 1 ? "" : " x \(matrix.taps) taps"),
          levels: matrix.levels.map(InspectedLevel.init), account: account ?? WeightAccount())
      case .depthwise(let depthwise):
        return Weight(
          name: name, kind: "depthwise", shape: "\(depthwise.channels) x \(depthwise.taps) taps",
          levels: [InspectedLevel(depthwise.level, channels: depthwise.channels)],
          account: account ?? WeightAccount())
      case .table(let table):
        return Weight(
          name: name, kind: "table", shape: "\(table.rows) x \(table.channels)",
          levels: table.levels.map(InspectedLevel.init), account: account ?? WeightAccount())
      case .floatMatrix(let matrix):
        return Weight(
          name: name, kind: "linear", shape: "\(matrix.outputs) x \(matrix.inputs)",
          levels: [InspectedLevel(floatsOf: matrix.inputs)], account: account ?? WeightAccount())
      case .dense(let dense):
        return Weight(
          name: name, kind: "table", shape: dense.shape.map(String.init).joined(separator: " x "),
          levels: [InspectedLevel(floatsOf: dense.shape.last ?? 1)],
          account: WeightAccount(weightCount: dense.shape.reduce(1, *), byteCount: dense.bytes.count))
      }
    }
  }

  private func shape(_ value: Value) -> String { words(value.shape) }

  private static func kind(_ state: GraphState) -> String { state.isGrowing ? "growing" : "recurrent" }

  private func words(_ shape: [Dimension]) -> String {
    let parts = shape.map { dimension -> String in
      switch dimension {
      case .fixed(let size): String(size)
      case .symbol(let symbol): model.graph.symbols[symbol].name
      }
    }
    return "[" + parts.joined(separator: ", ") + "]"
  }

  private static func text(_ value: MetadataValue) -> String {
    switch value {
    case .text(let text): text
    case .integer(let integer): String(integer)
    case .real(let real): "\(real)"
    case .boolean(let boolean): boolean ? "true" : "false"
    }
  }

  /// The tree, one item a line, whatever characters its names have.
  /// * listsNodes: every operation with its attributes too.
  package func tree(title: String, listsNodes: Bool = false) -> String {
    let graph = model.graph
    var lines = ["\(title)  \(fileByteCount) bytes"]
    lines.append("metadata")
    for entry in model.metadata { lines.append("  \(entry.key): \(Self.text(entry.value))") }
    lines.append("sizes")
    for symbol in graph.symbols {
      lines.append("  \(symbol.name): 1...\(symbol.maximum)" + (symbol.isOpen ? ", not stated" : ""))
    }
    lines.append("inputs")
    for input in graph.inputs {
      let value = graph.values[input.value]
      let fill = input.fill.map { ", \($0) when not set" } ?? ""
      lines.append("  \(value.name): \(value.elementType) \(shape(value))\(fill)")
    }
    lines.append("outputs")
    for output in graph.outputs {
      let value = graph.values[output]
      lines.append("  \(value.name): \(value.elementType) \(shape(value))")
    }
    if !graph.states.isEmpty { lines.append("states") }
    for state in graph.states {
      let bits = state.isCodes && state.bits < 8 ? " of \(state.bits) bits" : ""
      lines.append("  \(state.name): \(state.elementType)\(bits) \(words(state.shape)), \(Self.kind(state))")
    }
    lines.append("weights")
    for weight in weights {
      lines.append(
        "  \(weight.name)  \(weight.kind) \(weight.shape)  \(decimal(weight.account.averageBits, 3)) bits  "
          + "\(weight.account.byteCount) bytes")
      for level in weight.levels { lines.append("    \(level.words)") }
    }
    let total = WeightAccount(graph)
    lines.append(
      "total  \(total.weightCount) weights  \(decimal(total.averageBits, 4)) bits  \(total.byteCount) bytes")
    if listsNodes {
      lines.append("nodes")
      lines += graph.nodes.map { node in
        let inputs = node.inputs.map { graph.values[$0].name }.joined(separator: ", ")
        let outputs = node.outputs.map { graph.values[$0].name }.joined(separator: ", ")
        return "  \(node.name)  \(node.operation.words)  (\(inputs)) -> \(outputs)"
      }
    }
    return lines.map(PlainText.escaped).joined(separator: "\n")
  }

  private func json(_ node: Node) -> JSONValue {
    .object([
      JSONMember("name", .text(node.name)), JSONMember("operation", .text(node.operation.words)),
      JSONMember("inputs", .array(node.inputs.map { .text(model.graph.values[$0].name) })),
      JSONMember("outputs", .array(node.outputs.map { .text(model.graph.values[$0].name) })),
    ])
  }

  /// The same as a JSON object.
  package var json: JSONValue {
    let graph = model.graph
    let metadata = model.metadata.map { entry -> JSONMember in
      switch entry.value {
      case .text(let text): JSONMember(entry.key, .text(text))
      case .integer(let integer): JSONMember(entry.key, .integer(Int(integer)))
      case .real(let real): JSONMember(entry.key, .real(real))
      case .boolean(let boolean): JSONMember(entry.key, .boolean(boolean))
      }
    }
    let total = WeightAccount(graph)
    return .object([
      JSONMember("file_bytes", .integer(fileByteCount)), JSONMember("metadata", .object(metadata)),
      JSONMember(
        "symbols", .object(graph.symbols.map { JSONMember($0.name, .integer($0.maximum)) })),
      JSONMember("inputs", .array(graph.inputs.map { interface($0.value, fill: $0.fill) })),
      JSONMember("outputs", .array(graph.outputs.map { interface($0, fill: nil) })),
      JSONMember(
        "states",
        .array(
          graph.states.map {
            .object([
              JSONMember("name", .text($0.name)), JSONMember("kind", .text(Self.kind($0))),
              JSONMember("type", .text("\($0.elementType)")), JSONMember("bits", .integer($0.bits)),
              JSONMember("shape", .text(words($0.shape))),
            ])
          })),
      JSONMember("nodes", .integer(graph.nodes.count)),
      JSONMember("operations", .array(graph.nodes.map(json))),
      JSONMember("weights", .array(weights.map(Self.json))),
      JSONMember("weight_count", .integer(total.weightCount)),
      JSONMember("weight_bytes", .integer(total.byteCount)),
      JSONMember("average_bits", .real(total.averageBits)),
    ])
  }

  private func interface(_ value: ValueID, fill: Int32?) -> JSONValue {
    let value = model.graph.values[value]
    return .object([
      JSONMember("name", .text(value.name)), JSONMember("type", .text("\(value.elementType)")),
      JSONMember("shape", .text(shape(value))), JSONMember("fill", fill.map { .integer(Int($0)) } ?? .null),
    ])
  }

  private static func json(_ weight: Weight) -> JSONValue {
    .object([
      JSONMember("name", .text(weight.name)), JSONMember("kind", .text(weight.kind)),
      JSONMember("shape", .text(weight.shape)),
      JSONMember("levels", .array(weight.levels.map { .text($0.words) })),
      JSONMember("precisions", .array(weight.levels.map(\.json))),
      JSONMember("count", .integer(weight.account.weightCount)),
      JSONMember("bits", .real(weight.account.averageBits)),
      JSONMember("bytes", .integer(weight.account.byteCount)),
    ])
  }
}
