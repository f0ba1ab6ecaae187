import SoniqCore
import SoniqGraph

/// The models by name: what a parameterised test prints.
enum SampleModel: CaseIterable {
  case small
  case complete
  case tensors
  case convolutions
  case attention
  case sums
  case bias
  case levels
  case tied
  case decoder
  case sizes
  case outputs
  case types
  case images
  case states
  case codedStates
  case narrowStates
  case branches
  case recurrence
  case functions
  case scatter
  case sorted
  case sampled
  case byteTokens
  case scoredTokens
  case rankedTokens
  case wordTokens
  case likelyTokens

  func make() -> ModelDescription {
    switch self {
    case .small: SampleModels.small()
    case .complete: SampleModels.complete()
    case .tensors: SampleModels.tensors()
    case .convolutions: SampleModels.convolutions()
    case .attention: SampleModels.attention()
    case .sums: SampleModels.sums()
    case .bias: SampleModels.bias()
    case .levels: SampleModels.levels()
    case .tied: SampleModels.tied()
    case .decoder: SampleModels.decoder()
    case .sizes: SampleModels.sizes()
    case .outputs: SampleModels.outputs()
    case .types: SampleModels.types()
    case .images: SampleModels.images()
    case .states: SampleModels.states()
    case .codedStates: SampleModels.states(of: .int8)
    case .narrowStates: SampleModels.states(of: .int8, keyBits: 6, valueBits: 4)
    case .branches: SampleModels.branches()
    case .recurrence: SampleModels.recurrence()
    case .functions: SampleModels.functions()
    case .scatter: SampleModels.scatter()
    case .sorted: SampleModels.sorted()
    case .sampled: SampleModels.sampled()
    case .byteTokens: SampleModels.tokens(SampleTokenizers.bytes())
    case .scoredTokens: SampleModels.tokens(SampleTokenizers.scored())
    case .rankedTokens: SampleModels.tokens(SampleTokenizers.ranked())
    case .wordTokens: SampleModels.tokens(SampleTokenizers.words())
    case .likelyTokens: SampleModels.tokens(SampleTokenizers.likely())
    }
  }
}

/// Models for the tests: valid graphs that hold every record of the format.
enum SampleModels {
  static let dynamic8 = ActivationCode(kind: .affine, bits: 8)

  /// A few kilobytes: small enough to try every byte of the file.
  static func small() -> ModelDescription {
    let constants = SampleConstants()
    var graph = Graph()
    graph.symbols = [Symbol(name: "batch", maximum: 2), Symbol(name: "sequence", maximum: 4)]
    graph.constants = [
      .table(constants.table(rows: 3, [(.symmetric(4), 5, 5), (.bipolar(3), 3, 3)], scatter: true)),
      .matrix(
        constants.matrix(
          outputs: 3,
          [
            (Level(weight: .symmetric(8), activation: dynamic8), 5),
            (
              Level(
                weight: .bipolar(1),
                activation: ActivationCode(kind: .bipolar, bits: 2, scaling: .fixed(scale: 0.5, zero: 0))), 3
            ),
          ], gather: true, bias: true)),
    ]
    graph.constantNames = ["words", "projection"]
    graph.values = [
      value("ids", [.symbol(0), .symbol(1)], .int32), value("embedded", [.symbol(0), .symbol(1), .fixed(8)]),
      value("result", [.symbol(0), .symbol(1), .fixed(3)]),
    ]
    graph.nodes = [
      Node(name: "embed", operation: .embedding(table: 0), inputs: [0], output: 1),
      Node(name: "project", operation: .linear(matrix: 1), inputs: [1], output: 2),
    ]
    graph.inputs = [GraphInput(value: 0)]
    graph.outputs = [2]
    return ModelDescription(
      graph: graph, metadata: [("general.name", .text("small")), ("soniq.average_bits", .real(5.5))],
      owner: constants.owners)
  }

  /// Every operation, every constant, every code.
  static func complete() -> ModelDescription {
    let constants = SampleConstants()
    var graph = encoder(constants)
    for (name, constant) in everyCode(constants) {
      graph.constantNames.append(name)
      graph.constants.append(constant)
    }
    return ModelDescription(graph: graph, metadata: metadata, owner: constants.owners)
  }

  static let metadata: [(key: String, value: MetadataValue)] = [
    ("general.name", .text("complete")), ("general.description", .text("")),
    ("test.unicode", .text("\u{e9}\u{4e2d}\u{1f600}")), ("test.minimum", .integer(.min)),
    ("soniq.average_bits", .real(4.921875)), ("test.smallest", .real(.leastNonzeroMagnitude)),
    ("test.yes", .boolean(true)), ("test.no", .boolean(false)),
  ]

