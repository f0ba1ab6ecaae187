import SoniqCore
import SoniqGraph

extension ModelSerializer {
  /// The six tables and those that the model needs, in file order.
  static func tables(_ description: ModelDescription) throws(FormatError) -> [SerializedSection] {
    let graph = description.graph
    let hasSizes = graph.symbols.contains { $0.definition != nil || !$0.equals.isEmpty }
    let tableCount =
      SectionKind.tables.count + (hasSizes ? 1 : 0) + (graph.states.isEmpty ? 0 : 1)
      + (description.tokenizer == nil ? 0 : 1)
    var writers: [(SectionKind, (inout ByteSink) throws(FormatError) -> Void)] = [
      (.metadata, { write(description.metadata, to: &$0) }),
      (.symbols, { write(graph.symbols, to: &$0) }),
      (.values, { write(graph.values, to: &$0) }),
      (.constants, { writeConstants(graph, firstSection: tableCount, to: &$0) }),
      (.nodes, { (sink) throws(FormatError) in try write(graph.nodes, to: &sink) }),
      (.interface, { writeInterface(graph, to: &$0) }),
    ]
    if hasSizes { writers.append((.sizes, { SizeCoding.write(graph.symbols, to: &$0) })) }
    if !graph.states.isEmpty { writers.append((.states, { StateCoding.write(graph.states, to: &$0) })) }
    var sections = try writers.map { (kind, write) throws(FormatError) in
      var sink = ByteSink()
      try write(&sink)
      return SerializedSection(kind: kind, payload: .table(sink.bytes))
    }
    if let tokenizer = description.tokenizer {
      sections.append(SerializedSection(kind: .tokenizer, payload: .data(tokenizer.bytes)))
    }
    return sections
  }

  private static func write(_ metadata: [(key: String, value: MetadataValue)], to sink: inout ByteSink) {
    sink.word(metadata.count)
    for (key, value) in metadata {
      sink.text(key)
      switch value {
      case .text(let text):
        sink.byte(Int(MetadataTag.text.rawValue))
        sink.text(text)
      case .integer(let number):
        sink.byte(Int(MetadataTag.integer.rawValue))
        sink.bits64(UInt64(bitPattern: number))
      case .real(let number):
        sink.byte(Int(MetadataTag.real.rawValue))
        sink.double(number)
      case .boolean(let flag):
        sink.byte(Int(MetadataTag.boolean.rawValue))
        sink.byte(flag ? 1 : 0)
      }
    }
  }

  private static func write(_ symbols: [Symbol], to sink: inout ByteSink) {
    sink.word(symbols.count)
    for symbol in symbols {
      sink.text(symbol.name)
      sink.word(symbol.maximum | (symbol.isOpen ? openFlag : 0))
    }
  }

  private static func write(_ values: [Value], to sink: inout ByteSink) {
    sink.word(values.count)
    for value in values {
      sink.text(value.name)
      sink.byte(Int(value.elementType.rawValue))
      sink.byte(value.shape.count)
      for dimension in value.shape { write(dimension, to: &sink) }
    }
  }

  private static func write(_ nodes: [Node], to sink: inout ByteSink) throws(FormatError) {
    sink.word(nodes.count)
    for node in nodes {
      sink.text(node.name)
      sink.byte(Int(node.operation.schema.tag))
      sink.byte(node.inputs.count)
      sink.byte(node.outputs.count - 1)
      sink.zeros(1)
      for input in node.inputs { sink.word(input) }
      for output in node.outputs { sink.word(output) }
      _ = try node.operation.write(to: &sink)
    }
  }

  static func write(_ dimension: Dimension, to sink: inout ByteSink) {
    switch dimension {
    case .fixed(let size): sink.word(size)
    case .symbol(let index): sink.word(index | symbolFlag)
    }
  }

  private static func writeInterface(_ graph: Graph, to sink: inout ByteSink) {
    sink.word(graph.inputs.count)
    for input in graph.inputs {
      sink.word(input.value)
      sink.byte(input.fill == nil ? 0 : 1)
      sink.zeros(3)
      sink.int32(input.fill ?? 0)
    }
    sink.word(graph.outputs.count)
    for output in graph.outputs { sink.word(output) }
  }
}

