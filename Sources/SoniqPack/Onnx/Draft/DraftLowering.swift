import SoniqCore
import SoniqGraph
import SoniqQuantizers

/// Turns a finished draft into a graph with its constants in memory.
struct DraftLowering {
  private let draft: DraftGraph
  private let keepsCodes: Bool
  private let store = ConstantStore()
  private var graph = Graph()
  /// The graph's value of each value of the draft.
  private var lowered: [ValueID: ValueID] = [:]
  private var iotas: [Dimension: ValueID] = [:]
  private var constants: [ConstantContent: ConstantID] = [:]

  private init(_ draft: DraftGraph, keepsCodes: Bool) {
    self.draft = draft
    self.keepsCodes = keepsCodes
    graph.symbols = draft.symbols
    for index in graph.symbols.indices {
      graph.symbols[index].maximum = min(draft.maximum(.symbol(index)) ?? maximumDimension, maximumDimension)
    }
  }

  struct Result {
    var graph: Graph
    var store: ConstantStore
    /// The model's names of inputs and outputs that are called otherwise in the graph, by those.
    var fullNames: [String: String]
  }

  /// * keepsCodes: whether weights whose codes the model states are packed as they are, rather than as real numbers.
  static func lower(_ draft: DraftGraph, keepsCodes: Bool) throws(PackError) -> Result {
    var lowering = DraftLowering(draft, keepsCodes: keepsCodes)
    for input in draft.inputs {
      let value = draft.values[input.value]
      lowering.lowered[input.value] = try lowering.value(value.name, value.elementType, value.shape)
      lowering.graph.inputs.append(GraphInput(value: lowering.lowered[input.value] ?? 0, fill: input.fill))
    }
    for node in draft.nodes {
      // What uses a tensor of no elements is named, rather than what makes it.
      if case .empty = node.operation { continue }
      try lowering.add(node)
    }
    try lowering.addOutputs()
    UsedSymbols.keep(&lowering.graph)
    let fullNames = lowering.makeNamesUnique()
    return Result(graph: lowering.graph, store: lowering.store, fullNames: fullNames)
  }

  private mutating func addOutputs() throws(PackError) {
    var used = Set(graph.inputs.map(\.value))
    for output in draft.outputs {
      guard !draft.isEmpty(output.value) else {
        throw PackError(.data, place: "output \(output.name)", "it has no elements")
      }
      var value = try operand(output.value)
      if used.contains(value) {
        let copied = graph.values[value]
        value = append(
          output.name, .reshape(copied.shape), [value], copied.elementType, copied.shape)
      }
      used.insert(value)
      graph.values[value].name = output.name
      graph.outputs.append(value)
    }
  }

  /// Adds numbers to names that are used twice, and shortens those that are too long. Those of inputs and outputs stay
  /// where they can; returns those that could not.
  private mutating func makeNamesUnique() -> [String: String] {
    let ends = graph.inputs.map(\.value) + graph.outputs
    let isEnd = Set(ends)
    var fullNames: [String: String] = [:]
    var names = StoredNames()
    for value in ends + graph.values.indices.filter({ !isEnd.contains($0) }) {
      let name = graph.values[value].name
      graph.values[value].name = names.unique(name)
      if isEnd.contains(value), graph.values[value].name != name {
        fullNames[graph.values[value].name] = name
      }
    }
    names = StoredNames()
    for symbol in graph.symbols.indices {
      graph.symbols[symbol].name = names.unique(graph.symbols[symbol].name)
    }
    names = StoredNames()
    for node in graph.nodes.indices { graph.nodes[node].name = names.unique(graph.nodes[node].name) }
    names = StoredNames()
    for constant in graph.constantNames.indices {
      graph.constantNames[constant] = names.unique(graph.constantNames[constant])
    }
    return fullNames
  }

