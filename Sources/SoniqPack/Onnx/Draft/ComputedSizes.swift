import SoniqGraph

/// Dynamic sizes that a run computes with: means of as many elements as there are, grids that end at 1.
extension DraftGraph {
  /// Puts tensors of int32 in the place of sizes that nodes and outputs take.
  /// - Throws: `data` where they are more than int32 holds.
  mutating func computeSizes() throws(PackError) {
    let users = nodes.flatMap { node in node.inputs.map { (value: $0, name: node.name) } }
    let taken = (users + outputs.map { (value: $0.value, name: $0.name) }).filter { user in
      if case .sizes? = known(user.value)?.elements { true } else { false }
    }
    guard !taken.isEmpty else { return }
    // They follow from nothing: all stand in front.
    let others = nodes
    nodes = []
    var numbers: [Int: ValueID] = [:]
    var replacement: [ValueID: ValueID] = [:]
    for (value, name) in taken where replacement[value] == nil {
      replacement[value] = try computed(value, name: name, &numbers)
    }
    nodes += others
    replaceUses(replacement)
  }

  private mutating func computed(
    _ value: ValueID, name: String, _ numbers: inout [Int: ValueID]
  ) throws(PackError) -> ValueID {
    guard let extents = known(value)?.extents, extents.count <= maximumNodeInputs else {
      throw PackError(
        .data, place: "node \(name)", "it computes with too many dynamic sizes; fix the sizes with --shape")
    }
    var parts: [ValueID] = []
    for extent in extents { parts.append(try number(extent, name: name, &numbers)) }
    let shape = self.shape(value)
    let line = parts.count == 1 ? parts[0] : try tensor(.concatenate(axis: 0), parts, name: name)
    return self.shape(line) == shape ? line : try tensor(.reshape(shape), [line], name: name)
  }

  /// int32 [1].
  private mutating func number(
    _ extent: Extent, name: String, _ numbers: inout [Int: ValueID]
  ) throws(PackError) -> ValueID {
    var sum: ValueID?
    for term in extent.terms {
      let whole = Int(exactly: term.coefficient.magnitude).flatMap { Extent([SizeTerm($0, term.symbols)]) }
      guard let most = whole.flatMap({ bounds($0) })?.most, most <= Int(Int32.max) else {
        throw PackError(
          .data, place: "node \(name)",
          "it computes with \(words(extent)), which may be more than 31 bits hold; fix the sizes with --shape"
        )
      }
      var product = constant(
        KnownTensor(integers: [Int64(term.coefficient)], shape: [1]), name: name)
      for symbol in term.symbols {
        let size = try size(of: symbol, &numbers)
        numbers[symbol] = size
        product =
          known(product)?.integers == [1]
          ? size : try tensor(.binary(.multiply), [product, size], name: name)
      }
      sum =
        try sum.map { sum throws(PackError) in try tensor(.binary(.add), [sum, product], name: name) }
        ?? product
    }
    return sum ?? constant(KnownTensor(integers: [0], shape: [1]), name: name)
  }

  /// One more than the last number that is counted along it.
  private mutating func size(
    of symbol: Int, _ numbers: inout [Int: ValueID]
  ) throws(PackError) -> ValueID {
    if let known = numbers[symbol] { return known }
    let name = symbols[symbol].name
    let counted = append(name, .iota(.symbol(symbol)), [], [.symbol(symbol)], type: .int32)
    let last = SliceRange(begin: 0, beginSymbol: symbol, step: 1, count: .fixed(1))
    return try tensor(
      .binary(.add),
      [
        tensor(.slice([last]), [counted], name: name),
        constant(KnownTensor(integers: [1], shape: [1]), name: name),
      ], name: name)
  }
}
