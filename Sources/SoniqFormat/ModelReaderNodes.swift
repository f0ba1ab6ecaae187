import SoniqGraph

/// Reads the table of nodes; indices are checked against the tables before it.
struct NodeReader {
  let version: Int
  let valueCount: Int
  let symbolCount: Int
  let constantCount: Int

  func readAll(_ cursor: inout ByteCursor) throws(FormatError) -> (nodes: [Node], places: [Int]) {
    let count = try cursor.count("count", limit: FormatLimits.maximumNodes, size: 13)
    var nodes: [Node] = []
    var places: [Int] = []
    nodes.reserveCapacity(count)
    places.reserveCapacity(count)
    var names = Set<TextBytes>()
    for index in 0..<count {
      cursor.record = index
      places.append(cursor.offset)
      let name = try cursor.uniqueName("name", in: &names)
      let tag = try readTag(&cursor)
      let limit = FormatLimits.nodeInputs(version: version)
      let inputCount = try cursor.shortCount("inputs.count", limit: limit, size: 4)
      let moreOutputs = try readOutputCount(&cursor)
      var inputs: [ValueID] = []
      inputs.reserveCapacity(inputCount)
      for _ in 0..<inputCount { inputs.append(try cursor.index("inputs", below: valueCount)) }
      let output = try cursor.index("output", below: valueCount)
      var others: [ValueID] = []
      for _ in 0..<moreOutputs { others.append(try cursor.index("moreOutputs", below: valueCount)) }
      let operation = try readOperation(&cursor, tag)
      nodes.append(
        Node(name: name, operation: operation, inputs: inputs, output: output, moreOutputs: others))
    }
    return (nodes, places)
  }

  /// The outputs behind the first; only version 3 has any.
  private func readOutputCount(_ cursor: inout ByteCursor) throws(FormatError) -> Int {
    guard version >= 3 else {
      try cursor.reserved(2)
      return 0
    }
    let count = try cursor.shortCount("moreOutputs.count", limit: maximumNodeOutputs - 1, size: 4)
    try cursor.reserved(1)
    return count
  }

  private func readTag(_ cursor: inout ByteCursor) throws(FormatError) -> UInt8 {
    let place = cursor.offset
    let tag = UInt8(try cursor.byte("operation"))
    let isKnown = Operation.kinds.contains { $0.schema.tag == tag && $0.schema.since <= version }
    guard isKnown else {
      throw cursor.fault(.unknownTag, "operation", at: place, got: .integer(Int(tag)))
    }
    return tag
  }

  /// The attributes behind a known tag; for tensor operations another tag is before them.
  private func readOperation(_ cursor: inout ByteCursor, _ tag: UInt8) throws(FormatError) -> Operation {
    let place = cursor.offset
    var tensorTag: UInt8?
    if tag == OperatorSchema.tensorOperation { tensorTag = UInt8(try cursor.byte("tensor")) }
    let kind = Operation.kinds.first {
      $0.schema.tag == tag && $0.schema.tensorTag == tensorTag && $0.schema.since <= version
    }
    guard let kind else {
      throw cursor.fault(.unknownTag, "tensor", at: place, got: .integer(Int(tensorTag ?? 0)))
    }
    var reader = AttributeReader(
      cursor: cursor, version: version, symbolCount: symbolCount, constantCount: constantCount)
    let operation = try kind.read(&reader)
    cursor = reader.cursor
    return operation
  }
}
