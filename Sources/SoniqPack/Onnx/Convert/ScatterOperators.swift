import SoniqGraph

/// Elements put to places by indices of a run.
extension OnnxConversion {
  private static let reductions: [String: ScatterReduction] = [
    "none": .replace, "add": .add, "mul": .multiply, "max": .maximum, "min": .minimum,
  ]

  private func reduction() throws(PackError) -> ScatterReduction {
    let name = node.text("reduction") ?? "none"
    guard let reduction = Self.reductions[name] else { throw fault("its reduction is \(name)") }
    return reduction
  }

  /// Data and updates of one type.
  private mutating func operands() throws(PackError) -> (data: ValueID, updates: ValueID) {
    let (data, updates) = (try input(0), try input(2))
    if draft.values[data].elementType == draft.values[updates].elementType { return (data, updates) }
    return (try real(data), try real(updates))
  }

  mutating func scatterElements() throws(PackError) -> [ValueID] {
    let (data, updates) = try operands()
    let indices = try input(1)
    let shape = onnxShape(indices)
    let axis = try axis(node.integer("axis", default: 0), rank: onnxShape(data).count)
    guard onnxShape(updates) == shape, shape.count == onnxShape(data).count else {
      throw fault(
        "indices of shape \(draft.words(shape)) and updates of shape \(draft.words(onnxShape(updates)))"
          + " for data of shape \(draft.words(onnxShape(data)))")
    }
    if shape.contains(.fixed(0)) { return [data] }
    return [try tensor(.scatter(axis: axis, reduction()), data, indices, updates)]
  }

  /// The last axis of the indices are places along the first axes of the data, which become one axis.
  mutating func scatterND() throws(PackError) -> [ValueID] {
    let (data, updates) = try operands()
    let indices = try input(1)
    let (source, shape) = (onnxShape(data), onnxShape(indices))
    guard case .fixed(let count)? = shape.last, (1...max(1, source.count)).contains(count),
      onnxShape(updates) == Array(shape.dropLast()) + Array(source[min(count, source.count)...])
    else {
      throw fault(
        "indices of shape \(draft.words(shape)) and updates of shape \(draft.words(onnxShape(updates)))"
          + " for data of shape \(draft.words(source))")
    }
    if shape.contains(.fixed(0)) { return [data] }
    guard let rows = draft.product(source[..<count]), let row = draft.product(source[count...]),
      let updateRows = draft.product(shape.dropLast())
    else { throw fault("its data are too large") }
    let places = try joinedPlaces(indices, count: count, sizes: Array(source[..<count]))
    let result = try tensor(
      .scatter(axis: 0, reduction()), reshape(data, to: [rows, row]),
      reshape(places, to: [updateRows, Extent(1)]), reshape(updates, to: [updateRows, row]))
    return [try reshape(result, to: source.map { draft.extent($0) })]
  }

  /// Places along several axes as places along the axis that they are when joined. What is out of range there stays so.
  /// * indices: [..., count].
  /// - Returns: [...] or [..., 1].
  private mutating func joinedPlaces(
    _ indices: ValueID, count: Int, sizes: [Dimension]
  ) throws(PackError) -> ValueID {
    guard count > 1 else { return indices }
    let inner = sizes.dropFirst().compactMap { draft.extent($0).fixed }
    guard inner.count == count - 1, let step = knownCount(inner), step < Int(Int32.max) else {
      throw fault("places in \(draft.words(sizes)); fix its sizes with --shape")
    }
    if let rows = draft.extent(sizes[0]).fixed, rows > Int(Int32.max) / step {
      throw fault("places in \(draft.words(sizes)), which are more than 32 bits count")
    }
    let last = onnxShape(indices).count - 1
    let outer = try slice(indices, axis: last, begin: 0, step: 1, count: 1)
    // The first axis is checked with the whole, from either end; its product must not wrap.
    let most = integer(Int64(Int(Int32.max) / step))
    let least = integer(-Int64(Int(Int32.max) / step))
    var isThere = try binary(
      .and, binary(.lessOrEqual, outer, most), binary(.greaterOrEqual, outer, least))
    var whole = try binary(.multiply, outer, integer(Int64(step)))
    let steps = rowMajorSteps(inner)
    for (part, size) in inner.enumerated() {
      let index = try slice(indices, axis: last, begin: part + 1, step: 1, count: 1)
      let (place, fits) = try place(index, of: size)
      whole = try binary(.add, whole, binary(.multiply, place, integer(Int64(steps[part]))))
      isThere = try binary(.and, isThere, fits)
    }
    return try tensor(.select, isThere, whole, integer(Int64(Int32.max)))
  }
}

extension KnownTensor {
  /// The tensor with updates at places of an axis, of one rank; nil when a place is out of range or sizes are of a run.
  func scattered(
    _ indices: KnownTensor, _ updates: KnownTensor, _ scatter: Scatter
  ) -> KnownTensor? {
    let axis = scatter.axis
    guard let list = indices.integers, indices.shape.count == shape.count, updates.shape == indices.shape,
      shape.indices.allSatisfy({ $0 == axis || updates.shape[$0] <= shape[$0] })
    else { return nil }
    let (steps, updateSteps) = (rowMajorSteps(shape), rowMajorSteps(updates.shape))
    var places: [Int] = []
    for (position, index) in list.enumerated() {
      guard index >= -Int64(shape[axis]), index < Int64(shape[axis]) else { return nil }
      let own = Int(index < 0 ? index + Int64(shape[axis]) : index)
      places.append(
        shape.indices.reduce(0) {
          let other = position / updateSteps[$1] % updates.shape[$1]
          return $0 + ($1 == axis ? own : other) * steps[$1]
        })
    }
    switch (elements, updates.elements) {
    case (.floats(var floats), .floats(let new)):
      for (place, update) in zip(places, new) {
        floats[place] = scatter.reduction.result(floats[place], update)
      }
      return KnownTensor(shape: shape, type: type, elements: .floats(floats))
    case (.integers(var integers), .integers(let new)) where scatter.reduction == .replace:
      for (place, update) in zip(places, new) { integers[place] = update }
      return KnownTensor(shape: shape, type: type, elements: .integers(integers))
    default: return nil
    }
  }
}

extension ScatterReduction {
  fileprivate func result(_ old: Float, _ update: Float) -> Float {
    switch self {
    case .replace: update
    case .add: old + update
    case .multiply: old * update
    case .maximum: old > update || old.isNaN ? old : update
    case .minimum: old < update || old.isNaN ? old : update
    }
  }
}
