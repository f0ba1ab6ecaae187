import SoniqGraph

/// Weights of a linear layer or of one group of a convolution.
struct DraftWeights: Sendable {
  var outputs: Int
  /// With taps: [tap row][tap column][channel].
  var inputs: Int
  /// Row-major [outputs][inputs].
  var values: [Float]
  var bias: [Float]?
  /// The codes that the model states, by output.
  var grid: CodeGrid?
  /// The codes that training chose (the `soniq` domain); `values` are the same weights as real numbers.
  var trained: TrainedCodes?
  /// The codes that the model states, by block of channels; `values` are the same weights as real numbers.
  var blocks: BlockCodes?
}

/// What a node of a draft computes: the operations of `Graph` with their weights inside, and some that passes replace.
enum DraftOperation: Sendable {
  /// Any but `constant`, `foldTaps` and functions of one float.
  case tensor(Operation)
  /// In the graph `activation` or `unary`, as the table of functions says.
  case element(ElementFunction)
  case linear(DraftWeights)
  case convolution(Window, groups: [DraftWeights])
  /// weights: [taps][channels].
  case depthwise(Window, weights: [Float], bias: [Float]?, grid: CodeGrid?)
  case foldTaps(Window, height: Dimension, width: Dimension, bias: [Float]?)
  /// An operation with constants that are rows of floats; it is made of their indices.
  case rows([DraftRow], @Sendable ([ConstantID]) -> Operation)
  case attention(Attention)
  /// Without its constants: the matrix, and the candidate's of a GRU that has one.
  case recurrence(Recurrence, [DraftWeights])
  case meanPool
  case l2Normalize(epsilon: Float)
  /// table: [rows][channels].
  case embedding(table: [Float], rows: Int, channels: Int)
  case trainedEmbedding(TrainedTable)
  case positions
  /// no inputs -> int32 [size]: 0, 1, 2, ...
  case iota(Dimension)
  /// no inputs -> a tensor of no elements, which no finished graph may use.
  case empty
  /// x -> x as the codes of a QDQ model would have it; consumers take the code over, then it goes.
  case quantized(ActivationGrid)
}

/// A dense constant, and what is put behind its node's name for its own.
struct DraftRow: Sendable {
  var suffix: String
  var floats: [Float]
  /// nil for [floats.count].
  var shape: [Int]?
}

extension DraftOperation {
  /// An operation that needs no constants.
  init(_ operation: Operation) {
    if case .unary(let unary) = operation, let function = unary.function {
      self = .element(function)
    } else {
      self = .tensor(operation)
    }
  }

  static func layerNorm(gamma: [Float], beta: [Float], epsilon: Float) -> DraftOperation {
    .rows([DraftRow(suffix: "weight", floats: gamma), DraftRow(suffix: "bias", floats: beta)]) { constants in
      .layerNorm(gamma: constants[0], beta: constants[1], epsilon: epsilon)
    }
  }

  /// * cosine, sine: [positions][pairs], as the operation has them.
  static func rotary(heads: Int, isInterleaved: Bool, cosine: [Float], sine: [Float], pairs: Int)
    -> DraftOperation
  {
    let shape = [cosine.count / pairs, pairs]
    let rows = [
      DraftRow(suffix: "cosine", floats: cosine, shape: shape),
      DraftRow(suffix: "sine", floats: sine, shape: shape),
    ]
    return .rows(rows) { constants in
      .rotary(Rotary(heads: heads, isInterleaved: isInterleaved, cosine: constants[0], sine: constants[1]))
    }
  }
}

/// The static code of a value that a QDQ model states: real = scale * (code - zero), codes 0...255.
struct ActivationGrid: Sendable, Hashable {
  var scale: Float
  var zero: Int
}

struct DraftNode: Sendable {
  var name: String
  var operation: DraftOperation
  var inputs: [ValueID]
  var output: ValueID
  /// Those behind the first; only tensor operations and recurrences have any.
  var moreOutputs: [ValueID] = []

  var outputs: [ValueID] { [output] + moreOutputs }
}

struct DraftValue: Sendable {
  var name: String
  var elementType: ElementType
  /// [1] for a scalar; symbols are those of the draft.
  var shape: [Dimension]
  /// Not nil for constants, which no node makes.
  var known: KnownTensor?
}

