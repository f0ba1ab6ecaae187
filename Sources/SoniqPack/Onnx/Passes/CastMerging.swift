import SoniqGraph

/// Joins casts that follow each other, and moves those from narrow types behind operations that only move elements: bytes
/// are moved as bytes, and floats are made where something computes with them.
struct CastMerging: DraftPass {
  private var draft: DraftGraph
  /// By a value that is the cast of a narrower one and the same number: the narrower one.
  private var narrower: [ValueID: ValueID] = [:]
  /// Casts that are there already.
  private var made: [Made: ValueID] = [:]
  private var replacement: [ValueID: ValueID] = [:]

  private struct Made: Hashable {
    var source: ValueID
    var type: ElementType
  }

  static func run(_ draft: inout DraftGraph) throws(PackError) {
    var pass = CastMerging(draft: draft)
    let nodes = draft.nodes
    pass.draft.nodes = []
    for node in nodes {
      var node = node
      node.inputs = node.inputs.map { pass.replacement[$0] ?? $0 }
      if case .tensor(.cast(let cast)) = node.operation {
        pass.merge(node, cast.elementType)
      } else if try !pass.move(node) {
        pass.draft.nodes.append(node)
      }
    }
    for index in pass.draft.outputs.indices {
      let value = pass.draft.outputs[index].value
      pass.draft.outputs[index].value = pass.replacement[value] ?? value
    }
    draft = pass.draft
  }

  private init(draft: DraftGraph) { self.draft = draft }

  private func type(_ value: ValueID) -> ElementType { draft.values[value].elementType }

  private mutating func merge(_ node: DraftNode, _ target: ElementType) {
    var source = node.inputs[0]
    if let first = narrower[source], Self.isOneCast(type(first), type(source), target) { source = first }
    if type(source) == target {
      replacement[node.output] = source
    } else if let other = made[Made(source: source, type: target)] {
      replacement[node.output] = other
    } else {
      cast(node.name, source, node.output)
    }
  }

  /// Whether a cast by way of a type that holds all numbers of the first is the cast without it.
  private static func isOneCast(_ first: ElementType, _ middle: ElementType, _ target: ElementType) -> Bool {
    // Bytes wrap as whole numbers and saturate as real ones.
    first == target || first.isReal || middle == .int32 || target.isReal || target == .int32
  }

  private mutating func cast(_ name: String, _ source: ValueID, _ output: ValueID) {
    let (from, to) = (type(source), type(output))
    draft.nodes.append(
      DraftNode(name: name, operation: .tensor(.cast(to)), inputs: [source], output: output))
    made[Made(source: source, type: to)] = output
    if from.byteCount < to.byteCount, to.isReal || !from.isReal { narrower[output] = source }
  }

  /// Moves narrow elements and casts the result, in the place of a move of cast ones; false where that is not possible.
  private mutating func move(_ node: DraftNode) throws(PackError) -> Bool {
    guard case .tensor(let operation) = node.operation, let moved = moved(operation, node.inputs.count),
      let narrow = narrowType(node.inputs[moved], operation)
    else { return false }
    if case .pad(let pad) = operation, pad.mode == .constant, !Self.holds(pad.value, narrow) { return false }
    var inputs = node.inputs
    for place in moved {
      guard let source = narrowed(inputs[place], narrow) else { return false }
      inputs[place] = source
    }
    let output = draft.values[node.output]
    let result = draft.append(node.name, node.operation, inputs, output.shape, type: narrow)
    draft.values[result].name = output.name
    cast(node.name + ".cast", result, node.output)
    return true
  }

  /// The inputs whose elements an operation moves, if it does nothing else.
  private func moved(_ operation: Operation, _ inputCount: Int) -> Range<Int>? {
    switch operation {
    case .transpose, .reshape, .expand, .slice, .pad, .gather: 0..<1
    case .concatenate: 0..<inputCount
    case .select: 1..<3
    default: nil
    }
  }

  /// The type of the narrow value that one of some is the cast of, or of a table of constants, which then takes less room.
  private func narrowType(_ values: ArraySlice<ValueID>, _ operation: Operation) -> ElementType? {
    for value in values {
      if let source = narrower[value] { return type(source) }
      if case .gather = operation, let type = draft.known(value)?.type.narrow { return type }
    }
    return nil
  }

  /// The narrow value that one is the cast of; constants are stored so where they hold nothing else.
  private mutating func narrowed(_ value: ValueID, _ type: ElementType) -> ValueID? {
    if let source = narrower[value] { return self.type(source) == type ? source : nil }
    guard let known = draft.known(value), known.narrow(type) != nil else { return nil }
    draft.values.append(draft.values[value])
    draft.values[draft.values.count - 1].elementType = type
    return draft.values.count - 1
  }

  private static func holds(_ number: Float, _ type: ElementType) -> Bool {
    KnownTensor(scalar: number).narrow(type) != nil
  }
}
