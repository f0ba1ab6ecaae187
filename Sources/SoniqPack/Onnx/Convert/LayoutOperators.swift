import SoniqCore
import SoniqGraph

extension OnnxConversion {
  private static let largestTriangle = 1 << 24

  mutating func transpose() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let rank = onnxShape(input).count
    let permutation = node.integers("perm") ?? Array((0..<rank).reversed())
    guard permutation.count == rank, Set(permutation) == Set(0..<rank) else {
      throw fault("perm \(permutation)")
    }
    return [try transpose(input, permutation)]
  }

  mutating func transpose(_ value: ValueID, _ permutation: [Int]) throws(PackError) -> ValueID {
    permutation == Array(0..<permutation.count) ? value : try tensor(.transpose(permutation), value)
  }

  mutating func concat() throws(PackError) -> [ValueID] {
    var parts: [ValueID] = []
    for index in 0..<inputCount {
      parts.append(try input(index))
    }
    // Nothing is joined by a part of no elements.
    let kept = parts.filter { !draft.isEmpty($0) }
    guard let first = kept.first ?? parts.first else { throw fault("it joins nothing") }
    let axis = try axis(node.integer("axis", default: 0), rank: max(1, onnxShape(first).count))
    return [try concatenate(kept.isEmpty ? parts : kept, axis: axis)]
  }

  /// Joins of more parts than a node may have are made of several nodes.
  mutating func concatenate(_ parts: [ValueID], axis: Int) throws(PackError) -> ValueID {
    var parts = parts
    while parts.count > maximumNodeInputs {
      let head = try draft.tensor(
        .concatenate(axis: axis), Array(parts.prefix(maximumNodeInputs)), name: node.name)
      parts = [head] + parts.dropFirst(maximumNodeInputs)
    }
    return parts.count == 1 ? parts[0] : try draft.tensor(.concatenate(axis: axis), parts, name: node.name)
  }

  mutating func split() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let shape = onnxShape(input)
    let axis = try axis(node.integer("axis", default: 0), rank: shape.count)
    if let stated = try integers(attribute: "split", input: 1),
      stated.allSatisfy({ (0...maximumDimension).contains($0) })
    {
      draft.requireEqual(shape[axis], .fixed(stated.reduce(0, +)))
    }
    guard case .fixed(let size) = shape[axis] else {
      throw fault("it splits a dynamic size; fix it with --shape")
    }
    let count = node.integer("num_outputs") ?? node.outputs.count
    guard count == node.outputs.count, count > 0 else { throw fault("\(count) outputs") }
    let length = (size + count - 1) / count
    let even = (0..<count).map { max(0, min(length, size - $0 * length)) }
    let sizes = try integers(attribute: "split", input: 1) ?? even
    guard sizes.count == count, sizes.allSatisfy({ (0...size).contains($0) }),
      sizes.reduce(0, { min($0 + $1, size + 1) }) == size
    else { throw fault("it splits \(size) into \(sizes)") }
    var results: [ValueID] = []
    var begin = 0
    for part in sizes {
      results.append(try slice(input, axis: axis, begin: begin, step: 1, count: part))
      begin += part
    }
    return results
  }

  /// Part of one axis, the others whole.
  mutating func slice(
    _ value: ValueID, axis: Int, begin: Int, step: Int, count: Int
  ) throws(PackError) -> ValueID {
    let shape = onnxShape(value)
    if shape[axis] == .fixed(count), step == 1, begin == 0 { return value }
    if count == 0, draft.known(value) == nil {
      return empty(like: value, shape.indices.map { $0 == axis ? .fixed(0) : shape[$0] })
    }
    var ranges = shape.map { dimension -> SliceRange in
      if case .fixed(let size) = dimension { return SliceRange(begin: 0, step: 1, count: size) }
      return SliceRange(begin: 0, step: 1, count: nil)
    }
    ranges[axis] = SliceRange(begin: begin, step: step, count: count)
    return try tensor(.slice(ranges), value)
  }

  mutating func slice() throws(PackError) -> [ValueID] {
    var result = try input(0)
    guard let starts = try sliceBounds("starts", input: 1), let ends = try sliceBounds("ends", input: 2)
    else {
      throw fault("its starts or ends are not whole numbers")
    }
    let isWithin = try optionalInput(2).map { boundsWithin.contains($0) } ?? false
    let rank = onnxShape(result).count
    let axes = try integers(attribute: "axes", input: 3) ?? Array(0..<min(rank, starts.count))
    let steps = try knownInput(4, "steps")?.integers?.map { Int($0) } ?? axes.map { _ in 1 }
    guard starts.count == axes.count, ends.count == axes.count, steps.count == axes.count else {
      throw fault("starts, ends, axes and steps differ in length")
    }
    for (place, entry) in axes.enumerated() {
      let axis = try axis(entry, rank: rank)
      guard steps[place] != 0 else { throw fault("a step of 0") }
      result = try slice(
        result, axis: axis, start: starts[place], end: ends[place], step: steps[place], isWithin: isWithin)
    }
    return [result]
  }

  /// Attributes before opset 10.
  private mutating func sliceBounds(_ name: String, input: Int) throws(PackError) -> [Extent]? {
    if let list = node.integers(name) { return list.map { Extent($0) } }
    return try knownInput(input, name)?.extents
  }

  private mutating func slice(
    _ value: ValueID, axis: Int, start: Extent, end: Extent, step: Int, isWithin: Bool
  ) throws(PackError) -> ValueID {
    let dimension = onnxShape(value)[axis]
    if start.fixed == 0, step == 1, end == draft.extent(dimension) { return value }
    guard case .fixed(let size) = dimension, let first = start.fixed, let last = end.fixed else {
      if case .fixed(let size) = dimension, start.fixed == 0, step == 1, let symbol = end.symbol,
        draft.symbols[symbol].definition == nil
      {
        return try prefix(value, axis: axis, of: symbol, size: size)
      }
      return try slice(
        value, axis: axis, dimension, start: start, end: end, step: step, isWithin: isWithin)
    }
    func clamped(_ index: Int, _ range: ClosedRange<Int>) -> Int {
      min(max(index < 0 ? index + size : index, range.lowerBound), range.upperBound)
    }
    let begin = clamped(first, step > 0 ? 0...size : 0...max(size - 1, 0))
    let stop = clamped(max(last, -size - 1), step > 0 ? 0...size : -1...max(size - 1, 0))
    let span = step > 0 ? stop - begin : begin - stop
    let count = span > 0 ? (span - 1) / Int(clamping: step.magnitude) + 1 : 0
    // Exporters write steps as large as int64 for a single element.
    return try slice(value, axis: axis, begin: begin, step: count > 1 ? step : 1, count: count)
  }

  mutating func empty(like value: ValueID, _ shape: [Dimension]) -> ValueID {
    draft.append(node.name, .empty, [], shape, type: draft.values[value].elementType)
  }

  /// The first elements of an axis, as many as a dynamic size says, which then cannot be larger than the axis.
  private mutating func prefix(
    _ value: ValueID, axis: Int, of symbol: Int, size: Int
  ) throws(PackError) -> ValueID {
    draft.symbols[symbol].maximum = min(draft.symbols[symbol].maximum, size)
    let places = iota(.symbol(symbol))
    if let known = draft.known(value), let list = known.integers, known.count == size,
      list.enumerated().allSatisfy({ $0.element == Int64($0.offset) })
    {
      return try reshape(
        places, to: known.shape.indices.map { $0 == axis ? draft.extent(.symbol(symbol)) : Extent(1) })
    }
    return try tensor(.gather(axis: axis), value, places)
  }

  mutating func gather() throws(PackError) -> [ValueID] {
    let data = try input(0)
    let indices = try input(1)
    let shape = onnxShape(data)
    let axis = try axis(node.integer("axis", default: 0), rank: shape.count)
    if draft.known(data) != nil, draft.known(indices) != nil {
      return [try tensor(.gather(axis: axis), data, indices)]
    }
    if axis == 0, let whole = try gatherOfJoined(data, indices) { return [whole] }
    if axis == 0, let result = try lookup(data, indices) { return [result] }
    if draft.isEmpty(indices) || draft.isEmpty(data) {
      var result = onnxShape(data)
      result.replaceSubrange(axis...axis, with: onnxShape(indices))
      guard result.contains(.fixed(0)) else { throw fault("it takes elements of a tensor that has none") }
      return [empty(like: data, result)]
    }
    if let place = draft.known(indices)?.integers, place.count == 1, case .fixed(let size) = shape[axis] {
      guard place[0] >= Int64(-size), place[0] < Int64(size) else {
        throw fault("index \(place[0]) of \(size)")
      }
      let begin = Int(place[0]) + (place[0] < 0 ? size : 0)
      let part = try slice(data, axis: axis, begin: begin, step: 1, count: 1)
      return [try withAxis(axis, of: part, replacedBy: onnxShape(indices))]
    }
    guard draft.known(indices)?.shape.isEmpty == true else {
      return [try tensor(.gather(axis: axis), data, indices)]
    }
    return [try withAxis(axis, of: tensor(.gather(axis: axis), data, indices), replacedBy: [])]
  }

  private mutating func withAxis(
    _ axis: Int, of value: ValueID, replacedBy dimensions: [Dimension]
  ) throws(PackError) -> ValueID {
    var extents = draft.shape(value).map { draft.extent($0) }
    extents.replaceSubrange(axis...axis, with: dimensions.map { draft.extent($0) })
    return try reshape(value, to: extents)
  }

  /// Rows of a constant table by ids that the host gives or nodes make; nil for anything else, and for counted
  /// positions, which have an operation of their own.
  private mutating func lookup(_ data: ValueID, _ ids: ValueID) throws(PackError) -> ValueID? {
    guard let table = draft.known(data), let floats = table.floats, table.shape.count == 2,
      draft.known(ids) == nil, draft.rank(ids) < maximumRank, !draft.isEmpty(ids), !countsPositions(ids)
    else { return nil }
    let (rows, channels) = (table.shape[0], table.shape[1])
    guard rows > 0, channels > 0 else { throw fault("its table is empty") }
    draft.limitSize(countedBy: ids, rows: rows)
    if keepsCodes, let blocks = table.blocks {
      if let packed = blocks.table(rows: rows, channels: channels) {
        return append(.trainedEmbedding(packed), [ids], draft.shape(ids) + [.fixed(channels)])
      }
      draft.decoded.append(
        "\(node.name): its zero points differ, its blocks are not of channels, or its scales are no binary16")
    }
    return append(
      .embedding(table: floats, rows: rows, channels: channels), [ids],
      draft.shape(ids) + [.fixed(channels)])
  }

  private func countsPositions(_ value: ValueID) -> Bool {
    var value = value
    while let node = draft.nodes.last(where: { $0.outputs.contains(value) }) {
      switch node.operation {
      case .iota: return true
      case .tensor(.reshape), .tensor(.expand), .tensor(.slice): value = node.inputs[0]
      default: return false
      }
    }
    return false
  }

  mutating func depthToSpace() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let shape = draft.shape(input).map { draft.extent($0) }
    let block = node.integer("blocksize", default: 0)
    guard shape.count == 4, (1...1024).contains(block), let channels = shape[1].fixed,
      channels % (block * block) == 0,
      let height = shape[2].times(Extent(block)), let width = shape[3].times(Extent(block))
    else { throw fault("blocks of \(block) in \(draft.words(draft.shape(input)))") }
    let isFirst = (node.text("mode") ?? "DCR") == "DCR"
    let depth = Extent(channels / (block * block))
    let side = Extent(block)
    let parts =
      isFirst
      ? [shape[0], side, side, depth, shape[2], shape[3]] : [shape[0], depth, side, side, shape[2], shape[3]]
    let order = isFirst ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3]
    let split = try transpose(reshape(input, to: parts), order)
    return [try reshape(split, to: [shape[0], depth, height, width])]
  }

  mutating func spaceToDepth() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let shape = draft.shape(input).map { draft.extent($0) }
    let block = node.integer("blocksize", default: 0)
    guard shape.count == 4, (1...1024).contains(block), let height = shape[2].divided(by: Extent(block)),
      let width = shape[3].divided(by: Extent(block)), let depth = shape[1].times(Extent(block * block))
    else { throw fault("blocks of \(block) in \(draft.words(draft.shape(input)))") }
    let side = Extent(block)
    let split = try reshape(input, to: [shape[0], shape[1], height, side, width, side])
    let order = (node.text("mode") ?? "DCR") == "DCR" ? [0, 3, 5, 1, 2, 4] : [0, 1, 3, 5, 2, 4]
    return [try reshape(transpose(split, order), to: [shape[0], depth, height, width])]
  }

  /// Matrices of which one triangle is kept; the other is 0.
  mutating func triangle() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let shape = onnxShape(input)
    guard shape.count >= 2 else { throw fault("a value of \(shape.count) dimensions") }
    let diagonal = try knownInput(1, "k")?.integers?.first ?? 0
    let isUpper = node.integer("upper", default: 1) != 0
    let isReal = draft.values[input].elementType == .float32
    let zero = isReal ? scalar(0) : constant(KnownTensor(integers: [0], shape: []))
    guard let rows = draft.extent(shape[shape.count - 2]).fixed,
      let columns = draft.extent(shape[shape.count - 1]).fixed
    else {
      let lines = draft.extent(shape[shape.count - 2])
      let places = try reshape(iota(shape[shape.count - 2]), to: [lines, Extent(1)])
      let right = try binary(.subtract, iota(shape[shape.count - 1]), places)
      let edge = integer(min(max(diagonal, -Int64(maximumDimension)), Int64(maximumDimension)))
      return [
        try tensor(.select, binary(isUpper ? .greaterOrEqual : .lessOrEqual, right, edge), input, zero)
      ]
    }
    guard let count = checkedProduct(rows, columns), count <= Self.largestTriangle else {
      throw fault("the size of its matrices is too large")
    }
    let kept = (0..<count).map { index -> Int64 in
      let right = Int64(index % columns - index / columns)
      return (isUpper ? right >= diagonal : right <= diagonal) ? 1 : 0
    }
    let mask = constant(KnownTensor(shape: [rows, columns], type: .bool, elements: .integers(kept)))
    return [try tensor(.select, mask, input, zero)]
  }
}
