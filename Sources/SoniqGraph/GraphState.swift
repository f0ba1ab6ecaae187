import SoniqCore

/// Index of a state in `Graph.states`.
package typealias StateID = Int

/// A tensor that lives between the runs of a session. It changes when a run has succeeded.
package struct GraphState: Sendable, Hashable {
  package var name: String
  package var elementType: ElementType
  /// Bits of an element: those of its type or, of the codes of a growing state, 4, 6 or 8.
  package var bits: Int
  /// Of a growing state [batch, capacity, channels].
  package var shape: [Dimension]
  package var kind: Kind

  package enum Kind: Sendable, Hashable {
    /// Zero at the start; nodes read it as `value`, and a run puts `next`, which a node makes, in its place.
    case recurrent(value: ValueID, next: ValueID)
    /// Attention appends rows of channels to it: floats or, of int8, codes with a step for each position and head, 4 or 8
    /// bits of values, 4, 6 or 8 of keys.
    case growing
  }

  package init(name: String, elementType: ElementType, bits: Int? = nil, shape: [Dimension], kind: Kind) {
    (self.name, self.elementType, self.shape, self.kind) = (name, elementType, shape, kind)
    self.bits = bits ?? 8 * elementType.byteCount
  }

  /// The value that nodes read a recurrent state as.
  package var value: ValueID? { if case .recurrent(let value, _) = kind { value } else { nil } }
  package var isGrowing: Bool { kind == .growing }
  /// Of keys or values, with steps.
  package var isCodes: Bool { isGrowing && elementType == .int8 }
}

/// The most states of a graph.
package let maximumStates = 1 << 10

/// The most positions of a growing state.
package let maximumCapacity = 1 << 20

extension Graph {
  func validateStates() throws(GraphError) {
    guard states.count <= maximumStates else { throw GraphError(.invalidSize, field: "states") }
    var names = Set<String>()
    var seen = Set(inputs.map(\.value))
    for (index, state) in states.enumerated() {
      guard names.insert(state.name).inserted, !state.name.isEmpty else {
        throw GraphError(.invalidName, field: "states[\(index)].name")
      }
      guard state.bits == 8 * state.elementType.byteCount || state.isCodes && [4, 6].contains(state.bits)
      else {
        throw GraphError(.invalidSize, field: "states[\(index)].bits")
      }
      switch state.kind {
      case .growing: try validateGrowing(index)
      case .recurrent(let value, _):
        guard values.indices.contains(value) else {
          throw GraphError(.indexOutOfRange, field: "states[\(index)].value")
        }
        guard seen.insert(value).inserted else {
          throw GraphError(.producedTwice, value: value, field: "states[\(index)].value")
        }
        try validate(values[value], isStateOf: index, "value")
      }
    }
  }

  /// Element type and shape of a state are those of a value.
  private func validate(_ value: Value, isStateOf index: Int, _ field: String) throws(GraphError) {
    let state = states[index]
    guard state.elementType == value.elementType else {
      throw GraphError(.elementTypeMismatch, field: "states[\(index)].\(field)")
    }
    guard state.shape == value.shape, state.shape.allSatisfy(isBound) else {
      throw GraphError(.shapeMismatch, field: "states[\(index)].\(field)")
    }
  }

  private func validateGrowing(_ index: Int) throws(GraphError) {
    let state = states[index]
    let field = "states[\(index)].shape"
    guard [.float32, .float16, .int8].contains(state.elementType) else {
      throw GraphError(.elementTypeMismatch, field: "states[\(index)].elementType")
    }
    guard state.shape.count == 3, case .fixed(let channels) = state.shape[2] else {
      throw GraphError(.shapeMismatch, field: field)
    }
    guard (1...maximumDimension).contains(channels) else {
      throw GraphError(.invalidSize, field: field, element: 2)
    }
    guard isBound(state.shape[0]), isSize(state.shape[0], most: maximumDimension) else {
      throw GraphError(.invalidSize, field: field, element: 0)
    }
    guard isSize(state.shape[1], most: maximumCapacity) else {
      throw GraphError(.invalidSize, field: field, element: 1)
    }
    // No run has a size for the capacity: the session's limit is the capacity.
    if case .symbol(let symbol) = state.shape[1] {
      let isUsed =
        symbols[symbol].definition != nil || values.contains { $0.shape.contains(.symbol(symbol)) }
        || states.contains { $0.shape.first == .symbol(symbol) || $0.shape.last == .symbol(symbol) }
      guard !isUsed else { throw GraphError(.shapeMismatch, field: field, element: 1) }
    }
  }

  private func isSize(_ dimension: Dimension, most: Int) -> Bool {
    switch dimension {
    case .fixed(let size): (1...most).contains(size)
    case .symbol(let symbol): symbols.indices.contains(symbol) && symbols[symbol].maximum <= most
    }
  }

  /// What takes the place of recurrent states.
  func validateNextValues() throws(GraphError) {
    let produced = Set(nodes.flatMap(\.outputs))
    for (index, state) in states.enumerated() {
      guard case .recurrent(_, let next) = state.kind else { continue }
      guard values.indices.contains(next) else {
        throw GraphError(.indexOutOfRange, field: "states[\(index)].next")
      }
      guard produced.contains(next) else {
        throw GraphError(.neverProduced, value: next, field: "states[\(index)].next")
      }
      try validate(values[next], isStateOf: index, "next")
    }
  }

  /// Every growing state is appended to once in a run.
  func validateGrowth() throws(GraphError) {
    var isAppended = [Bool](repeating: false, count: states.count)
    for (index, node) in nodes.enumerated() {
      for state in node.operation.appendedStates {
        guard !isAppended[state] else {
          throw GraphError(.producedTwice, node: index, field: "keyState")
        }
        isAppended[state] = true
      }
    }
    for (index, state) in states.enumerated() where state.isGrowing && !isAppended[index] {
      throw GraphError(.neverProduced, field: "states[\(index)]")
    }
  }
}

/// What the rows of a growing state are.
package struct GrowingRows: Sendable {
  /// Of keys and values.
  package var heads: Int
  package var isKey: Bool
}

extension Graph {
  /// By state, of growing ones.
  package var growingRows: [GrowingRows?] {
    var rows = [GrowingRows?](repeating: nil, count: states.count)
    for node in nodes {
      guard case .groupedAttention(let attention) = node.operation else { continue }
      if let keys = attention.keyState {
        rows[keys] = GrowingRows(heads: attention.keyValueHeads, isKey: true)
      }
      if let values = attention.valueState {
        rows[values] = GrowingRows(heads: attention.keyValueHeads, isKey: false)
      }
    }
    return rows
  }
}

extension Operation {
  /// The states that a node appends to.
  package var appendedStates: [StateID] {
    guard case .groupedAttention(let attention) = self else { return [] }
    return [attention.keyState, attention.valueState].compactMap { $0 }
  }
}

extension NodeInference {
  /// The state that attention appends rows of so many channels to.
  func requireGrowing(
    _ state: StateID, _ field: String, batch: Dimension, channels: Int
  ) throws(GraphError) -> GraphState {
    guard graph.states.indices.contains(state) else { throw fault(.indexOutOfRange, field) }
    let state = graph.states[state]
    guard state.isGrowing else { throw fault(.wrongKind, field) }
    guard state.shape[0] == batch, state.shape[2] == .fixed(channels) else {
      throw fault(.shapeMismatch, field)
    }
    return state
  }
}
