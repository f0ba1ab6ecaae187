import SoniqGraph

extension OnnxConversion {
  /// Elements by indices of several axes each, [..., axes].
  mutating func gatherND() throws(PackError) -> [ValueID] {
    let data = try input(0)
    let indices = try input(1)
    let batch = node.integer("batch_dims", default: 0)
    let shape = onnxShape(indices)
    guard batch == 0 else { return [try gatherPlaces(data, indices, batch: batch)] }
    guard case .fixed(let count)? = shape.last, (1...onnxShape(data).count).contains(count) else {
      throw fault("indices of shape \(draft.words(shape)) for data of shape \(draft.words(onnxShape(data)))")
    }
    if let places = components(of: indices, count: count),
      let view = try counted(data, places, shape: Array(shape.dropLast()))
    {
      return [view]
    }
    guard count == 1 else { return [try gatherPlaces(data, indices, batch: 0)] }
    let flat = try reshape(indices, to: shape.dropLast().map { draft.extent($0) })
    return [try tensor(.gather(axis: 0), data, flat)]
  }

  /// What the indices of each axis count; nil when they do anything else.
  private func components(of indices: ValueID, count: Int) -> [IndexGrid]? {
    var parts: [ValueID] = [indices]
    if count > 1 {
      let axis = draft.rank(indices) - 1
      guard let maker = draft.nodes.last(where: { $0.outputs.contains(indices) }),
        case .tensor(.concatenate(Concatenate(axis: axis))) = maker.operation, maker.inputs.count == count
      else { return nil }
      parts = maker.inputs
    }
    var grids: [IndexGrid] = []
    for part in parts {
      guard var grid = IndexGrid.of(part, draft), grid.shape.last == .fixed(1) else { return nil }
      grid.shape.removeLast()
      grid.factors.removeLast()
      grids.append(grid)
    }
    return grids
  }

  /// The first axes of the data at counted places: its own elements, at other axes and repeated along more.
  /// * places: for each of these axes, of one shape.
  /// - Returns: [shape, rest of the data]; nil when an index is more than the place along one axis.
  private mutating func counted(
    _ data: ValueID, _ places: [IndexGrid], shape: [Dimension]
  ) throws(PackError) -> ValueID? {
    let source = onnxShape(data)
    var axes: [Int] = []
    for (position, grid) in places.enumerated() {
      guard let grid = grid.broadcast(shape) else { return nil }
      if source[position] == .fixed(1), grid.factors.allSatisfy({ $0 == Extent(0) }), grid.offset == Extent(0)
      {
        axes.append(-1)
        continue
      }
      guard let axis = grid.axis(countedBy: Extent(1)), !axes.contains(axis) else { return nil }
      guard shape[axis] == source[position] else {
        draft.requireEqual(draft.extent(shape[axis]), draft.extent(source[position]))
        throw fault(
          "it counts \(draft.words([shape[axis]])) places of \(draft.words([source[position]]));"
            + " fix both with --shape")
      }
      axes.append(axis)
    }
    return try spread(data, axes, shape: shape)
  }

  /// Moves leading axes of the data to the places of a shape, along whose other axes they are repeated.
  /// * axes: by axis of the data, -1 for one that is dropped.
  private mutating func spread(
    _ data: ValueID, _ axes: [Int], shape: [Dimension]
  ) throws(PackError) -> ValueID {
    let source = onnxShape(data)
    let rest = Array(source[axes.count...])
    let order = axes.indices.sorted { axes[$0] < axes[$1] }
    let moved = try transpose(data, order + Array(axes.count..<source.count))
    let whole = shape + rest
    let places = shape.indices.map { axes.contains($0) ? shape[$0] : .fixed(1) } + rest
    return try expand(reshape(moved, to: places.map { draft.extent($0) }), to: whole)
  }

  /// A tensor with its axes joined into one, at counted places row * length + column: the tensor itself.
  /// - Returns: nil when it is no such thing.
  mutating func gatherOfJoined(_ data: ValueID, _ indices: ValueID) throws(PackError) -> ValueID? {
    guard draft.known(indices) == nil, let grid = IndexGrid.of(indices, draft),
      let maker = draft.nodes.last(where: { $0.outputs.contains(data) }),
      case .tensor(.reshape) = maker.operation
    else { return nil }
    let whole = maker.inputs[0]
    let source = draft.shape(whole)
    let (first, rest) = (draft.shape(data)[0], Array(draft.shape(data).dropFirst()))
    guard
      let joined = (1...source.count).first(where: { draft.product(source[..<$0]) == draft.extent(first) }),
      source[joined...].filter({ $0 != .fixed(1) }) == rest.filter({ $0 != .fixed(1) }),
      grid.offset == Extent(0)
    else { return nil }
    var axes: [Int] = []
    for axis in 0..<joined {
      if source[axis] == .fixed(1) {
        axes.append(-1)
        continue
      }
      guard let step = draft.product(source[(axis + 1)..<joined]),
        let place = grid.shape.indices.first(where: { !axes.contains($0) && grid.factors[$0] == step })
      else { return nil }
      guard grid.shape[place] == source[axis] else {
        draft.requireEqual(draft.extent(grid.shape[place]), draft.extent(source[axis]))
        return nil
      }
      axes.append(place)
    }
    guard grid.shape.indices.allSatisfy({ axes.contains($0) || grid.factors[$0] == Extent(0) }) else {
      return nil
    }
    let result = try spread(whole, axes, shape: grid.shape)
    return try reshape(result, to: (grid.shape + rest).map { draft.extent($0) })
  }

  /// One element along an axis for each place of the indices, of data that are the same along all other axes.
  mutating func gatherElements() throws(PackError) -> [ValueID] {
    var data = try input(0)
    let indices = try input(1)
    let rank = onnxShape(data).count
    let axis = try axis(node.integer("axis", default: 0), rank: rank)
    guard onnxShape(indices).count == rank else {
      throw fault("\(onnxShape(indices).count) dimensions of indices for \(rank) of data")
    }
    while let maker = draft.nodes.last(where: { $0.outputs.contains(data) }),
      case .tensor(.expand) = maker.operation, draft.rank(maker.inputs[0]) == rank,
      draft.shape(maker.inputs[0])[axis] == draft.shape(data)[axis]
    {
      data = maker.inputs[0]
    }
    let shape = onnxShape(data)
    guard shape.indices.allSatisfy({ $0 == axis || shape[$0] == .fixed(1) }) else {
      return [try gatherEach(input(0), indices, axis: axis)]
    }
    let line = try reshape(data, to: [draft.extent(shape[axis])])
    return [try tensor(.gather(axis: 0), line, indices)]
  }

  mutating func cumulativeSum() throws(PackError) -> [ValueID] {
    let input = try input(0)
    guard let number = try knownInput(1, "axis")?.integers, number.count == 1 else {
      throw fault("its axis is missing")
    }
    let axis = try axis(Int(number[0]), rank: onnxShape(input).count)
    return [
      try tensor(
        .cumulate(axis: axis, isExclusive: node.flag("exclusive"), isReversed: node.flag("reverse")), input)
    ]
  }
}
