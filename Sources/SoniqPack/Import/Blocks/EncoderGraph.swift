import SoniqGraph

/// The draft of one folder while it is put together, and the parts that all families are made of.
struct EncoderGraph {
  let folder: CheckpointFolder
  let family: EncoderFamily
  let modelType: String
  let options: FolderOptions
  let sizes: EncoderSizes
  /// What the names of the encoder's tensors begin with.
  let prefix: String
  let modules: SentenceModules?
  /// The class that the folder was saved from.
  let architecture: String?
  var draft = DraftGraph()
  /// The kinds of layers and norms that have biases.
  private let biases: Set<String>
  /// The tensors that the graph was made of.
  var used: Set<String> = []
  /// Layers of shared weights, read once.
  private var weights: [String: DraftWeights] = [:]
  /// Linear layers that were added, by name and input.
  private var added: [LinearKey: ValueID] = [:]
  /// [batch, positions], as dimensions and, where there is one, the mask of the host.
  var rows: [Dimension] = []
  var mask: ValueID?
  /// How to make token sequences; nil for other inputs.
  var framing: TokenFraming?
  /// What layers add to their scores, by what it is for.
  var scoreBiases: [String: ValueID] = [:]
  /// What layers look up the scores of distances in.
  var distances: DistanceTable?
  /// The number of each position of the rows.
  var places: ValueID?
  /// What the family's pooler gave.
  var pooledRow: ValueID?
  /// The host's token ids.
  var ids: ValueID?

  private struct LinearKey: Hashable {
    var name: String
    var input: ValueID
  }

  init(
    _ folder: CheckpointFolder, _ family: EncoderFamily, _ modelType: String, _ options: FolderOptions
  ) throws(PackError) {
    (self.folder, self.family, self.modelType, self.options) = (folder, family, modelType, options)
    sizes = try EncoderSizes(folder, family.fields)
    prefix = family.prefixes.first { prefix in folder.tensors.names.contains { $0.hasPrefix(prefix) } } ?? ""
    modules = folder.isWhole ? try SentenceModules.read(folder) : nil
    architecture = try folder.architecture()
    biases = Set(folder.tensors.names.filter { $0.hasSuffix(".bias") }.map(Self.kind))
  }

  mutating func build() throws(PackError) {
    var hidden = try input()
    try options.requireKnown(draft.symbols)
    for layer in 0..<sizes.layers { hidden = try self.layer(layer, hidden) }
    if let norm = family.finalNorm { hidden = try self.norm(prefix + norm, hidden) }
    try addOutputs(hidden)
  }

  private mutating func input() throws(PackError) -> ValueID {
    switch family.input {
    case .tokens(let layout): try tokens(layout)
    case .patches(let layout): try patches(layout)
    case .frames(let layout): try frames(layout)
    case .samples(let layout): try samples(layout)
    }
  }

  // MARK: Parts

  func shape(_ value: ValueID) -> [Dimension] { draft.shape(value) }

  /// * maximum: unless the user says another.
  /// * isLimit: more is an error.
  mutating func symbol(_ name: String, maximum: Int, isLimit: Bool = false) throws(PackError) -> Dimension {
    let most = options.maximums[name] ?? maximum
    guard !isLimit || most <= maximum else {
      throw PackError(.usage, place: "--maximum \(name)=\(most)", "the model has \(maximum) positions")
    }
    guard name != "sequence" || most <= Self.mostPositions else {
      throw PackError(.usage, place: "--maximum \(name)=\(most)", "at most \(Self.mostPositions)")
    }
    draft.symbols.append(Symbol(name: name, maximum: most))
    return .symbol(draft.symbols.count - 1)
  }

  /// Of a text: attention takes no more.
  static let mostPositions = 1 << 20

  /// Refuses tables of numbers that the importer would compute without end.
  /// * what: they are for, a field of config.json.
  func requireComputable(_ rows: Int, _ columns: Int, _ what: String) throws(PackError) {
    let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
    guard !overflow, count <= maximumKnownElements else {
      throw folder.fieldError(
        what, "\(rows) places with \(columns) numbers each are too many; --maximum makes texts shorter")
    }
  }

  mutating func host(
    _ name: String, _ type: ElementType, _ shape: [Dimension], fill: Int32? = nil
  ) -> ValueID {
    let value = draft.value(name, type, shape)
    draft.inputs.append(GraphInput(value: value, fill: fill))
    return value
  }

  mutating func node(
    _ name: String, _ operation: DraftOperation, _ inputs: [ValueID], _ shape: [Dimension],
    type: ElementType = .float32
  ) -> ValueID { draft.append(name, operation, inputs, shape, type: type) }

  mutating func tensor(
    _ name: String, _ operation: Operation, _ inputs: ValueID...
  ) throws(PackError) -> ValueID { try draft.tensor(operation, inputs, name: name) }

  mutating func output(_ name: String, _ value: ValueID) { draft.outputs.append((name, value)) }

  /// A constant of one whole number.
  mutating func number(_ name: String, _ number: Int) -> ValueID {
    draft.constant(KnownTensor(integers: [Int64(number)], shape: [1]), name: name)
  }

  mutating func number(_ name: String, _ number: Float) -> ValueID {
    draft.constant(KnownTensor(floats: [number], shape: [1]), name: name)
  }

