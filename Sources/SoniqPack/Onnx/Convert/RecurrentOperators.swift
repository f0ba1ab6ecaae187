import SoniqGraph

/// Weights of all directions.
struct GateWeights {
  /// [directions, gates * hidden, columns].
  var shape: [Int]
  /// By direction, [gates * hidden, columns], with the codes that the model states.
  var parts: [KnownTensor]
}

/// LSTM, GRU and RNN: each direction becomes a linear layer for the input's part of all steps and a recurrence.
extension OnnxConversion {
  /// What the attributes of the node say, for all directions.
  private struct Layer {
    var cell: RecurrentCell
    var hidden: Int
    var inputs: Int
    var directions: [Bool]  // whether each is reverse
    var isTimeMajor: Bool
    var functions: [[ElementFunction]]
    var resetsAfter: Bool
    /// How hidden states lie in ONNX: [directions, batch, hidden], or with layout 1 [batch, directions, hidden].
    var stateAxis: Int { isTimeMajor ? 0 : 1 }
  }

  mutating func recurrence(_ cell: RecurrentCell) throws(PackError) -> [ValueID] {
    try recurrence(
      cell, weights: try weightInput(1, "input weights W"),
      recurrent: try weightInput(2, "recurrent weights R"))
  }

  mutating func recurrence(
    _ cell: RecurrentCell, weights: GateWeights, recurrent: GateWeights
  ) throws(PackError) -> [ValueID] {
    let x = try real(try input(0))
    guard draft.rank(x) == 3 else { throw fault("its input has \(draft.rank(x)) dimensions, not 3") }
    let layer = try layer(cell, weights, recurrent)
    draft.requireEqual(draft.shape(x)[2], .fixed(layer.inputs))
    guard draft.shape(x)[2] == .fixed(layer.inputs) else {
      throw fault("an input of shape \(draft.words(draft.shape(x))) and weights of \(layer.inputs) inputs")
    }
    let peepholes = try peepholeInput(layer)
    let bias = try biasInput(layer)
    let lengths = try lengthsInput()
    var parts: [[ValueID]] = []
    for direction in layer.directions.indices {
      parts.append(
        try oneDirection(
          direction, layer, x, weights.parts[direction], recurrent.parts[direction],
          bias: bias?[direction], lengths, peepholes: peepholes?[direction]))
    }
    return try joined(parts, layer)
  }

  /// Weights [directions, gates * hidden, columns].
  private mutating func weightInput(_ index: Int, _ what: String) throws(PackError) -> GateWeights {
    guard let known = try knownInput(index, what) else { throw fault("input \(index) is missing") }
    guard known.shape.count == 3, known.isFloat, known.count > 0 else {
      throw fault("its \(what) have shape \(known.shape)")
    }
    return GateWeights(
      shape: known.shape, parts: (0..<known.shape[0]).map { Self.direction($0, of: known) })
  }

  private func layer(
    _ cell: RecurrentCell, _ weights: GateWeights, _ recurrent: GateWeights
  ) throws(PackError) -> Layer {
    let directions: [Bool]
    switch node.text("direction") ?? "forward" {
    case "forward": directions = [false]
    case "reverse": directions = [true]
    case "bidirectional": directions = [false, true]
    case let other: throw fault("direction \(other)")
    }
    let hidden = recurrent.shape[2]
    let outputs = hidden * cell.gates
    guard node.integer("hidden_size", default: hidden) == hidden,
      weights.shape[0] == directions.count, recurrent.shape[0] == directions.count,
      weights.shape[1] == outputs, recurrent.shape[1] == outputs
    else {
      throw fault(
        "weights of shapes \(weights.shape) and \(recurrent.shape) with \(directions.count) directions"
          + " and a hidden size of \(node.integer("hidden_size", default: hidden))")
    }
    let layout = node.integer("layout", default: 0)
    guard (0...1).contains(layout) else { throw fault("layout \(layout)") }
    return Layer(
      cell: cell, hidden: hidden, inputs: weights.shape[2], directions: directions,
      isTimeMajor: layout == 0, functions: try functions(cell, directions.count),
      resetsAfter: cell == .gru && node.flag("linear_before_reset"))
  }

  /// By direction; those of the cell's defaults where the node names none.
  private func functions(
    _ cell: RecurrentCell, _ directions: Int
  ) throws(PackError) -> [[ElementFunction]] {
    let defaults: [ElementFunction] =
      switch cell {
      case .lstm: [.sigmoid, .tanh, .tanh]
      case .gru: [.sigmoid, .tanh]
      case .rnn: [.tanh]
      }
    guard let names = node.texts("activations"), !names.isEmpty else {
      return [[ElementFunction]](repeating: defaults, count: directions)
    }
    guard names.count == defaults.count * directions else {
      throw fault("\(names.count) activations, where it has \(defaults.count * directions)")
    }
    var functions: [ElementFunction] = []
    for name in names {
      // Upper and lower case are one, as the operators say.
      switch name.lowercased() {
      case "sigmoid": functions.append(.sigmoid)
      case "tanh": functions.append(.tanh)
      case "relu": functions.append(.relu)
      default: throw fault("activation \(name) is not supported: Sigmoid, Tanh and Relu are")
      }
    }
    return (0..<directions).map { direction in
      Array(functions[direction * defaults.count..<(direction + 1) * defaults.count])
    }
  }

