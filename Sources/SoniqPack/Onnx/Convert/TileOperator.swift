import SoniqGraph

extension OnnxConversion {
  mutating func tile() throws(PackError) -> [ValueID] {
    var result = try input(0)
    guard let repeats = try knownInput(1, "repeats")?.extents else {
      throw fault("its repeats are no whole numbers")
    }
    guard repeats.count == onnxShape(result).count else { throw fault("\(repeats.count) repeats") }
    for (axis, count) in repeats.enumerated() where count != Extent(1) {
      if let count = count.fixed, (1...maximumNodeInputs).contains(count),
        onnxShape(result)[axis] != .fixed(1)
      {
        result = try draft.tensor(
          .concatenate(axis: axis), [ValueID](repeating: result, count: count), name: node.name)
      } else {
        result = try repeated(result, axis: axis, count: count)
      }
    }
    return [result]
  }

  /// By an axis before the one that is repeated.
  private mutating func repeated(
    _ value: ValueID, axis: Int, count: Extent
  ) throws(PackError) -> ValueID {
    guard count.fixed ?? 1 > 0 else { throw fault("\(draft.words(count)) repeats") }
    let repeats = try draft.dimension(count)
    var shape = onnxShape(value)
    if shape[axis] == .fixed(1) {
      shape[axis] = repeats
      return try expand(value, to: shape)
    }
    var extents = shape.map { draft.extent($0) }
    guard let whole = extents[axis].times(count) else { throw fault("the size is too large") }
    extents.insert(Extent(1), at: axis)
    shape.insert(repeats, at: axis)
    let wide = try expand(reshape(value, to: extents), to: shape)
    extents.remove(at: axis)
    extents[axis] = whole
    return try reshape(wide, to: extents)
  }
}