  private mutating func add(_ node: DraftNode) throws(PackError) {
    if case .iota(let size) = node.operation {
      lowered[node.output] = iota(size, node.name)
      return
    }
    var inputs: [ValueID] = []
    for input in node.inputs {
      guard !draft.isEmpty(input) else {
        throw PackError(.data, place: "node \(node.name)", "one of its inputs has no elements")
      }
      inputs.append(try operand(input))
    }
    let operation = try operation(node)
    let value = draft.values[node.output]
    if case .activation = operation, value.shape.count < 2 || value.shape.last?.isDynamic == true {
      lowered[node.output] = try activation(operation, inputs[0], value, node.name)
      return
    }
    lowered[node.output] = append(
      node.name, operation, inputs, value.elementType, value.shape)
    if let output = lowered[node.output] { graph.values[output].name = value.name }
    guard !node.moreOutputs.isEmpty else { return }
    let made = graph.nodes.removeLast()
    var others: [ValueID] = []
    for output in node.moreOutputs {
      let value = draft.values[output]
      let other = try self.value(value.name, value.elementType, value.shape)
      lowered[output] = other
      others.append(other)
    }
    graph.nodes.append(
      Node(
        name: made.name, operation: made.operation, inputs: made.inputs, output: made.output,
        moreOutputs: others))
  }

  /// An activation, which runs on rows of a fixed length, of a tensor that has none.
  private mutating func activation(
    _ operation: Operation, _ input: ValueID, _ value: DraftValue, _ name: String
  ) throws(PackError) -> ValueID {
    let shape = value.shape.last?.isDynamic == true ? value.shape + [.fixed(1)] : [.fixed(1)] + value.shape
    guard shape.count <= maximumRank else {
      throw PackError(
        .data, place: "node \(name)", "\(value.shape.count) dimensions of which the last is dynamic")
    }
    let rows = append(name + ".rows", .reshape(shape), [input], .float32, shape)
    let result = append(name, operation, [rows], .float32, shape)
    let output = append(name + ".shape", .reshape(value.shape), [result], .float32, value.shape)
    graph.values[output].name = value.name
    return output
  }

  private mutating func operation(_ node: DraftNode) throws(PackError) -> Operation {
    switch node.operation {
    case .tensor(.binary(Binary(.add))):
      let (left, right) = (draft.values[node.inputs[0]], draft.values[node.inputs[1]])
      if left.elementType == .float32, left.shape == right.shape, left.shape.count >= 2,
        case .fixed? = left.shape.last
      {
        return .add
      }
      return .binary(.add)
    case .tensor(let operation): return operation
    case .element(let function):
      return function.kind.isActivation ? .activation(function) : .unary(function)
    case .linear(let weights):
      return .linear(
        matrix: try matrix(weights, window: nil, isImage: draft.rank(node.inputs[0]) == 4, node.name))
    case .convolution(let window, let groups):
      var constants: [ConstantID] = []
      for (index, group) in groups.enumerated() {
        constants.append(
          try matrix(
            group, window: window, isImage: true, groups.count == 1 ? node.name : "\(node.name).\(index)"))
      }
      return .convolution(window, weights: constants)
    case .depthwise(let window, let weights, let bias, let grid):
      let channels = weights.count / max(1, window.taps)
      return .depthwiseConvolution(
        window, weights: try depthwise(weights, taps: window.taps, grid, node.name),
        bias: bias.map { dense(node.name + ".bias", $0, [channels]) })
    case .foldTaps(let window, let height, let width, let bias):
      let constant = bias.map { dense(node.name + ".bias", $0, [$0.count]) }
      return .foldTaps(window, height: height, width: width, bias: constant)
    case .rows(let rows, let make):
      return make(rows.map { dense("\(node.name).\($0.suffix)", $0.floats, $0.shape ?? [$0.floats.count]) })
    case .attention(let attention): return .attention(attention)
    case .recurrence(var recurrence, let matrices):
      recurrence.matrix = try matrix(matrices[0], window: nil, isImage: false, node.name + ".R")
      if matrices.count > 1 {
        recurrence.candidate = try matrix(
          matrices[1], window: nil, isImage: false, node.name + ".R.candidate")
      }
      return .recurrence(recurrence)
    case .meanPool: return .meanPool
    case .l2Normalize(let epsilon): return .l2Normalize(epsilon: epsilon)
    case .embedding(let table, let rows, let channels):
      let content = ConstantContent.table(FloatBits(table), rows: rows, nil)
      return .embedding(
        table: shared(content, node.name + ".weight") { $0.dense(table, shape: [rows, channels]) })
    case .trainedEmbedding(let table):
      return .embedding(
        table: try shared(.trainedTable(table), node.name + ".weight") { store throws(PackError) in
          try Self.built(node.name, "trained codes") { () throws(QuantizationError) in
            try table.table(store: store)
          }
        })
    case .positions: return .positions
    case .iota, .empty, .quantized: throw PackError(.software, place: "node \(node.name)", "is left over")
    }
  }

