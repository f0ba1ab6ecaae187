import SoniqCore
import SoniqGraph
import SoniqQuantizers

/// The graph of a decoder while it is put together: token ids of some positions to the logits of those that are asked
/// for, with keys and values of the positions before as states.
struct DecoderGraph<Weights: DecoderWeights> {
  let family: DecoderFamily
  let sizes: DecoderSizes
  let options: DecoderImportOptions
  let store: ConstantStore
  var weights: Weights
  private(set) var graph = Graph()
  private var tables: [RotaryAngles: (cosine: ConstantID, sine: ConstantID)] = [:]
  private var numbers: [UInt32: ValueID] = [:]
  /// The place of each row of the run in its sequence.
  private(set) var places: ValueID = 0
  /// The rows of which there will be logits.
  private var chosen: ValueID = 0
  private var capacity = 0
  private let progress: ProgressReport

  init(
    _ family: DecoderFamily, _ sizes: DecoderSizes, _ options: DecoderImportOptions, _ weights: Weights,
    store: ConstantStore, progress: ProgressReport
  ) {
    (self.family, self.sizes, self.options) = (family, sizes, options)
    (self.weights, self.store, self.progress) = (weights, store, progress)
  }

  mutating func build() throws(PackError) {
    try addInputs()
    let (table, ids) = (try weights.table(DecoderPart.words), 0)
    let words = add(table, DecoderPart.words + ".weight")
    var rows = try append(DecoderPart.words, .embedding(table: words), [ids])
    rows = try scaled(rows, sizes.embeddingScale, DecoderPart.words + ".scale")
    for layer in sizes.layers.indices {
      progress.step("import", layer, sizes.layers.count)
      rows = try self.layer(layer, rows)
    }
    progress.step("import", sizes.layers.count, sizes.layers.count)
    let normed = try norm("output_norm", rows)
    var logits = try append(DecoderPart.head, .linear(matrix: try headMatrix(words)), [normed])
    logits = try scaled(logits, sizes.logitScale, DecoderPart.head + ".scale")
    if sizes.logitCap > 0 {
      logits = try append(DecoderPart.head + ".cap", .softcap(Softcap(sizes.logitCap)), [logits])
    }
    graph.values[logits].name = "logits"
    graph.outputs = [logits]
  }

  private mutating func addInputs() throws(PackError) {
    try options.checkNames()
    capacity = try options.maximum("capacity", most: min(sizes.context, maximumCapacity))
    let sequence = try options.maximum("sequence", most: capacity)
    graph.symbols = [
      Symbol(name: "batch", maximum: try options.maximum("batch", most: 1024)),
      Symbol(name: "sequence", maximum: sequence), Symbol(name: "capacity", maximum: capacity),
      Symbol(name: "logits", maximum: try options.maximum("logits", most: sequence)),
    ]
    graph.values = [
      Value(name: "input_ids", elementType: .int32, shape: [.symbol(0), .symbol(1)]),
      Value(name: "logit_positions", elementType: .int32, shape: [.symbol(3)]),
    ]
    // The last position, unless the host asks for others.
    graph.inputs = [GraphInput(value: 0), GraphInput(value: 1, fill: -1)]
    chosen = 1
    guard options.cache.keyBits != 6 || sizes.headLength % 8 == 0 else {
      throw PackError(
        .usage, place: "--cache",
        "keys of 6 bits are for heads whose length 8 divides, and here it is \(sizes.headLength): use 8 or 4")
    }
    for layer in sizes.layers.indices {
      for (what, bits) in [("keys", options.cache.keyBits), ("values", options.cache.valueBits)] {
        graph.states.append(
          GraphState(
            name: "\(what) \(layer)", elementType: options.cache.elementType, bits: bits,
            shape: [.symbol(0), .symbol(2), .fixed(sizes.keyValueHeads * sizes.headLength)], kind: .growing))
      }
    }
    places = try append("positions", .statePositions(StatePositions(state: 0)), [0])
  }

  /// The matrix of the logits: the words' table again where the model has no other.
  private mutating func headMatrix(_ words: ConstantID) throws(PackError) -> ConstantID {
    guard weights.shape(DecoderPart.head) == nil else {
      return add(
        try weights.matrix(DecoderPart.head, rows: try rows(DecoderPart.head, inputs: sizes.hidden)),
        DecoderPart.head + ".weight")
    }
    if case .matrix = graph.constants[words] { return words }
    let matrix = try weights.matrix(DecoderPart.words, rows: 0..<sizes.vocabulary)
    return add(matrix, DecoderPart.head + ".weight")
  }