  private static func value(_ name: String, _ shape: [Dimension], _ elementType: ElementType = .float32)
    -> Value
  {
    Value(name: name, elementType: elementType, shape: shape)
  }

  /// Matrices and tables of every weight code, with every kind of activation code.
  static func everyCode(_ constants: SampleConstants) -> [(String, Constant)] {
    var result: [(String, Constant)] = []
    let weights = (1...7).map { WeightCode.bipolar($0) } + (1...8).map { WeightCode.symmetric($0) }
    for (index, weight) in weights.enumerated() {
      let activations = [
        ActivationCode(kind: .affine, bits: index % 8 + 1),
        ActivationCode(kind: .bipolar, bits: index % 7 + 1),
        ActivationCode(
          kind: .affine, bits: 8, scaling: .fixed(scale: Float(index + 1) * 0.03125, zero: 17 * index)),
        ActivationCode(
          kind: .bipolar, bits: index % 7 + 1, scaling: .fixed(scale: .leastNormalMagnitude, zero: 0)),
      ]
      let level = Level(weight: weight, activation: activations[index % 4])
      let second = Level(weight: .bipolar(1), activation: activations[(index + 1) % 4])
      let name = "\(weight.kind)\(weight.bits)"
      let levels = [(level: level, channels: 3 + index), (level: second, channels: 33)]
      let matrix = constants.matrix(
        outputs: 15 + index % 3, index % 2 == 0 ? [levels[0]] : levels, gather: index % 3 == 1,
        bias: index % 4 == 1, offsets: index % 5 == 2)
      result.append(("matrix.\(name)", .matrix(matrix)))
      let wide = (code: weight, channels: 24, blockLength: 8)
      let narrow = (code: WeightCode(kind: .affine, bits: 2, zero: 1), channels: 7, blockLength: 7)
      let table = constants.table(rows: 2, index % 2 == 0 ? [wide] : [wide, narrow], scatter: index % 3 == 2)
      result.append(("table.\(name)", .table(table)))
    }
    result.append(("array", .dense(constants.dense([2, 1, 3], .int32))))
    return result
  }

  /// A graph with every operation.
  private static func encoder(_ constants: SampleConstants) -> Graph {
    let int8 = Level(weight: .symmetric(8), activation: dynamic8)
    let tokens: [Dimension] = [.symbol(0), .symbol(1)]
    let hidden = tokens + [.fixed(8)]
    var graph = Graph()
    graph.symbols = [Symbol(name: "batch", maximum: 4), Symbol(name: "sequence", maximum: 6)]
    graph.constantNames = ["words", "positions", "gamma", "beta", "qkv", "output"]
    graph.constants = [
      .table(constants.table(rows: 10, [(.symmetric(8), 8, 8)])), .dense(constants.dense([6, 8])),
      .dense(constants.dense([8])), .dense(constants.dense([8])),
      .matrix(constants.matrix(outputs: 24, [(int8, 8)], bias: true)),
      .floatMatrix(constants.floatMatrix(outputs: 8, inputs: 8, bias: true)),
    ]
    graph.values = [
      value("input_ids", tokens, .int32), value("attention_mask", tokens, .int32),
      value("position_ids", tokens, .int32), value("word_rows", hidden), value("position_rows", hidden),
      value("sum", hidden), value("normal", hidden), value("qkv", tokens + [.fixed(24)]),
      value("context", hidden), value("projected", hidden), value("active", hidden),
      value("pooled", [.symbol(0), .fixed(8)]), value("embedding", [.symbol(0), .fixed(8)]),
    ]
    let steps: [(String, Operation, [ValueID])] = [
      ("positions", .positions, [0]), ("words", .embedding(table: 0), [0]),
      ("places", .embedding(table: 1), [2]), ("add", .add, [3, 4]),
      ("norm", .layerNorm(gamma: 2, beta: 3, epsilon: 1e-12), [5]), ("qkv", .linear(matrix: 4), [6]),
      ("attention", .attention(Attention(heads: 2, scale: 0.5, precision: .int8)), [7, 1]),
      ("output", .linear(matrix: 5), [8]), ("gelu", .activation(.geluErf), [9]),
      ("pool", .meanPool, [10, 1]), ("normalize", .l2Normalize(epsilon: 1e-9), [11]),
    ]
    for (index, (name, operation, inputs)) in steps.enumerated() {
      graph.nodes.append(Node(name: name, operation: operation, inputs: inputs, output: index + 2))
    }
    graph.inputs = [GraphInput(value: 0), GraphInput(value: 1, fill: 1)]
    graph.outputs = [12, 10]
    return graph
  }
}
