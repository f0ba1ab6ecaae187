import SoniqGraph

/// Turns the nodes of an ONNX graph into those of a draft, one after the other.
struct OnnxConversion {
  var draft = DraftGraph()
  let opset: Int
  let file: OnnxFile
  let keepsCodes: Bool
  /// The most rounds that a loop is unrolled to.
  let maximumRounds: Int
  /// The graph's names, then those of the bodies that the node is in.
  var scopes: [OnnxScope]
  /// What DynamicQuantizeLinear made, by its codes.
  var dynamicCodes: [ValueID: DynamicCodes] = [:]
  /// Masks of keys that an operator put out as lengths, by those.
  var masksOfLengths: [ValueID: ValueID] = [:]
  /// Element types as the file has them, by name, where they show: those of bits that int32 does not have.
  var statedTypes: [String: OnnxType] = [:]
  /// Bounds of slices that lie within the axis in every run that is allowed.
  var boundsWithin: Set<ValueID> = []
  private var expansions = 0
  /// Nodes that could not be converted.
  private var faults: ImportFaults
  /// What is thrown is about a body of which a node has been noted.
  var isNoted = false
  /// Tensors of the file that hold NaN or infinities: what an error about a layer's weights names.
  private(set) var notFinite: [String] = []
  /// The node that is being converted.
  var node: OnnxNode

  init(
    _ graph: OnnxGraph, _ file: OnnxFile, options: OnnxOptions, equal: EqualSizes
  ) throws(PackError) {
    self.file = file
    keepsCodes = options.keepsCodes
    opset = try file.opset()
    maximumRounds = options.maximumRounds
    scopes = [OnnxScope(unread: graph.initializers)]
    faults = ImportFaults(functions: OnnxFunctions(file))
    node = OnnxNode(NodeProto())
    draft.equalSizes = equal
    try addInputs(graph.inputs, options, equal: equal)
  }

  /// Converts every node; then the outputs. Ends early, with `draft.needsSizes`, at a node that needs sizes of
  /// different names to be one.
  /// - Throws: `data` with all nodes that are not supported.
  mutating func convert(_ graph: OnnxGraph) throws(PackError) {
    try file.externalData.requireFiles(of: usedTensors(graph))
    convertNodes(graph)
    if draft.needsSizes { return }
    guard faults.isEmpty else { throw refusal }
    for output in graph.outputs {
      draft.outputs.append((output.name, try narrowed(value(named: output.name), output)))
    }
  }

  /// Converts the nodes of a graph or body that can be; ends early like `convert`.
  mutating func convertNodes(_ graph: OnnxGraph) {
    scopes[scopes.count - 1].uses = OnnxUses(graph.nodes, outputs: graph.outputs.map(\.name))
    for var node in graph.nodes {
      node.name = (scopes.last?.prefix ?? "") + node.name
      // Also of a node behind others that cannot be converted.
      guard faults.isKnown(node) else {
        miss(node.outputs)
        continue
      }
      guard node.needs.allSatisfy({ !isMissing($0) }) else {
        faults.addUnknown(inside: node)
        miss(node.outputs)
        continue
      }
      self.node = node
      convertNode()
      if draft.needsSizes { return }
    }
  }

  /// All nodes that could not be converted.
  var refusal: PackError { PackError(.data, file: file.path, faults.message) }

  private func usedTensors(_ graph: OnnxGraph) -> [TensorProto] {
    let names = Set(graph.nodes.flatMap(\.needs)).union(graph.outputs.map(\.name))
    return names.sorted().compactMap { scopes[0].unread[$0] }
  }

  private mutating func miss(_ names: [String]) {
    scopes[scopes.count - 1].missing.formUnion(names)
  }

  /// Whether a name of this graph or of those around it could not be made.
  func isMissing(_ name: String) -> Bool {
    scopes.last { $0.has(name) }?.missing.contains(name) ?? false
  }

  func isVisible(_ name: String) -> Bool { scopes.contains { $0.has(name) } }

  private mutating func convertNode() {
    guard let converter = OnnxOperators.converter(of: node) else { return }
    let results: [ValueID]
    let type: OnnxType?
    do throws(PackError) {
      // Constants are decoded before the converter looks at any.
      for name in node.inputs where !name.isEmpty { _ = try value(named: name) }
      let scaled = node.outputs.first.flatMap { scopes.last?.scaledProducts[$0] }
      results = if let scaled { [scaled] } else { try converter(&self) }
      type = try typeOfOutputs()
      if let words = node.misread.words.first { throw fault(words) }
    } catch {
      if isNoted {
        isNoted = false
        return miss(node.outputs)
      }
      faults.addUnknown(inside: node)
      if let words = node.misread.words.first { return refuse("\(node.name) (\(node.typeName): \(words))") }
      let source = error.file == file.path ? "" : error.file.map { $0 + ": " } ?? ""
      let place = source + (error.place == "node \(node.name)" ? "" : error.place.map { $0 + ": " } ?? "")
      return refuse("\(node.name) (\(node.typeName): \(place)\(error.message))")
    }
    for (name, value) in zip(node.outputs, results) where !name.isEmpty {
      self.name(name, value)
      statedTypes[name] = type
      if draft.values[value].known == nil, draft.values[value].name == node.name {
        draft.values[value].name = name
      }
    }
    if let name = node.outputs.dropFirst(results.count).first(where: { !$0.isEmpty }) {
      refuse("\(node.name) (\(node.typeName): output \"\(name)\" is not computed)")
      miss([name])
    }
  }

  private mutating func refuse(_ words: String) {
    faults.add(words)
    miss(node.outputs)
  }

  // MARK: Inputs of the node