  // MARK: Values

  private mutating func operand(_ value: ValueID) throws(PackError) -> ValueID {
    if let done = lowered[value] { return done }
    let entry = draft.values[value]
    guard let known = entry.known else {
      throw PackError(.software, place: "value \(entry.name)", "is used before it is made")
    }
    let shape = known.shape.isEmpty ? [1] : known.shape
    let constant: ConstantID
    if !entry.elementType.isComputed {
      constant = try narrow(entry, known, shape)
    } else if let floats = known.floats {
      constant = dense(entry.name, floats, shape)
    } else {
      guard let integers = known.integers else {
        throw PackError(.data, place: "value \(entry.name)", "it holds dynamic sizes; fix them with --shape")
      }
      let narrow = integers.compactMap { Int32(exactly: $0) }
      guard narrow.count == integers.count else {
        throw PackError(.data, place: "value \(entry.name)", "it holds whole numbers of more than 32 bits")
      }
      constant = shared(.integers(narrow, shape: shape), entry.name) {
        .dense(DenseConstant(elementType: .int32, shape: shape, bytes: $0.store(narrow)))
      }
    }
    let made = append(
      entry.name, .constant(constant), [], entry.elementType, shape.map(Dimension.fixed))
    lowered[value] = made
    return made
  }

  private mutating func narrow(
    _ entry: DraftValue, _ known: KnownTensor, _ shape: [Int]
  ) throws(PackError) -> ConstantID {
    let type = entry.elementType
    guard let elements = known.narrow(type) else {
      throw PackError(.software, place: "value \(entry.name)", "\(type) does not hold its numbers")
    }
    return shared(.narrow(elements, type, shape: shape), entry.name) { store in
      let bytes =
        type.byteCount == 1
        ? store.store(elements.map { UInt8(truncatingIfNeeded: $0) }) : store.store(elements)
      return .dense(DenseConstant(elementType: type, shape: shape, bytes: bytes))
    }
  }

  private mutating func append(
    _ name: String, _ operation: Operation, _ inputs: [ValueID], _ type: ElementType, _ shape: [Dimension]
  ) -> ValueID {
    graph.values.append(Value(name: name, elementType: type, shape: shape))
    let output = graph.values.count - 1
    graph.nodes.append(Node(name: name, operation: operation, inputs: inputs, output: output))
    return output
  }

  private mutating func value(
    _ name: String, _ type: ElementType, _ dimensions: [Dimension]
  ) throws(PackError) -> ValueID {
    graph.values.append(Value(name: name, elementType: type, shape: dimensions))
    return graph.values.count - 1
  }

  /// Counts from 0 as long as a dynamic size: sums of ones.
  private mutating func iota(_ size: Dimension, _ name: String) -> ValueID {
    if let made = iotas[size] { return made }
    let constant = shared(.integers([1], shape: [1]), name + ".one") {
      .dense(DenseConstant(elementType: .int32, shape: [1], bytes: $0.store([Int32(1)])))
    }
    let one = append(name + ".one", .constant(constant), [], .int32, [.fixed(1)])
    let ones = append(name + ".ones", .expand([size]), [one], .int32, [size])
    let count = Operation.cumulate(axis: 0, isExclusive: true, isReversed: false)
    let result = append(name, count, [ones], .int32, [size])
    iotas[size] = result
    return result
  }