  // MARK: Tensors

  /// * name: whole.
  mutating func floats(_ name: String, _ shape: [Int]) throws(PackError) -> [Float] {
    used.insert(name)
    return try folder.tensors.floats(name, shape: shape)
  }

  func has(_ name: String) -> Bool { folder.tensors.has(name) }

  /// Whether a layer or norm must have a bias: where any of its kind has one, all have.
  func hasBias(_ name: String) -> Bool { biases.contains(Self.kind(of: name + ".bias")) }

  /// A tensor's name without the numbers of layers.
  private static func kind(of name: String) -> String {
    name.split(separator: ".").map { $0.allSatisfy(\.isNumber) ? "#" : $0 }.joined(separator: ".")
  }

  /// How many rows a matrix has.
  func outputs(of name: String) throws(PackError) -> Int {
    guard let shape = folder.tensors.shape(name + ".weight") else {
      throw PackError(.data, file: folder.tensors.path(of: ""), place: "tensor \(name).weight", "missing")
    }
    guard shape.count == 2, (1...1_048_576).contains(shape[0]) else {
      throw PackError(
        .data, file: folder.tensors.path(of: name + ".weight"), place: "tensor \(name).weight",
        "shape \(shape), expected a matrix of 1 to 1048576 rows")
    }
    return shape[0]
  }

  func inputs(of value: ValueID) -> Int { if case .fixed(let size)? = shape(value).last { size } else { 0 } }

  /// The layer of a path, whole.
  mutating func weights(
    _ name: String, outputs: Int, inputs: Int, hasBias: Bool? = nil
  ) throws(PackError) -> DraftWeights {
    if let known = weights[name] { return known }
    let values = try floats(name + ".weight", [outputs, inputs])
    let hasBias = hasBias ?? (family.block.hasBiases || self.hasBias(name))
    let bias = hasBias ? try floats(name + ".bias", [outputs]) : nil
    let layer = DraftWeights(outputs: outputs, inputs: inputs, values: values, bias: bias)
    if family.block.sharing != nil { weights[name] = layer }
    return layer
  }

  /// A linear layer of the rows of a value; one that was added before is the same.
  /// * name: of the tensors, whole.
  mutating func linear(_ name: String, _ input: ValueID, outputs: Int) throws(PackError) -> ValueID {
    let key = LinearKey(name: name, input: input)
    if let known = added[key] { return known }
    let output = add(
      try weights(name, outputs: outputs, inputs: inputs(of: input)), label(name), input)
    added[key] = output
    return output
  }

  mutating func add(_ layer: DraftWeights, _ name: String, _ input: ValueID) -> ValueID {
    node(name, .linear(layer), [input], shape(input).dropLast() + [.fixed(layer.outputs)])
  }

  mutating func function(_ function: ElementFunction, _ name: String, _ input: ValueID) -> ValueID {
    node(name, .element(function), [input], shape(input))
  }

  /// * name: of the tensors, whole.
  mutating func norm(_ name: String, _ input: ValueID) throws(PackError) -> ValueID {
    let size = inputs(of: input)
    let gamma = try floats(name + ".weight", [size])
    let label = self.label(name)
    switch family.block.normKind {
    case .rootMeanSquare:
      return node(label, .rmsNorm(gamma: gamma, epsilon: sizes.epsilon), [input], shape(input))
    case .layer:
      let isStored = family.block.hasBiases || hasBias(name)
      let beta = isStored ? try floats(name + ".bias", [size]) : [Float](repeating: 0, count: size)
      return node(
        label, .layerNorm(gamma: gamma, beta: beta, epsilon: sizes.epsilon), [input], shape(input))
    }
  }

  mutating func sum(_ name: String, _ left: ValueID, _ right: ValueID) throws(PackError) -> ValueID {
    try tensor(name, .binary(.add), left, right)
  }

  /// What a node is called: the path of its tensors within the encoder.
  func label(_ name: String) -> String {
    !prefix.isEmpty && name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : name
  }

  /// A part beside another one: "output.dense" and "add" are "output.add".
  func beside(_ path: String, _ part: String) -> String {
    path.split(separator: ".").dropLast().joined(separator: ".") + "." + part
  }
}

extension EncoderGraph {
  /// The modules whose tensors no part of the graph was made of, sorted; the last may be a count of further ones.
  var leftOut: [String] {
    let unused = folder.tensors.names.filter { !used.contains($0) && !isIgnored($0) }
    let modules = Set(unused.map(Self.module)).sorted()
    let most = 12
    guard modules.count > most else { return modules }
    return modules.prefix(most) + ["and \(modules.count - most) more"]
  }

  /// No weights: the numbers 0, 1, 2, ... that older checkpoints keep, and second names.
  func isIgnored(_ name: String) -> Bool {
    let path = label(name)
    return path.hasSuffix("position_ids") || path.hasSuffix("rotary_emb.inv_freq")
      || family.ignored.contains(name) || family.ignored.contains(path)
  }

  /// The module that a tensor belongs to.
  private static func module(of tensor: String) -> String {
    for ending in [".weight", ".bias"] where tensor.hasSuffix(ending) {
      return String(tensor.dropLast(ending.count))
    }
    return tensor
  }
}
