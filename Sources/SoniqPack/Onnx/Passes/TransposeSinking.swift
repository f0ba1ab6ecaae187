import SoniqGraph

/// Moves transposes towards the outputs until they meet their inverse, so that images stay [B,H,W,C] from the first
/// convolution to the last.
///
/// While it walks over the nodes it knows of values that they are the transpose of another value. Operations that can
/// do so work on that other value; the transpose behind them goes away when nobody asks for it.
struct TransposeSinking: DraftPass {
  /// value = transpose(source, permutation)
  private struct Turned {
    var source: ValueID
    var permutation: [Int]
  }
  private var draft: DraftGraph
  private var turned: [ValueID: Turned] = [:]
  /// Transposes that are there already, by source and permutation.
  private var made: [ValueID: [(permutation: [Int], value: ValueID)]] = [:]
  private var replacement: [ValueID: ValueID] = [:]
  /// Transposed values flattened to [rows, all the rest], by the flat value.
  private var flattened: [ValueID: Turned] = [:]

  static func run(_ draft: inout DraftGraph) throws(PackError) {
    var pass = TransposeSinking(draft: draft)
    let nodes = draft.nodes
    pass.draft.nodes = []
    for node in nodes {
      var node = node
      node.inputs = node.inputs.map { pass.replacement[$0] ?? $0 }
      try pass.rewrite(node)
    }
    for index in pass.draft.outputs.indices {
      let value = pass.draft.outputs[index].value
      pass.draft.outputs[index].value = pass.replacement[value] ?? value
    }
    draft = pass.draft
  }

  private init(draft: DraftGraph) { self.draft = draft }

  private mutating func rewrite(_ node: DraftNode) throws(PackError) {
    if case .tensor(.transpose(let operation)) = node.operation {
      return transpose(node, operation.permutation)
    }
    if case .linear(let weights) = node.operation, linear(node, weights) { return }
    if case .recurrence(let operation, let matrices) = node.operation, recurrence(node, operation, matrices) {
      return
    }
    if try sink(node) { return }
    draft.nodes.append(node)
  }

  /// Two transposes in a row are one, and one of no effect is none.
  private mutating func transpose(_ node: DraftNode, _ permutation: [Int]) {
    let input = node.inputs[0]
    let inner = turned[input]
    let source = inner?.source ?? input
    let whole = inner.map { inner in permutation.map { inner.permutation[$0] } } ?? permutation
    guard whole != Array(whole.indices) else {
      replacement[node.output] = source
      return
    }
    if let other = made[source]?.first(where: { $0.permutation == whole }) {
      replacement[node.output] = other.value
      return
    }
    draft.nodes.append(
      DraftNode(name: node.name, operation: .tensor(.transpose(whole)), inputs: [source], output: node.output)
    )
    turned[node.output] = Turned(source: source, permutation: whole)
    made[source, default: []].append((whole, node.output))
  }

  /// Does the node's work before the transpose of its inputs; false where that is not possible.
  private mutating func sink(_ node: DraftNode) throws(PackError) -> Bool {
    guard let lead = node.inputs.first(where: { turned[$0] != nil }), let form = turned[lead] else {
      return false
    }
    let permutation = form.permutation
    var inverse = permutation
    for (place, axis) in permutation.enumerated() { inverse[axis] = place }
    switch node.operation {
    case .element, .tensor(.unary), .tensor(.cast), .quantized:
      finish(node, node.operation, [form.source], permutation)
    case .tensor(.binary), .tensor(.select):
      guard let inputs = try turnedInputs(node, permutation, inverse) else { return false }
      finish(node, node.operation, inputs, permutation)
    case .tensor(.concatenate(let concatenate)):
      guard let inputs = try turnedInputs(node, permutation, inverse) else { return false }
      finish(node, .tensor(.concatenate(axis: permutation[concatenate.axis])), inputs, permutation)
    case .tensor(.slice(let slice)):
      finish(node, .tensor(.slice(inverse.map { slice.ranges[$0] })), [form.source], permutation)
    case .tensor(.pad(var pad)):
      (pad.before, pad.after) = (inverse.map { pad.before[$0] }, inverse.map { pad.after[$0] })
      finish(node, .tensor(.pad(pad)), [form.source], permutation)
    case .tensor(.softmax(var softmax)):
      softmax.axis = permutation[softmax.axis]
      finish(node, .tensor(.softmax(softmax)), [form.source], permutation)
    case .tensor(.reduce(var reduce)):
      let axes = reduce.axes
      reduce.axes = axes.map { permutation[$0] }.sorted()
      let order = reduce.keepsDimensions ? permutation : Self.without(axes, permutation)
      finish(node, .tensor(.reduce(reduce)), [form.source], order)
    case .tensor(.argument(var argument)):
      let axis = argument.axis
      argument.axis = permutation[axis]
      let order = argument.keepsDimensions ? permutation : Self.without([axis], permutation)
      finish(node, .tensor(.argument(argument)), [form.source], order)
    case .tensor(.reshape(let operation)): return reshape(node, operation.shape, form)
    default: return false
    }
    return true
  }

