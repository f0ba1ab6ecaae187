import SoniqCore
import SoniqGraph

/// Elements at places that are computed in a run, of tensors of fixed sizes: by their places among all elements. A place
/// that is not there becomes one that is beyond them all, so that the run is an error.
extension OnnxConversion {
  /// A place along one axis, from its front, and whether it is there.
  mutating func place(
    _ index: ValueID, of size: Int
  ) throws(PackError) -> (place: ValueID, isThere: ValueID) {
    try place(index, along: integer(Int64(size)))
  }

  private mutating func place(
    _ index: ValueID, along size: ValueID
  ) throws(PackError) -> (place: ValueID, isThere: ValueID) {
    let isNegative = try binary(.less, index, integer(0))
    let place = try tensor(.select, isNegative, binary(.add, index, size), index)
    let isThere = try binary(
      .and, binary(.greaterOrEqual, place, integer(0)), binary(.less, place, size))
    return (place, isThere)
  }

  /// * data: of this shape.
  /// - Throws: `data` when its places are too many for whole numbers of 32 bits, or its sizes are dynamic.
  private func fixedSizes(_ data: ValueID) throws(PackError) -> [Int] {
    let shape = onnxShape(data)
    let sizes = shape.compactMap { draft.extent($0).fixed }
    guard sizes.count == shape.count, let count = knownCount(sizes), count < Int(Int32.max) else {
      throw fault("elements of \(draft.words(shape)) at places of a run; fix its sizes with --shape")
    }
    return sizes
  }

  /// GatherElements: along the axis at the indices, along the others where the index stands.
  mutating func gatherEach(_ data: ValueID, _ indices: ValueID, axis: Int) throws(PackError) -> ValueID {
    if let lines = try gatherInLines(data, indices, axis: axis) { return lines }
    let (sizes, shape) = (try fixedSizes(data), try fixedSizes(indices))
    guard shape.indices.allSatisfy({ $0 == axis || shape[$0] <= sizes[$0] }) else {
      throw fault("indices \(shape) for data \(sizes)")
    }
    let steps = rowMajorSteps(sizes)
    let others = TensorPlaces.all(shape).map { index in
      Int64(index.indices.reduce(0) { $1 == axis ? $0 : $0 + index[$1] * steps[$1] })
    }
    let (place, isThere) = try place(indices, of: sizes[axis])
    let along = try binary(.multiply, place, integer(Int64(steps[axis])))
    let whole = try binary(.add, along, constant(KnownTensor(integers: others, shape: shape)))
    let checked = try tensor(.select, isThere, whole, integer(Int64(Int32.max)))
    let flat = try reshape(data, to: [Extent(sizes.reduce(1, *))])
    return try tensor(.gather(axis: 0), flat, checked)
  }

  /// GatherElements of any number of lines of any length; nil where there is no dynamic size.
  private mutating func gatherInLines(
    _ data: ValueID, _ indices: ValueID, axis: Int
  ) throws(PackError) -> ValueID? {
    let (source, shape) = (onnxShape(data), onnxShape(indices))
    let others = shape.indices.filter { $0 != axis }
    guard (source + shape).contains(where: { draft.extent($0).fixed == nil }) else { return nil }
    guard source.count == shape.count, others.allSatisfy({ shape[$0] == source[$0] }),
      let rows = draft.product(others.map { shape[$0] }),
      let elements = rows.times(draft.extent(source[axis])), let most = draft.bounds(elements)?.most,
      most < Int(Int32.max)
    else { return nil }
    let order = others + [axis]
    let flat = try reshape(transpose(data, order), to: [elements])
    let index = try reshape(transpose(indices, order), to: [rows, draft.extent(shape[axis])])
    let size = constant(
      KnownTensor(shape: [1], type: .int64, elements: .sizes([draft.extent(source[axis])])).simplified)
    let begins = try binary(.multiply, iota(draft.dimension(rows)), size)
    let (place, isThere) = try place(index, along: size)
    let whole = try binary(.add, reshape(begins, to: [rows, Extent(1)]), place)
    let checked = try tensor(.select, isThere, whole, integer(Int64(Int32.max)))
    let taken = try tensor(.gather(axis: 0), flat, checked)
    let result = try reshape(taken, to: order.map { draft.extent(shape[$0]) })
    return try transpose(result, shape.indices.map { place in order.firstIndex(of: place) ?? place })
  }