  // MARK: Constants

  /// * isImage: the layer's activations must have fixed scales when it is packed.
  private mutating func matrix(
    _ weights: DraftWeights, window: Window?, isImage: Bool, _ name: String
  ) throws(PackError) -> ConstantID {
    let bias = weights.bias.map(FloatBits.init)
    let keepsCodes = keepsCodes
    if keepsCodes, let trained = weights.trained {
      let content = ConstantContent.trained(trained, outputs: weights.outputs, bias: bias)
      return try shared(content, name + ".weight") { store throws(PackError) in
        try Self.built(name, "trained codes") { () throws(QuantizationError) in
          try trained.matrix(outputs: weights.outputs, bias: weights.bias, store: store)
        }
      }
    }
    if keepsCodes, let blocks = weights.blocks {
      let content = ConstantContent.blocks(blocks, outputs: weights.outputs, bias: bias)
      return try shared(content, name + ".weight") { store throws(PackError) in
        try Self.built(name, "codes") { () throws(QuantizationError) in
          try blocks.matrix(outputs: weights.outputs, bias: weights.bias, store: store)
        }
      }
    }
    let content = ConstantContent.matrix(
      FloatBits(weights.values), outputs: weights.outputs, taps: window?.taps, isImage: isImage, bias: bias,
      keepsCodes ? weights.grid : nil)
    return try shared(content, name + ".weight") { store throws(PackError) in
      if keepsCodes,
        let packed = try StatedCodes(store: store).matrix(
          weights, taps: window?.taps ?? 1, needsFixedScale: isImage, name: name)
      {
        return packed
      }
      return try Self.built(name, "weights") { () throws(QuantizationError) in
        try weights.values.withUnsafeBufferPointer { buffer throws(QuantizationError) in
          .floatMatrix(
            try store.floatMatrix(
              weights: buffer, outputs: weights.outputs, inputs: weights.inputs, bias: weights.bias))
        }
      }
    }
  }

  private mutating func depthwise(
    _ weights: [Float], taps: Int, _ grid: CodeGrid?, _ name: String
  ) throws(PackError) -> ConstantID {
    let keepsCodes = keepsCodes
    let content = ConstantContent.depthwise(FloatBits(weights), taps: taps, keepsCodes ? grid : nil)
    return try shared(content, name + ".weight") { store throws(PackError) in
      if keepsCodes,
        let packed = try StatedCodes(store: store).depthwise(weights, taps: taps, grid: grid, name: name)
      {
        return packed
      }
      return store.dense(weights, shape: [taps, weights.count / max(1, taps)])
    }
  }

  private mutating func dense(_ name: String, _ floats: [Float], _ shape: [Int]) -> ConstantID {
    shared(.floats(FloatBits(floats), shape: shape), name) { $0.dense(floats, shape: shape) }
  }

  /// The constant of this content, made when it is needed for the first time.
  private mutating func shared<Failure: Error>(
    _ content: ConstantContent, _ name: String, _ make: (ConstantStore) throws(Failure) -> Constant
  ) throws(Failure) -> ConstantID {
    if let known = constants[content] { return known }
    graph.constants.append(try make(store))
    graph.constantNames.append(name)
    constants[content] = graph.constants.count - 1
    return graph.constants.count - 1
  }

  private static func built(
    _ name: String, _ what: String, _ make: () throws(QuantizationError) -> Constant
  ) throws(PackError) -> Constant {
    do throws(QuantizationError) {
      return try make()
    } catch {
      throw PackError(.data, place: "node \(name)", "its \(what) cannot be packed: \(error)")
    }
  }
}

extension ConstantStore {
  fileprivate func dense(_ floats: [Float], shape: [Int]) -> Constant {
    .dense(DenseConstant(elementType: .float32, shape: shape, bytes: store(floats)))
  }
}