/// A graph while it is made: nodes in order, constants as values, weights as plain arrays.
struct DraftGraph: Sendable {
  /// Has the symbols alone.
  var sizes = Graph()
  var symbols: [Symbol] {
    get { sizes.symbols }
    _modify { yield &sizes.symbols }
  }
  /// Which sizes earlier conversions of the same file found to be one.
  var equalSizes = EqualSizes()
  var values: [DraftValue] = []
  var nodes: [DraftNode] = []
  var inputs: [GraphInput] = []
  var outputs: [(name: String, value: ValueID)] = []
  /// Nodes whose codes could not be kept, each with the reason.
  var decoded: [String] = []
  /// What else the user should know.
  var remarks: [String] = []
  /// Sizes that would have to be one for an operation that was refused: the names of symbols, the first of which stays.
  var neededEqual: [(String, String)] = []
  /// Sizes that would have to be a number.
  var neededNumbers: [(name: String, number: Int)] = []
  /// A node needs sizes to be what they are not yet: the conversion begins again.
  var needsSizes: Bool { !neededEqual.isEmpty || !neededNumbers.isEmpty }

  /// nil for scalars that have become [1] too.
  func known(_ value: ValueID) -> KnownTensor? { values[value].known }
  func shape(_ value: ValueID) -> [Dimension] { values[value].shape }
  func rank(_ value: ValueID) -> Int { values[value].shape.count }
  func isEmpty(_ value: ValueID) -> Bool { values[value].shape.contains(.fixed(0)) }

  /// The sizes of a value whose dimensions are all fixed.
  func fixedShape(_ value: ValueID) -> [Int]? {
    var sizes: [Int] = []
    for dimension in values[value].shape {
      guard case .fixed(let size) = dimension else { return nil }
      sizes.append(size)
    }
    return sizes
  }

  mutating func constant(_ tensor: KnownTensor, name: String) -> ValueID {
    let shape = tensor.shape.isEmpty ? [1] : tensor.shape
    values.append(
      DraftValue(
        name: name, elementType: tensor.elementType, shape: shape.map(Dimension.fixed), known: tensor))
    return values.count - 1
  }

  mutating func value(_ name: String, _ type: ElementType, _ shape: [Dimension]) -> ValueID {
    values.append(DraftValue(name: name, elementType: type, shape: shape, known: nil))
    return values.count - 1
  }

  /// Adds a node whose output has the shape given.
  mutating func append(
    _ name: String, _ operation: DraftOperation, _ inputs: [ValueID], _ shape: [Dimension],
    type: ElementType = .float32
  ) -> ValueID {
    let output = value(name, type, shape)
    let isEmpty = shape.contains(.fixed(0))
    nodes.append(
      DraftNode(
        name: name, operation: isEmpty ? .empty : operation, inputs: isEmpty ? [] : inputs, output: output))
    return output
  }
}

extension DraftGraph {
  /// The index of the node that makes each value.
  func makers() -> [Int?] {
    var makers = [Int?](repeating: nil, count: values.count)
    for (index, node) in nodes.enumerated() {
      for output in node.outputs { makers[output] = index }
    }
    return makers
  }

  /// How often each value is used, by nodes and as output.
  func useCounts() -> [Int] {
    var uses = [Int](repeating: 0, count: values.count)
    for node in nodes { for input in node.inputs { uses[input] += 1 } }
    for output in outputs { uses[output.value] += 1 }
    return uses
  }

  /// Puts other values in the place of some, everywhere they are used.
  mutating func replaceUses(_ replacement: [ValueID: ValueID]) {
    guard !replacement.isEmpty else { return }
    func final(_ value: ValueID) -> ValueID {
      var value = value
      while let next = replacement[value] { value = next }
      return value
    }
    for index in nodes.indices { nodes[index].inputs = nodes[index].inputs.map(final) }
    for index in outputs.indices { outputs[index].value = final(outputs[index].value) }
  }

  /// Drops the nodes that no output needs.
  mutating func removeUnused() {
    var isUsed = [Bool](repeating: false, count: values.count)
    for output in outputs { isUsed[output.value] = true }
    var kept: [DraftNode] = []
    for node in nodes.reversed() where node.outputs.contains(where: { isUsed[$0] }) {
      for input in node.inputs { isUsed[input] = true }
      kept.append(node)
    }
    nodes = kept.reversed()
  }
}
