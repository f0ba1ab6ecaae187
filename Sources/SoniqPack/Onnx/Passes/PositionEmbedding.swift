import SoniqGraph

/// Rows of a table that are looked up by position become the operation of that name: it needs no indices, and its
/// table is packed.
struct PositionEmbedding: DraftPass {
  private var draft: DraftGraph

  static func run(_ draft: inout DraftGraph) throws(PackError) {
    let matcher = PatternMatcher(draft)
    var users: [ValueID: [DraftNode]] = [:]
    for node in draft.nodes { for input in node.inputs { users[input, default: []].append(node) } }
    let outputs = Set(draft.outputs.map(\.value))
    var pass = PositionEmbedding(draft: draft)
    pass.draft.nodes = []
    for node in draft.nodes {
      if !outputs.contains(node.output), pass.replace(node, users[node.output] ?? [], matcher) { continue }
      pass.draft.nodes.append(node)
    }
    draft = pass.draft
  }

  private mutating func replace(_ node: DraftNode, _ users: [DraftNode], _ matcher: PatternMatcher) -> Bool {
    guard case .tensor(.gather(Gather(axis: 0))) = node.operation, let table = draft.known(node.inputs[0]),
      let floats = table.floats, table.shape.count == 2, let symbol = Self.counted(node.inputs[1], matcher),
      let ids = draft.inputs.first(where: { isRow($0.value, of: symbol) })?.value
    else { return false }
    let rows = draft.shape(ids)
    let shape = rows + [.fixed(table.shape[1])]
    // What is added to all rows alike may as well be there for each.
    for user in users {
      guard case .tensor(.binary(Binary(.add))) = user.operation, draft.shape(user.output) == shape else {
        return false
      }
    }
    guard !users.isEmpty || draft.shape(node.output) == shape else { return false }
    draft.symbols[symbol].maximum = min(draft.symbols[symbol].maximum, table.shape[0])
    let positions = draft.append(node.name + ".positions", .positions, [ids], rows, type: .int32)
    draft.values[node.output].shape = shape
    draft.nodes.append(
      DraftNode(
        name: node.name, operation: .embedding(table: floats, rows: table.shape[0], channels: table.shape[1]),
        inputs: [positions], output: node.output))
    return true
  }

  private func isRow(_ value: ValueID, of symbol: Int) -> Bool {
    let entry = draft.values[value]
    return entry.elementType == .int32 && entry.shape.count == 2 && entry.shape[1] == .symbol(symbol)
  }

  /// The dynamic size along whose last axis a value counts from 0.
  private static func counted(_ value: ValueID, _ matcher: PatternMatcher) -> Int? {
    var value = value
    let last = matcher.draft.shape(value).last
    for _ in 0..<8 {
      guard let node = matcher.maker(value), matcher.draft.shape(value).last == last else { return nil }
      switch node.operation {
      case .iota(.symbol(let symbol)): return symbol
      case .tensor(.reshape), .tensor(.expand): value = node.inputs[0]
      default: return nil
      }
    }
    return nil
  }
}