  /// How many inputs the node names, given or not.
  var inputCount: Int { node.inputs.count }

  func hasInput(_ index: Int) -> Bool { index < node.inputs.count && !node.inputs[index].isEmpty }

  /// - Throws: when the input is not given.
  mutating func input(_ index: Int) throws(PackError) -> ValueID {
    guard hasInput(index) else { throw fault("input \(index) is missing") }
    return try value(named: node.inputs[index])
  }

  mutating func optionalInput(_ index: Int) throws(PackError) -> ValueID? {
    hasInput(index) ? try input(index) : nil
  }

  /// An input that must be known while importing; nil when it is not given.
  mutating func knownInput(_ index: Int, _ what: String) throws(PackError) -> KnownTensor? {
    guard let value = try optionalInput(index) else { return nil }
    guard let known = draft.known(value) else { throw fault("its \(what) is computed at run time") }
    return known
  }

  /// Whole numbers that are an attribute in older opsets and an input in newer ones.
  mutating func integers(attribute: String, input: Int) throws(PackError) -> [Int]? {
    if let list = node.integers(attribute) { return list }
    guard let known = try knownInput(input, attribute) else { return nil }
    guard let list = known.integers else { throw fault("its \(attribute) depends on a dynamic size") }
    return list.map { Int($0) }
  }

  /// The constant of a name; nil where a node or the host makes it.
  mutating func constant(named name: String) throws(PackError) -> KnownTensor? {
    guard scopes.contains(where: { $0.named[name] != nil || $0.unread[name] != nil }) else { return nil }
    let value = try value(named: name)
    return draft.known(value)
  }

  mutating func value(named name: String) throws(PackError) -> ValueID {
    for index in scopes.indices.reversed() {
      if let value = scopes[index].named[name] { return value }
      guard let tensor = scopes[index].unread.removeValue(forKey: name) else { continue }
      let known = try file.tensor(tensor)
      if let floats = known.floats, let element = floats.firstIndex(where: { !$0.isFinite }) {
        notFinite.append("tensor \(name) holds \(floats[element]) at element \(element)")
      }
      let value = draft.constant(known, name: name)
      scopes[index].named[name] = value
      return value
    }
    throw PackError(.data, file: file.path, place: "value \(name)", "it is made by no node")
  }

  func fault(_ message: String) -> PackError {
    PackError(.data, file: file.path, place: "node \(node.name)", message)
  }

  /// An axis counted from the front.
  func axis(_ axis: Int, rank: Int) throws(PackError) -> Int {
    guard axis >= -rank, axis < rank else { throw fault("axis \(axis) of a value of \(rank) dimensions") }
    return axis < 0 ? axis + rank : axis
  }

  func axes(_ list: [Int], rank: Int) throws(PackError) -> [Int] {
    var axes: [Int] = []
    for entry in list { axes.append(try axis(entry, rank: rank)) }
    guard Set(axes).count == axes.count else { throw fault("an axis is named twice") }
    return axes.sorted()
  }

  // MARK: Making nodes

  /// What a node of ONNX's own operators would make: for operators that stand for several of them.
  mutating func apply(
    _ type: String, _ inputs: [ValueID?], _ attributes: [AttributeProto] = [], outputs: Int = 1
  ) throws(PackError) -> [ValueID] {
    let outer = node
    defer { node = outer }
    expansions += 1
    // No name of a file holds a 0.
    let names = inputs.indices.map { inputs[$0] == nil ? "" : "\u{0}\(expansions).\($0)" }
    for (name, value) in zip(names, inputs) { if let value { self.name(name, value) } }
    node = outer.standingFor(
      type, inputs: names, outputs: (0..<outputs).map { "\u{0}\(expansions)/\($0)" }, attributes)
    guard let converter = OnnxOperators.converter(of: node) else { throw fault("\(type) is not known") }
    return try converter(&self)
  }

  /// ONNX's rank, in which scalars have none.
  func onnxShape(_ value: ValueID) -> [Dimension] {
    if let known = draft.known(value) { return known.shape.map(Dimension.fixed) }
    return draft.shape(value)
  }

  mutating func tensor(_ operation: Operation, _ inputs: ValueID...) throws(PackError) -> ValueID {
    try draft.tensor(operation, inputs, name: node.name)
  }

  mutating func constant(_ tensor: KnownTensor) -> ValueID { draft.constant(tensor, name: node.name) }

  mutating func scalar(_ number: Float) -> ValueID { constant(KnownTensor(scalar: number)) }

  mutating func append(
    _ operation: DraftOperation, _ inputs: [ValueID], _ shape: [Dimension]
  ) -> ValueID {
    draft.append(node.name, operation, inputs, shape)
  }

  /// An operation on rows, which has two dimensions or more.
  mutating func rowwise(
    _ operation: DraftOperation, _ input: ValueID
  ) throws(PackError) -> ValueID {
    guard draft.values[input].elementType == .float32 else { throw fault("its input is not of real numbers") }
    let shape = draft.shape(input)
    // Where its channels are by the end of the passes is not known yet.
    if case .element = operation { return append(operation, [input], shape) }
    if shape.count >= 2 { return append(operation, [input], shape) }
    let wide = try tensor(.reshape([.fixed(1)] + shape), input)
    return try tensor(.reshape(shape), append(operation, [wide], draft.shape(wide)))
  }

  /// A value that can be computed with as float32.
  mutating func real(_ value: ValueID) throws(PackError) -> ValueID {
    draft.values[value].elementType == .float32 ? value : try tensor(.cast(.float32), value)
  }

  mutating func name(_ name: String, _ value: ValueID) {
    scopes[scopes.count - 1].named[name] = value
  }
}
