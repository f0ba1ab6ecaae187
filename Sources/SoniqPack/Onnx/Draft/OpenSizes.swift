import SoniqCore
import SoniqGraph

/// The largest of dynamic sizes that nobody bounds: of a first dimension, which counts items, and of others.
struct OpenSizes: Sendable, Hashable {
  var first: Int
  var other: Int

  /// What sessions plan for anyway; such sizes are not open.
  static let least = OpenSizes(first: 64, other: 512)
  /// In this order: not all that can be done with small sizes can be done with large ones.
  static let tried = [OpenSizes(first: 1 << 12, other: 1 << 18), OpenSizes(first: 64, other: 1 << 12)]

  /// Whether an input may have such a size.
  static func exist(_ graph: OnnxGraph, _ options: OnnxOptions) -> Bool {
    graph.inputs.contains { info in
      let stated = info.type.tensorType.shape.dim
      let given = options.shapes[info.name] ?? stated.map { _ in nil }
      return options.values[info.name] == nil
        && zip(stated, given).contains { $0.dimValue <= 0 && $1 == nil }
    }
  }

  /// Halves the maximums of open sizes until every tensor has few enough rows for the format, and attention few enough keys
  /// for its integers: the longest sizes first, then the count of items, then what sessions plan for anyway. What was
  /// concluded from larger ones holds for smaller ones.
  /// - Throws: `data` where a tensor has too many rows all the same.
  static func fit(_ draft: inout DraftGraph) throws(PackError) {
    for node in draft.nodes {
      guard case .attention = node.operation, let keys = draft.shape(node.inputs[0]).dropFirst().first else {
        continue
      }
      lower(keys, to: maximumIntegerKeys, &draft)
    }
    let shapes = Set(draft.values.map(\.shape)).filter { $0.contains(where: \.isDynamic) }
    // In one order whatever their hashes are: what is halved for one decides about the next.
    for shape in shapes.sorted(by: { draft.words($0) < draft.words($1) }) {
      guard lower(shape, &draft, until: { draft in fits(shape, draft) }) else {
        throw PackError(
          .data,
          "a tensor of shape \(draft.words(shape)) has too many rows; bound dynamic sizes with --maximum")
      }
    }
  }

  /// Makes a size fit that an operation bounds, as the side of an image, where open sizes can do that.
  static func lower(_ size: Dimension, to most: Int, _ draft: inout DraftGraph) {
    _ = lower([size], &draft) { draft in (draft.maximum(size) ?? .max) <= most }
  }

  /// Returns false where there is nothing left to be halved.
  private static func lower(
    _ shape: [Dimension], _ draft: inout DraftGraph, until isFine: (DraftGraph) -> Bool
  ) -> Bool {
    while !isFine(draft) {
      guard let symbol = next(draft, in: shape) else { return false }
      draft.symbols[symbol].maximum /= 2
    }
    return true
  }

  private static func fits(_ shape: [Dimension], _ draft: DraftGraph) -> Bool {
    var rows = 1
    for dimension in shape.dropLast() {
      guard let size = draft.maximum(dimension),
        let product = checkedProduct(rows, min(size, maximumDimension)),
        product <= maximumDimension
      else { return false }
      rows = product
    }
    return shape.last.flatMap { draft.maximum($0) }.map { $0 <= maximumDimension } ?? true
  }

  /// The open size to be halved, of those that a shape depends on.
  private static func next(_ draft: DraftGraph, in shape: [Dimension]) -> Int? {
    var open: Set<Int> = []
    for case .symbol(let symbol) in shape { collect(symbol, draft, &open) }
    let first = Set(
      draft.inputs.compactMap { input -> Int? in
        guard case .symbol(let symbol)? = draft.values[input.value].shape.first else { return nil }
        return symbol
      })
    func longest(_ symbols: [Int], above least: Int) -> Int? {
      symbols.filter { draft.symbols[$0].maximum > least }
        .max { (draft.symbols[$0].maximum, $1) < (draft.symbols[$1].maximum, $0) }
    }
    let (items, others) = (open.filter { first.contains($0) }, open.filter { !first.contains($0) })
    return longest(Array(others), above: 1 << 16) ?? longest(Array(items), above: 64)
      ?? longest(Array(others), above: 1) ?? longest(Array(items), above: 1)
  }

  private static func collect(_ symbol: Int, _ draft: DraftGraph, _ open: inout Set<Int>) {
    guard let definition = draft.symbols[symbol].definition else {
      if draft.symbols[symbol].isOpen { open.insert(symbol) }
      return
    }
    for part in definition.symbols { collect(part, draft, &open) }
  }
}
