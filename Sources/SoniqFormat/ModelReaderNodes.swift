import SoniqGraph

extension ModelReader {
  static func readNodes(
    _ cursor: inout ByteCursor, valueCount: Int, constantCount: Int
  ) throws(FormatError) -> (nodes: [Node], places: [Int]) {
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
      let tag = try cursor.tag(OperationTag.self, "operation")
      let inputCount = try cursor.shortCount("inputs.count", limit: FormatLimits.maximumNodeInputs, size: 4)
      try cursor.reserved(2)
      var inputs: [ValueID] = []
      inputs.reserveCapacity(inputCount)
      for _ in 0..<inputCount { inputs.append(try cursor.index("inputs", below: valueCount)) }
      let output = try cursor.index("output", below: valueCount)
      let operation = try readOperation(&cursor, tag, constantCount: constantCount)
      nodes.append(Node(name: name, operation: operation, inputs: inputs, output: output))
    }
    return (nodes, places)
  }

  private static func readOperation(
    _ cursor: inout ByteCursor, _ tag: OperationTag, constantCount: Int
  ) throws(FormatError) -> Operation {
    switch tag {
    case .embedding: return .embedding(table: try cursor.index("table", below: constantCount))
    case .positions: return .positions
    case .linear: return .linear(matrix: try cursor.index("matrix", below: constantCount))
    case .layerNorm:
      let gamma = try cursor.index("gamma", below: constantCount)
      let beta = try cursor.index("beta", below: constantCount)
      return .layerNorm(gamma: gamma, beta: beta, epsilon: try cursor.float("epsilon"))
    case .activation:
      let function = try cursor.tag(ActivationFunction.self, "function")
      try cursor.reserved(3)
      return .activation(function)
    case .add: return .add
    case .attention:
      let heads = try cursor.word("heads", in: FormatLimits.dimensionRange)
      let scale = try cursor.float("scale")
      let precision = try cursor.tag(AttentionPrecision.self, "precision")
      try cursor.reserved(3)
      return .attention(heads: heads, scale: scale, precision: precision)
    case .meanPool: return .meanPool
    case .l2Normalize: return .l2Normalize(epsilon: try cursor.float("epsilon"))
    }
  }
}
