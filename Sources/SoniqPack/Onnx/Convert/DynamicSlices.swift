import SoniqGraph

// Slices of an axis where its size or the bounds are dynamic.

extension OnnxConversion {
  /// * isWithin: whether the end is known to lie on the axis.
  /// * start, end: as ONNX has them, from the end where they are below 0, and beyond the axis where they like.
  mutating func slice(
    _ value: ValueID, axis: Int, _ dimension: Dimension, start: Extent, end: Extent, step: Int,
    isWithin: Bool
  ) throws(PackError) -> ValueID {
    let size = draft.extent(dimension)
    if step < 0 { return try reversed(value, axis: axis, dimension, start: start, end: end, step: step) }
    // A begin behind the end leaves nothing, which no run allows: only the end is held within the size.
    guard let begin = try bound(start, of: size), let whole = try bound(end, of: size),
      let stop = isWithin || whole == Extent(0) ? whole : try draft.combine(.minimum, whole, size)
    else { throw cutFault(dimension) }
    if begin == Extent(0), stop == size, step == 1 { return value }
    if begin == stop || begin == size || stop == Extent(0) {
      return empty(
        like: value, onnxShape(value).indices.map { $0 == axis ? .fixed(0) : onnxShape(value)[$0] })
    }
    // Rounded up; that at least one element is there, a run makes sure.
    guard let span = stop.minus(begin)?.plus(Extent(step - 1)) else { throw cutFault(dimension) }
    let count = try draft.dimension(SizeExpression(span.terms, divisor: step))
    return try cut(value, axis: axis, begin: begin, step: step, count: count)
  }

  /// All of an axis backwards, or every so many elements of it.
  private mutating func reversed(
    _ value: ValueID, axis: Int, _ dimension: Dimension, start: Extent, end: Extent, step: Int
  ) throws(PackError) -> ValueID {
    let most = draft.maximum(dimension) ?? maximumDimension
    let size = draft.extent(dimension)
    guard let last = size.minus(Extent(1)),
      start == Extent(-1) || start == last || start.fixed ?? -1 >= most - 1,
      let final = end.fixed, final < -most, step > -maximumDimension,
      let span = size.plus(Extent(-step - 1))
    else { throw cutFault(dimension) }
    let count = try draft.dimension(SizeExpression(span.terms, divisor: -step))
    return try cut(value, axis: axis, begin: last, step: step, count: count)
  }

  /// So many elements of an axis, which a run must have.
  mutating func part(
    _ value: ValueID, axis: Int, begin: Extent, count: Extent
  ) throws(PackError) -> ValueID {
    if begin == Extent(0), draft.extent(draft.shape(value)[axis]) == count { return value }
    return try cut(value, axis: axis, begin: begin, step: 1, count: draft.dimension(count))
  }

  private mutating func cut(
    _ value: ValueID, axis: Int, begin: Extent, step: Int, count: Dimension
  ) throws(PackError) -> ValueID {
    if case .fixed(let size) = count, !(1...maximumDimension).contains(size) {
      throw fault("it takes \(size) elements")
    }
    var range = SliceRange(begin: begin.fixed ?? 0, step: step, count: count)
    if begin.fixed == nil {
      // The begin as a size, which is 1 at least.
      guard let behind = begin.plus(Extent(1)), case .symbol(let symbol) = try draft.dimension(behind) else {
        throw fault("its begin \(draft.words(begin)) is too long")
      }
      range.beginSymbol = symbol
    }
    var ranges = onnxShape(value).map { dimension -> SliceRange in
      if case .fixed(let size) = dimension { return SliceRange(begin: 0, step: 1, count: size) }
      return .whole
    }
    ranges[axis] = range
    return try tensor(.slice(ranges), value)
  }

  /// Where a bound lies. One that could be on either side of 0 counts from the front: the runs in which it is below 0 are
  /// refused, because then the begin is no place or nothing is left.
  private mutating func bound(_ bound: Extent, of size: Extent) throws(PackError) -> Extent? {
    guard let range = draft.bounds(bound), let most = draft.bounds(size)?.most else { return nil }
    if range.most >= 0 {
      return bound == size || range.least >= most ? size : bound
    }
    // From the end, and not before the first element: max(size - n, 0) = max(size, n) - n.
    guard let distance = bound.times(Extent(-1)) else { return nil }
    if range.most <= -most { return Extent(0) }
    if let from = size.plus(bound), draft.bounds(from)?.least ?? -1 >= 0 { return from }
    return try draft.combine(.maximum, size, distance)?.minus(distance)
  }

  private func cutFault(_ dimension: Dimension) -> PackError {
    fault(
      "it cuts the dynamic size \(draft.words([dimension])) where only a run knows; fix it with --shape, or say with "
        + "--maximum that it is smaller")
  }
}