  /// GatherND: the last axis of the indices are places along axes behind the first ones, which both share.
  mutating func gatherPlaces(_ data: ValueID, _ indices: ValueID, batch: Int) throws(PackError) -> ValueID {
    if batch == 0, let places = try gatherDynamicPlaces(data, indices) { return places }
    let (sizes, shape) = (try fixedSizes(data), try fixedSizes(indices))
    guard let count = shape.last, batch >= 0, batch < shape.count, batch + count <= sizes.count, count > 0,
      shape[..<batch] == sizes[..<batch]
    else { throw fault("indices \(shape) for data \(sizes) with batch_dims \(batch)") }
    let outer = Array(shape.dropLast())
    let joined = Array(sizes[..<(batch + count)])
    let steps = rowMajorSteps(joined)
    let begins = TensorPlaces.all(outer).map { index in
      Int64((0..<batch).reduce(0) { $0 + index[$1] * steps[$1] })
    }
    var whole = constant(KnownTensor(integers: begins, shape: outer.isEmpty ? [1] : outer))
    var isThere: ValueID?
    for part in 0..<count {
      let column = try slice(indices, axis: shape.count - 1, begin: part, step: 1, count: 1)
      let index = try reshape(column, to: outer.map { Extent($0) })
      let (place, fits) = try place(index, of: sizes[batch + part])
      whole = try binary(.add, whole, binary(.multiply, place, integer(Int64(steps[batch + part]))))
      isThere = try isThere.map { isThere throws(PackError) in try binary(.and, isThere, fits) } ?? fits
    }
    if let isThere { whole = try tensor(.select, isThere, whole, integer(Int64(Int32.max))) }
    let rest = sizes[(batch + count)...].map { Extent($0) }
    let flat = try reshape(data, to: [Extent(joined.reduce(1, *))] + rest)
    return try tensor(.gather(axis: 0), flat, whole)
  }
}

extension OnnxConversion {
  /// GatherND of data or indices of dynamic sizes; nil where there is none.
  private mutating func gatherDynamicPlaces(
    _ data: ValueID, _ indices: ValueID
  ) throws(PackError) -> ValueID? {
    let (source, shape) = (onnxShape(data), onnxShape(indices))
    guard (source + shape).contains(where: { draft.extent($0).fixed == nil }),
      case .fixed(let count)? = shape.last,
      (1...source.count).contains(count), let elements = draft.product(source[..<count]),
      let most = draft.bounds(elements)?.most, most < Int(Int32.max)
    else { return nil }
    let outer = shape.dropLast().map { draft.extent($0) }
    var whole: ValueID?
    var isThere: ValueID?
    for part in 0..<count {
      let column = try slice(indices, axis: shape.count - 1, begin: part, step: 1, count: 1)
      let (place, fits) = try place(
        reshape(column, to: outer), along: line(draft.extent(source[part])))
      guard let step = draft.product(source[(part + 1)..<count]) else { throw fault("the size is too large") }
      let term = try binary(.multiply, place, line(step))
      whole = if let whole { try binary(.add, whole, term) } else { term }
      isThere = if let isThere { try binary(.and, isThere, fits) } else { fits }
    }
    guard let whole, let isThere else { return nil }
    let flat = try reshape(data, to: [elements] + source[count...].map { draft.extent($0) })
    let checked = try tensor(.select, isThere, whole, integer(Int64(Int32.max)))
    let result = try tensor(.gather(axis: 0), flat, checked)
    return try reshape(result, to: outer + source[count...].map { draft.extent($0) })
  }
}

private enum TensorPlaces {
  /// The indices of all elements, the last axis first.
  static func all(_ shape: [Int]) -> [[Int]] {
    let steps = rowMajorSteps(shape)
    return (0..<shape.reduce(1, *)).map { place in
      shape.indices.map { place / steps[$0] % shape[$0] }
    }
  }
}
