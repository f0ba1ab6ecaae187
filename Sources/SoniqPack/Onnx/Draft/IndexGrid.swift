import SoniqGraph

/// Whole numbers that count along the axes of their own tensor: offset + sum over axes of factor * index. That is what
/// exporters make of Range, Unsqueeze, Expand and arithmetic to point at elements one by one.
struct IndexGrid {
  var shape: [Dimension]
  /// One for each axis.
  var factors: [Extent]
  var offset: Extent

  /// nil when the value is, or may be, anything else.
  static func of(_ value: ValueID, _ draft: DraftGraph) -> IndexGrid? {
    var budget = 64
    return of(value, draft, draft.makers(), &budget)
  }

  private static func of(
    _ value: ValueID, _ draft: DraftGraph, _ makers: [Int?], _ budget: inout Int
  ) -> IndexGrid? {
    budget -= 1
    guard budget > 0 else { return nil }
    if let known = draft.known(value) { return IndexGrid(known) }
    guard value < makers.count, let maker = makers[value] else { return nil }
    let node = draft.nodes[maker]
    switch node.operation {
    case .iota(let size): return IndexGrid(shape: [size], factors: [Extent(1)], offset: Extent(0))
    case .tensor(.cast(Cast(.int32))): return of(node.inputs[0], draft, makers, &budget)
    case .tensor(.reshape(let reshape)):
      return of(node.inputs[0], draft, makers, &budget)?.reshaped(to: reshape.shape, draft)
    case .tensor(.expand(let expand)):
      return of(node.inputs[0], draft, makers, &budget)?.broadcast(expand.shape)
    case .tensor(.transpose(let transpose)):
      let order = transpose.permutation
      guard let grid = of(node.inputs[0], draft, makers, &budget), grid.shape.count == order.count else {
        return nil
      }
      return IndexGrid(
        shape: order.map { grid.shape[$0] }, factors: order.map { grid.factors[$0] }, offset: grid.offset)
    case .tensor(.binary(let binary)):
      guard let left = of(node.inputs[0], draft, makers, &budget)?.broadcast(draft.shape(node.output)),
        let right = of(node.inputs[1], draft, makers, &budget)?.broadcast(draft.shape(node.output))
      else { return nil }
      return left.combined(binary.function, right)
    default: return nil
    }
  }

  private init(shape: [Dimension], factors: [Extent], offset: Extent) {
    self.shape = shape
    self.factors = factors
    self.offset = offset
  }

  /// Constants that count, and sizes.
  private init?(_ known: KnownTensor) {
    guard let extents = known.extents, let first = extents.first, extents.count <= 1 << 20 else { return nil }
    let sizes = known.shape
    let steps = rowMajorSteps(sizes)
    var factors: [Extent] = []
    for (axis, size) in sizes.enumerated() {
      guard size > 1 else {
        factors.append(Extent(0))
        continue
      }
      guard let factor = SizeArithmetic.combine(.subtract, extents[steps[axis]], first) else { return nil }
      factors.append(factor)
    }
    for (place, extent) in extents.enumerated() where place > 0 {
      var sum: Extent? = first
      for (axis, size) in sizes.enumerated() where size > 1 {
        let step = factors[axis].times(Extent(place / steps[axis] % size))
        sum = sum.flatMap { sum in step.flatMap { SizeArithmetic.combine(.add, sum, $0) } }
      }
      guard sum == extent else { return nil }
    }
    self.init(shape: sizes.map(Dimension.fixed), factors: factors, offset: first)
  }

  /// The same numbers along axes of more places; nil when the shapes do not fit.
  func broadcast(_ target: [Dimension]) -> IndexGrid? {
    guard target.count >= shape.count else { return nil }
    let added = target.count - shape.count
    for (axis, dimension) in shape.enumerated()
    where dimension != target[added + axis] && dimension != .fixed(1) { return nil }
    return IndexGrid(
      shape: target, factors: [Extent](repeating: Extent(0), count: added) + factors, offset: offset)
  }

  /// A reshape that adds or drops dimensions of 1 only.
  private func reshaped(to target: [Dimension], _ draft: DraftGraph) -> IndexGrid? {
    let kept = shape.indices.filter { shape[$0] != .fixed(1) }
    let places = target.indices.filter { target[$0] != .fixed(1) }
    guard kept.map({ shape[$0] }) == places.map({ target[$0] }) else { return nil }
    var moved = [Extent](repeating: Extent(0), count: target.count)
    for (axis, place) in zip(kept, places) { moved[place] = factors[axis] }
    return IndexGrid(shape: target, factors: moved, offset: offset)
  }

  private var isConstant: Bool { factors.allSatisfy { $0 == Extent(0) } }

  private func combined(_ function: BinaryFunction, _ other: IndexGrid) -> IndexGrid? {
    switch function {
    case .add, .subtract:
      return merged(other) { SizeArithmetic.combine(function, $0, $1) }
    case .multiply:
      if other.isConstant { return merged(other) { left, _ in left.times(other.offset) } }
      return isConstant ? merged(other) { _, right in right.times(offset) } : nil
    default: return nil
    }
  }

  private func merged(_ other: IndexGrid, _ combine: (Extent, Extent) -> Extent?) -> IndexGrid? {
    var merged: [Extent] = []
    for (left, right) in zip(factors, other.factors) {
      guard let factor = combine(left, right) else { return nil }
      merged.append(factor)
    }
    guard let start = combine(offset, other.offset) else { return nil }
    return IndexGrid(shape: shape, factors: merged, offset: start)
  }

  /// The least of the numbers, where it does not depend on dynamic sizes.
  var least: Int? {
    guard factors.allSatisfy(\.isNotNegative) else { return nil }
    return offset.fixed
  }

  /// The axis that the numbers count by this factor, from 0 and along no other; nil when there is none.
  func axis(countedBy factor: Extent) -> Int? {
    let counted = factors.indices.filter { factors[$0] != Extent(0) }
    guard offset == Extent(0), counted.count == 1, factors[counted[0]] == factor else { return nil }
    return counted[0]
  }
}