  /// The rows of which logits are asked for: nothing behind the last attention is computed of the others.
  mutating func chosenRows(_ value: ValueID, _ name: String) throws(PackError) -> ValueID {
    try append(name, .gather(axis: 1), [value, chosen])
  }

  // MARK: Parts

  /// A node whose output has the shape that its inputs give it.
  mutating func append(_ name: String, _ operation: Operation, _ inputs: [ValueID]) throws(PackError)
    -> ValueID
  {
    let output = graph.values.count
    graph.nodes.append(Node(name: name, operation: operation, inputs: inputs, output: output))
    graph.values.append(Value(name: name, elementType: .float32, shape: [.fixed(1)]))
    do throws(GraphError) {
      let inferred = try graph.inferredOutput(ofNode: graph.nodes.count - 1)
      graph.values[output] = Value(name: name, elementType: inferred.elementType, shape: inferred.shape)
    } catch {
      throw PackError(
        .data, place: "node \(name)", "its sizes are none that a decoder can have: \(error.message)")
    }
    return output
  }

  mutating func add(_ constant: Constant, _ name: String) -> ConstantID {
    graph.constants.append(constant)
    graph.constantNames.append(name)
    return graph.constants.count - 1
  }

  mutating func dense(_ floats: [Float], _ shape: [Int], _ name: String) -> ConstantID {
    add(.dense(DenseConstant(elementType: .float32, shape: shape, bytes: store.store(floats))), name)
  }

  func shape(_ value: ValueID) -> [Dimension] { graph.values[value].shape }

  /// How many numbers a row has.
  func length(_ value: ValueID) -> Int { shape(value).last?.fixedSize ?? 0 }

  /// All rows of a matrix, which must have so many inputs, and outputs where they are given.
  func rows(_ name: String, inputs: Int, outputs: Int? = nil) throws(PackError) -> Range<Int> {
    guard let shape = weights.shape(name) else { throw weights.fault(name, "missing") }
    guard shape.count == 2, shape[1] == inputs, outputs == nil || shape[0] == outputs else {
      let wanted = outputs.map { "\($0)" } ?? "any"
      throw weights.fault(name, "shape \(shape), expected [\(wanted), \(inputs)]")
    }
    return 0..<shape[0]
  }

  /// A layer of some of a matrix's rows; of all when `part` is nil.
  mutating func linear(
    _ name: String, _ input: ValueID, outputs: Int, part: Range<Int>? = nil, label: String? = nil
  ) throws(PackError) -> ValueID {
    // Typed errors do not pass through the right side of `??`.
    var rows = part ?? 0..<0
    if part == nil { rows = try self.rows(name, inputs: length(input), outputs: outputs) }
    let label = label ?? name
    let matrix = add(try weights.matrix(name, rows: rows), label + ".weight")
    let output = try append(label, .linear(matrix: matrix), [input])
    guard let factor = try weights.factor(name) else { return output }
    guard factor.isNormal, !weights.hasBias(name) else {
      throw weights.fault(name, "has a scale of \(factor), and a bias or none that is a number")
    }
    return try scaled(output, factor, label + ".scale")
  }

  mutating func norm(_ name: String, _ input: ValueID) throws(PackError) -> ValueID {
    let gamma = try weights.vector(name, count: length(input))
    let constant = dense(gamma, [gamma.count], name + ".weight")
    return try append(name, .rmsNorm(gamma: constant, epsilon: sizes.epsilon), [input])
  }

  /// A value times a number.
  mutating func scaled(_ value: ValueID, _ factor: Float, _ name: String) throws(PackError) -> ValueID {
    guard factor != 1 else { return value }
    if numbers[factor.bitPattern] == nil {
      let constant = dense([factor], [1], name + ".number")
      numbers[factor.bitPattern] = try append(name + ".number", .constant(constant), [])
    }
    return try append(name, .binary(.multiply), [value, numbers[factor.bitPattern] ?? value])
  }

  /// Cosines and sines, which layers share.
  mutating func angles(_ angles: RotaryAngles) -> (cosine: ConstantID, sine: ConstantID) {
    if let known = tables[angles] { return known }
    let (cosine, sine) = angles.tables(positions: capacity)
    let name = tables.isEmpty ? "rotary" : "rotary.\(tables.count)"
    let shape = [capacity, angles.pairs]
    let made = (dense(cosine, shape, name + ".cosine"), dense(sine, shape, name + ".sine"))
    tables[angles] = made
    return made
  }
}