  /// The order of the axes that are left.
  private static func without(_ axes: [Int], _ permutation: [Int]) -> [Int] {
    let gone = Set(axes.map { permutation[$0] })
    let left = permutation.indices.filter { !axes.contains($0) }.map { permutation[$0] }
    return left.map { axis in axis - gone.count { $0 < axis } }
  }

  /// The node's inputs as the source of the transpose has them. A value that is not transposed becomes so when the
  /// source has channels last.
  private mutating func turnedInputs(
    _ node: DraftNode, _ permutation: [Int], _ inverse: [Int]
  ) throws(PackError) -> [ValueID]? {
    let rank = permutation.count
    let isImage = permutation == [0, rank - 1] + Array(1..<max(1, rank - 1))
    var results: [ValueID] = []
    for input in node.inputs {
      if let form = turned[input], form.permutation == permutation {
        results.append(form.source)
      } else if let known = draft.known(input) {
        guard known.shape.count <= rank else { return nil }
        guard known.count > 1 else {
          results.append(input)
          continue
        }
        let wide = known.reshaped([Int](repeating: 1, count: rank - known.shape.count) + known.shape)
        results.append(draft.constant(wide.transposed(inverse), name: draft.values[input].name))
      } else if draft.shape(input).allSatisfy({ $0 == .fixed(1) }), draft.rank(input) == 1 {
        results.append(input)
      } else {
        guard isImage, draft.rank(input) == rank else { return nil }
        results.append(turn(input, inverse, name: node.name))
      }
    }
    return results
  }

  /// A transpose of a value, the one that is there if there is one.
  private mutating func turn(_ value: ValueID, _ permutation: [Int], name: String) -> ValueID {
    if let form = turned[value] {
      let whole = permutation.map { form.permutation[$0] }
      return whole == Array(whole.indices) ? form.source : turnedFrom(form.source, whole, name: name)
    }
    return turnedFrom(value, permutation, name: name)
  }

  private mutating func turnedFrom(_ source: ValueID, _ permutation: [Int], name: String) -> ValueID {
    if let other = made[source]?.first(where: { $0.permutation == permutation }) { return other.value }
    let shape = draft.shape(source)
    let result = draft.append(
      name + ".transpose", .tensor(.transpose(permutation)), [source], permutation.map { shape[$0] },
      type: draft.values[source].elementType)
    turned[result] = Turned(source: source, permutation: permutation)
    made[source, default: []].append((permutation, result))
    return result
  }

  /// Adds the node before the transpose, and the transpose, which makes the node's output.
  private mutating func finish(
    _ node: DraftNode, _ operation: DraftOperation, _ inputs: [ValueID], _ permutation: [Int]
  ) {
    let output = draft.values[node.output]
    var shape = output.shape
    for (place, axis) in permutation.enumerated() { shape[axis] = output.shape[place] }
    let isPlain = permutation == Array(permutation.indices)
    if isPlain {
      draft.nodes.append(
        DraftNode(name: node.name, operation: operation, inputs: inputs, output: node.output))
      return
    }
    let inner = draft.append(node.name, operation, inputs, shape, type: output.elementType)
    draft.values[inner].name = output.name
    draft.nodes.append(
      DraftNode(
        name: node.name + ".transpose", operation: .tensor(.transpose(permutation)), inputs: [inner],
        output: node.output))
    turned[node.output] = Turned(source: inner, permutation: permutation)
    made[inner, default: []].append((permutation, node.output))
  }

  /// A recurrence whose batch and time changed places reads them where they are; so do those who read all its states.
  private mutating func recurrence(
    _ node: DraftNode, _ operation: Recurrence, _ matrices: [DraftWeights]
  ) -> Bool {
    guard let form = turned[node.inputs[0]], form.permutation == [1, 0, 2] else { return false }
    var other = operation
    other.isTimeMajor.toggle()
    finish(node, .recurrence(other, matrices), [form.source] + node.inputs.dropFirst(), form.permutation)
    // Before the transpose of the first output.
    draft.nodes[draft.nodes.count - 2].moreOutputs = node.moreOutputs
    return true
  }

  // MARK: Reshapes and what follows them