  /// Input 7 of an LSTM by direction, [3 * hidden]; weights of 0 are none.
  private mutating func peepholeInput(_ layer: Layer) throws(PackError) -> [[Float]]? {
    guard node.type.hasSuffix("LSTM"), let known = try knownInput(7, "peephole weights P"), known.uniform != 0
    else { return nil }
    let length = 3 * layer.hidden
    guard let floats = known.floats, known.shape == [layer.directions.count, length] else {
      throw fault("its peephole weights P have shape \(known.shape)")
    }
    return layer.directions.indices.map { Array(floats[$0 * length..<($0 + 1) * length]) }
  }

  /// By direction: [gates * hidden] of the input's part, then of the state's.
  private mutating func biasInput(_ layer: Layer) throws(PackError) -> [[Float]]? {
    guard let known = try knownInput(3, "bias B") else { return nil }
    let length = 2 * layer.cell.gates * layer.hidden
    guard let floats = known.floats, known.shape == [layer.directions.count, length] else {
      throw fault("its bias B has shape \(known.shape)")
    }
    return layer.directions.indices.map { Array(floats[$0 * length..<($0 + 1) * length]) }
  }

  private mutating func lengthsInput() throws(PackError) -> ValueID? {
    guard let lengths = try optionalInput(4) else { return nil }
    guard draft.values[lengths].elementType == .int32, draft.rank(lengths) == 1 else {
      throw fault("its sequence lengths have shape \(draft.words(draft.shape(lengths)))")
    }
    return lengths
  }

  /// One direction's weights [rows, columns], with the codes that the model states.
  private static func direction(_ index: Int, of weights: KnownTensor) -> KnownTensor {
    let (rows, columns) = (weights.shape[1], weights.shape[2])
    let places = Array(index * rows * columns..<(index + 1) * rows * columns)
    var grid = weights.grid
    switch weights.grid?.axis {
    case 0?:
      grid?.scales = [weights.grid?.scales[index] ?? 0]
      grid?.zeros = [weights.grid?.zeros[index] ?? 0]
      grid?.axis = nil
    case 1?: grid?.axis = 0
    case nil: break
    default: grid = nil
    }
    return KnownTensor(
      shape: [rows, columns], type: weights.type, elements: weights.elements.picked(places), grid: grid)
  }

  private mutating func oneDirection(
    _ direction: Int, _ layer: Layer, _ x: ValueID, _ weights: KnownTensor, _ recurrent: KnownTensor,
    bias: [Float]?, _ lengths: ValueID?, peepholes: [Float]?
  ) throws(PackError) -> [ValueID] {
    let name = node.name + (direction == 1 ? ".reverse" : "")
    let rows = layer.cell.gates * layer.hidden
    let part = try linear(x, weights, bias: bias.map { Array($0[..<rows]) }, name: name + ".W")
    var operation = Recurrence(layer.cell, matrix: 0)
    operation.isReverse = layer.directions[direction]
    operation.isTimeMajor = layer.isTimeMajor
    let functions = layer.functions[direction]
    operation.candidateFunction = functions[layer.cell == .rnn ? 0 : 1]
    if layer.cell != .rnn { operation.gateFunction = functions[0] }
    if layer.cell == .lstm {
      operation.outputFunction = functions[2]
      operation.couplesForget = node.flag("input_forget")
    }
    let clip = node.real("clip", default: 0)
    guard clip.isFinite, clip >= 0 else { throw fault("clip \(clip)") }
    operation.clip = clip == 0 ? 0 : clip
    var inputs = [part]
    if let state = try initial(5, direction, layer) {
      inputs.append(state)
      operation.hasHidden = true
    }
    if layer.cell == .lstm, let state = try initial(6, direction, layer) {
      inputs.append(state)
      operation.hasCell = true
    }
    if let lengths {
      inputs.append(lengths)
      operation.hasLengths = true
    }
    try requireOneBatch(inputs, layer)
    if let peepholes {
      inputs.append(constant(KnownTensor(floats: peepholes, shape: [3, layer.hidden])))
      operation.hasPeepholes = true
    }
    let stateBias = bias.map { Array($0[rows...]) }
    return draft.append(
      name, operation, Self.matrices(recurrent, stateBias, layer), inputs, hidden: layer.hidden)
  }

