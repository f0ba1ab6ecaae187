import SoniqGraph

/// Reads the table of nodes; indices are checked against the tables before it.
struct NodeReader {
  let version: Int
  let valueCount: Int
  let tensors: TensorReader
  private var constantCount: Int { tensors.constantCount }

  init(version: Int, valueCount: Int, tensors: TensorReader) {
    self.version = version
    self.valueCount = valueCount
    self.tensors = tensors
  }

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
      let place = cursor.offset
      let tag = try cursor.tag(OperationTag.self, "operation")
      guard tag.version <= version else {
        throw cursor.fault(.unknownTag, "operation", at: place, got: .integer(Int(tag.rawValue)))
      }
      let limit = FormatLimits.nodeInputs(version: version)
      let inputCount = try cursor.shortCount("inputs.count", limit: limit, size: 4)
      try cursor.reserved(2)
      var inputs: [ValueID] = []
      inputs.reserveCapacity(inputCount)
      for _ in 0..<inputCount { inputs.append(try cursor.index("inputs", below: valueCount)) }
      let output = try cursor.index("output", below: valueCount)
      let operation = try readOperation(&cursor, tag)
      nodes.append(Node(name: name, operation: operation, inputs: inputs, output: output))
    }
    return (nodes, places)
  }

  private func readOperation(
    _ cursor: inout ByteCursor, _ tag: OperationTag
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
      let place = cursor.offset
      let function = try cursor.tag(ActivationFunction.self, "function")
      guard function.version <= version else {
        throw cursor.fault(.unknownTag, "function", at: place, got: .integer(Int(function.rawValue)))
      }
      try cursor.reserved(3)
      return .activation(function)
    case .add: return .add
    case .attention:
      let heads = try cursor.word("heads", in: FormatLimits.dimensionRange)
      let scale = try cursor.float("scale")
      let precision = try cursor.tag(AttentionPrecision.self, "precision")
      if version == 1 { try cursor.reserved(2) }
      let isCausal = version == 1 ? false : try cursor.flag("isCausal")
      let hasBias = version == 1 ? false : try cursor.flag("hasBias")
      try cursor.reserved(1)
      return .attention(
        Attention(heads: heads, scale: scale, precision: precision, isCausal: isCausal, hasBias: hasBias))
    case .meanPool: return .meanPool
    case .l2Normalize: return .l2Normalize(epsilon: try cursor.float("epsilon"))
    case .convolution:
      let window = try ModelReader.readWindow(&cursor)
      let count = try cursor.count("weights.count", limit: maximumGraphItems, size: 4)
      var weights: [ConstantID] = []
      weights.reserveCapacity(count)
      for _ in 0..<count { weights.append(try cursor.index("weights", below: constantCount)) }
      return .convolution(window, weights: weights)
    case .depthwiseConvolution:
      let window = try ModelReader.readWindow(&cursor)
      let weights = try cursor.index("weights", below: constantCount)
      let bias = try cursor.index("bias", below: constantCount + 1)
      return .depthwiseConvolution(window, weights: weights, bias: bias == 0 ? nil : bias - 1)
    case .tensor: return .tensor(try tensors.read(&cursor))
    }
  }
}

extension ModelReader {
  /// Ten words; the graph's rules bound them.
  static func readWindow(_ cursor: inout ByteCursor) throws(FormatError) -> Window {
    var numbers: [Int] = []
    for field in [
      "height", "width", "strideHeight", "strideWidth", "dilationHeight", "dilationWidth", "top", "left",
      "bottom",
      "right",
    ] { numbers.append(try cursor.word("window." + field, in: 0...maximumTaps)) }
    return Window(
      height: numbers[0], width: numbers[1], strides: (numbers[2], numbers[3]),
      dilations: (numbers[4], numbers[5]),
      padding: (top: numbers[6], left: numbers[7], bottom: numbers[8], right: numbers[9]))
  }
}