  /// A reshape whose groups of dimensions stay together: the source is reshaped, and the groups change places.
  private mutating func reshape(_ node: DraftNode, _ target: [Dimension], _ form: Turned) -> Bool {
    if target.count == 2, form.permutation[0] == 0, target[0] == draft.shape(form.source)[0] {
      flattened[node.output] = form
    }
    guard let groups = ReshapeGroups.split(draft, draft.shape(node.inputs[0]), target) else { return false }
    // The groups in the order of the source.
    var order: [(place: Int, group: Int)] = []
    for (index, group) in groups.enumerated() {
      let places = group.input.filter { draft.shape(node.inputs[0])[$0] != .fixed(1) }.map {
        form.permutation[$0]
      }
      guard let first = places.first ?? group.input.first.map({ form.permutation[$0] }) else { return false }
      let others = (first..<first + places.count).map { $0 }
      if !places.isEmpty, places != others, !isRun(places, of: form.source) { return false }
      order.append((first, index))
    }
    order.sort { ($0.place, $0.group) < ($1.place, $1.group) }
    var shape: [Dimension] = []
    var permutation = [Int](repeating: 0, count: target.count)
    for entry in order {
      for axis in groups[entry.group].output {
        permutation[axis] = shape.count
        shape.append(target[axis])
      }
    }
    finish(node, .tensor(.reshape(shape)), [form.source], permutation)
    return true
  }

  /// Whether axes follow each other with nothing but sizes of 1 between them.
  private func isRun(_ places: [Int], of value: ValueID) -> Bool {
    for (left, right) in zip(places, places.dropFirst()) {
      guard left < right else { return false }
      for between in left + 1..<right where draft.shape(value)[between] != .fixed(1) { return false }
    }
    return true
  }

  /// A linear layer behind a transpose that leaves its channels last, or behind one that was flattened: then its
  /// weights change places instead.
  private mutating func linear(_ node: DraftNode, _ weights: DraftWeights) -> Bool {
    let input = node.inputs[0]
    if let form = turned[input], form.permutation.last == form.permutation.count - 1 {
      finish(node, node.operation, [form.source], form.permutation)
      return true
    }
    // Blocks are of neighbouring channels.
    guard let form = flattened[input], weights.blocks == nil else { return false }
    var sizes: [Int] = []
    for dimension in draft.shape(form.source).dropFirst() {
      guard case .fixed(let size) = dimension else { return false }
      sizes.append(size)
    }
    guard sizes.reduce(1, *) == weights.inputs else { return false }
    // The column of the flattened transpose that each element of the source has.
    let inner = form.permutation.dropFirst().map { $0 - 1 }
    let steps = rowMajorSteps(inner.map { sizes[$0] })
    var sourceSteps = sizes
    for (place, axis) in inner.enumerated() { sourceSteps[axis] = steps[place] }
    let columns = offsets(sizes, steps: sourceSteps)
    var moved = weights
    moved.trained = weights.trained?.moved(columns)
    for row in 0..<weights.outputs {
      for (place, column) in columns.enumerated() {
        moved.values[row * weights.inputs + place] = weights.values[row * weights.inputs + column]
      }
    }
    let flat = draft.append(
      node.name + ".flatten", .tensor(.reshape(draft.shape(input))), [form.source], draft.shape(input))
    draft.nodes.append(
      DraftNode(name: node.name, operation: .linear(moved), inputs: [flat], output: node.output))
    return true
  }
}

/// The least groups of neighbouring dimensions whose elements a reshape keeps together.
enum ReshapeGroups {
  static func split(
    _ draft: DraftGraph, _ input: [Dimension], _ target: [Dimension]
  ) -> [(input: Range<Int>, output: Range<Int>)]? {
    var groups: [(input: Range<Int>, output: Range<Int>)] = []
    var (place, axis) = (0, 0)
    while place < input.count || axis < target.count {
      let (begin, first) = (place, axis)
      var (left, right) = (Extent(1), Extent(1))
      if place < input.count {
        left = draft.extent(input[place])
        place += 1
      }
      if axis < target.count {
        right = draft.extent(target[axis])
        axis += 1
      }
      while left != right {
        // The smaller product takes the next dimension.
        if axis < target.count, let rest = left.divided(by: right), rest.isNotNegative, rest != Extent(0) {
          guard let next = right.times(draft.extent(target[axis])) else { return nil }
          right = next
          axis += 1
        } else if place < input.count {
          guard let next = left.times(draft.extent(input[place])) else { return nil }
          left = next
          place += 1
        } else {
          return nil
        }
      }
      groups.append((begin..<place, first..<axis))
    }
    return groups
  }
}