  /// The recurrent matrix; of a GRU that resets before its product, the gates' and the candidate's.
  private static func matrices(
    _ recurrent: KnownTensor, _ bias: [Float]?, _ layer: Layer
  ) -> [DraftWeights] {
    let hidden = layer.hidden
    let rows = layer.cell.gates * hidden
    let isSplit = layer.cell == .gru && !layer.resetsAfter
    let ranges = isSplit ? [0..<2 * hidden, 2 * hidden..<rows] : [0..<rows]
    let values = recurrent.floats ?? []
    let grid = rowGrid(recurrent.grid, axis: 0)
    return ranges.map { range in
      var own = grid
      if grid?.axis != nil {
        own?.scales = Array(grid?.scales[range] ?? [])
        own?.zeros = Array(grid?.zeros[range] ?? [])
      }
      return DraftWeights(
        outputs: range.count, inputs: hidden,
        values: Array(values[range.lowerBound * hidden..<range.upperBound * hidden]),
        bias: bias.map { Array($0[range]) }, grid: own)
    }
  }

  /// A direction's state before the first step, [batch, hidden]; nil where it is 0.
  private mutating func initial(
    _ index: Int, _ direction: Int, _ layer: Layer
  ) throws(PackError) -> ValueID? {
    guard let given = try optionalInput(index) else { return nil }
    if draft.known(given)?.uniform == 0 { return nil }
    let value = try real(given)
    let shape = draft.shape(value)
    guard shape.count == 3, shape[layer.stateAxis] == .fixed(layer.directions.count),
      shape[2] == .fixed(layer.hidden)
    else {
      throw fault("an initial state of shape \(draft.words(shape))")
    }
    let own = try slice(value, axis: layer.stateAxis, begin: direction, step: 1, count: 1)
    var extents = draft.shape(own).map { draft.extent($0) }
    extents.remove(at: layer.stateAxis)
    return try reshape(own, to: extents)
  }

  /// States and lengths are of the input's batch: sizes of other names become one with it.
  private mutating func requireOneBatch(_ inputs: [ValueID], _ layer: Layer) throws(PackError) {
    let batch = draft.shape(inputs[0])[layer.isTimeMajor ? 1 : 0]
    for input in inputs.dropFirst() where draft.shape(input)[0] != batch {
      draft.requireEqual(draft.extent(batch), draft.extent(draft.shape(input)[0]))
      throw fault(
        "an input of shape \(draft.words(draft.shape(inputs[0]))) with a state or lengths of shape"
          + " \(draft.words(draft.shape(input)))")
    }
  }

  /// Outputs as ONNX has them: of directions, [time, directions, batch, hidden] or [batch, time, directions, hidden],
  /// and states.
  private mutating func joined(_ parts: [[ValueID]], _ layer: Layer) throws(PackError) -> [ValueID] {
    var results: [ValueID] = []
    for index in parts[0].indices where index < node.outputs.count {
      let values = parts.map { $0[index] }
      results.append(index == 0 ? try allStates(values, layer) : try lastStates(values, layer))
    }
    return results
  }

  /// Joined along the units: so exporters go on, and their way there meets its inverse.
  private mutating func allStates(_ values: [ValueID], _ layer: Layer) throws(PackError) -> ValueID {
    let isOne = values.count == 1
    let whole = isOne ? values[0] : try draft.tensor(.concatenate(axis: 2), values, name: node.name)
    var extents = draft.shape(whole).dropLast().map { draft.extent($0) }
    if isOne, layer.isTimeMajor {
      extents.insert(Extent(1), at: 1)
      return try reshape(whole, to: extents + [Extent(layer.hidden)])
    }
    extents += [Extent(values.count), Extent(layer.hidden)]
    let apart = try reshape(whole, to: extents)
    return layer.isTimeMajor ? try transpose(apart, [0, 2, 1, 3]) : apart
  }

  private mutating func lastStates(_ values: [ValueID], _ layer: Layer) throws(PackError) -> ValueID {
    var states: [ValueID] = []
    for value in values {
      var extents = draft.shape(value).map { draft.extent($0) }
      extents.insert(Extent(1), at: layer.stateAxis)
      states.append(try reshape(value, to: extents))
    }
    return states.count == 1
      ? states[0] : try draft.tensor(.concatenate(axis: layer.stateAxis), states, name: node.name)
  }
}

extension DraftGraph {
  /// Adds a recurrence; returns its outputs.
  fileprivate mutating func append(
    _ name: String, _ operation: Recurrence, _ matrices: [DraftWeights], _ inputs: [ValueID], hidden: Int
  ) -> [ValueID] {
    let all = shape(inputs[0]).dropLast() + [.fixed(hidden)]
    let last = [all[operation.isTimeMajor ? 1 : 0], .fixed(hidden)]
    var outputs = [append(name, .recurrence(operation, matrices), inputs, Array(all))]
    for index in 1..<operation.outputCount { outputs.append(value("\(name).\(index)", .float32, last)) }
    nodes[nodes.count - 1].moreOutputs = Array(outputs.dropFirst())
    return outputs
  }
}