extension ModelSerializer {
  private static func writeConstants(_ graph: Graph, firstSection: Int, to sink: inout ByteSink) {
    var sections = SectionNumbers(next: firstSection)
    sink.word(graph.constants.count)
    for (name, constant) in zip(graph.constantNames, graph.constants) {
      sink.text(name)
      sink.byte(Int(constant.tag.rawValue))
      switch constant {
      case .dense(let dense):
        sink.byte(Int(dense.elementType.rawValue))
        sink.byte(dense.shape.count)
        for size in dense.shape { sink.word(size) }
        sink.word(sections.take())
      case .floatMatrix(let matrix):
        sink.word(matrix.outputs)
        sink.word(matrix.inputs)
        sink.word(sections.take())
        sink.word(sections.take(matrix.bias))
      case .matrix(let matrix): write(matrix, &sections, to: &sink)
      case .table(let table): write(table, &sections, to: &sink)
      case .depthwise(let depthwise):
        sink.word(depthwise.channels)
        sink.word(depthwise.taps)
        LevelCoding.write(depthwise.level.weight, to: &sink)
        LevelCoding.write(depthwise.level.activation, to: &sink)
        sink.word(sections.take())
        sink.word(sections.take())
      }
    }
  }

  private static func write(_ matrix: PackedMatrix, _ sections: inout SectionNumbers, to sink: inout ByteSink)
  {
    sink.word(matrix.outputs)
    sink.word(matrix.inputs)
    if !matrix.isPlain || matrix.taps > 1 { sink.word(matrix.taps) }
    sink.byte(matrix.levels.count)
    sink.zeros(3)
    sink.word(sections.take(matrix.gather))
    sink.word(sections.take(matrix.bias))
    for level in matrix.levels {
      guard matrix.isPlain else {
        writeFull(level, &sections, to: &sink)
        continue
      }
      LevelCoding.write(level.level.weight, to: &sink)
      LevelCoding.write(level.level.activation, to: &sink)
      sink.word(level.channels)
      sink.word(sections.take())
      sink.word(sections.take())
      sink.word(sections.take(level.offsets))
      sink.word(sections.take())
    }
  }

  /// A level of a `levelMatrix`.
  private static func writeFull(
    _ level: MatrixLevel, _ sections: inout SectionNumbers, to sink: inout ByteSink
  ) {
    LevelCoding.writeFull(level.level.weight, to: &sink)
    LevelCoding.write(level.level.activation, to: &sink)
    sink.byte(level.groups?.length ?? 0)
    sink.byte(Int(level.groups?.numbers.rawValue ?? 0))
    sink.byte(level.level.activation.groupLength)
    sink.zeros(1)
    sink.word(level.channels)
    sink.word(sections.take())
    sink.word(sections.take(level.scales))
    sink.word(sections.take(level.offsets))
    sink.word(sections.take())
    sink.word(sections.take(level.groups?.scales))
    sink.word(sections.take(level.groups?.offsets))
    sink.zeros(4)
  }

  private static func write(_ table: PackedTable, _ sections: inout SectionNumbers, to sink: inout ByteSink) {
    sink.word(table.rows)
    sink.word(table.channels)
    sink.byte(table.levels.count)
    sink.zeros(3)
    sink.word(sections.take(table.scatter))
    for level in table.levels {
      LevelCoding.write(level.code, to: &sink)
      sink.word(level.channels)
      sink.word(level.blockLength)
      sink.word(sections.take())
      sink.word(sections.take())
    }
  }
}

/// Hands out the indices of data sections, in the order of `Constant.fields`.
private struct SectionNumbers {
  private var next: Int

  init(next: Int) { self.next = next }

  mutating func take() -> Int {
    defer { next += 1 }
    return next
  }
  /// 0 for a field that is not there.
  mutating func take(_ bytes: ConstantBytes?) -> Int { bytes == nil ? 0 : take() }
}

extension Constant {
  var tag: ConstantTag {
    switch self {
    case .dense: .dense
    case .floatMatrix: .floatMatrix
    case .matrix(let matrix): !matrix.isPlain ? .levelMatrix : matrix.taps > 1 ? .convolutionMatrix : .matrix
    case .table: .table
    case .depthwise: .depthwise
    }
  }
}
