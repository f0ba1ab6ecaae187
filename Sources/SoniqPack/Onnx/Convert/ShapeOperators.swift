import SoniqCore
import SoniqGraph

extension OnnxConversion {
  mutating func constantNode() throws(PackError) -> [ValueID] {
    if let tensor = node.tensor("value") { return [constant(try file.tensor(tensor))] }
    if let number = node.real("value_float") { return [scalar(number)] }
    if let numbers = node.reals("value_floats") {
      return [constant(KnownTensor(floats: numbers, shape: [numbers.count]))]
    }
    if let number = node.integer("value_int") {
      return [constant(KnownTensor(integers: [Int64(number)], shape: []))]
    }
    if let list = node.integers("value_ints") {
      return [constant(KnownTensor(integers: list.map { Int64($0) }, shape: [list.count]))]
    }
    throw fault("a constant that is not of numbers")
  }

  mutating func constantOfShape() throws(PackError) -> [ValueID] {
    var one = KnownTensor(floats: [0], shape: [1])
    if let tensor = node.tensor("value") { one = try file.tensor(tensor) }
    guard one.count == 1 else { throw fault("its value has \(one.count) elements") }
    guard let shape = try knownInput(0, "shape") else { throw fault("input 0 is missing") }
    one.shape = []
    guard let sizes = shape.integers?.map({ Int($0) }) else {
      guard let extents = shape.extents else { throw fault("its shape is not of whole numbers") }
      var dimensions: [Dimension] = []
      for extent in extents { dimensions.append(try draft.dimension(extent)) }
      return [try expand(constant(one), to: dimensions)]
    }
    guard sizes.allSatisfy({ $0 >= 0 }), let count = knownCount(sizes) else { throw fault("shape \(sizes)") }
    let elements = one.elements.picked([Int](repeating: 0, count: count))
    return [constant(KnownTensor(shape: sizes, type: one.type, elements: elements))]
  }

  mutating func shapeOf() throws(PackError) -> [ValueID] {
    let shape = onnxShape(try input(0)).map { draft.extent($0) }
    func bound(_ index: Int) -> Int { min(max(index < 0 ? index + shape.count : index, 0), shape.count) }
    let begin = bound(node.integer("start", default: 0))
    let end = max(begin, bound(node.integer("end", default: shape.count)))
    return [sizes(Array(shape[begin..<end]), shape: [end - begin])]
  }

  mutating func sizeOf() throws(PackError) -> [ValueID] {
    guard let product = draft.product(onnxShape(try input(0))) else { throw fault("the size is too large") }
    return [sizes([product], shape: [])]
  }

  private mutating func sizes(_ list: [Extent], shape: [Int]) -> ValueID {
    constant(KnownTensor(shape: shape, type: .int64, elements: .sizes(list)).simplified)
  }

  /// int32 [size]: 0, 1, 2, ...
  mutating func iota(_ size: Dimension) -> ValueID {
    draft.append(node.name, .iota(size), [], [size], type: .int32)
  }

  // MARK: Reshapes

  /// The same elements in another shape, in which products of dynamic sizes may stand for a while.
  mutating func reshape(_ value: ValueID, to extents: [Extent]) throws(PackError) -> ValueID {
    if let known = draft.known(value) {
      let sizes = extents.compactMap(\.fixed)
      guard sizes.count == extents.count, sizes.allSatisfy({ $0 >= 0 }), let count = knownCount(sizes),
        count == known.count
      else {
        throw fault("\(known.count) elements in shape \(sizes)")
      }
      return constant(known.reshaped(sizes))
    }
    var shape: [Dimension] = []
    for extent in extents { shape.append(try draft.dimension(extent)) }
    if shape.isEmpty { shape = [.fixed(1)] }
    let current = draft.shape(value)
    if shape == current { return value }
    // A size of several that came with one reshape goes with the next: both are one.
    let isJoined = current.contains {
      if case .symbol(let symbol) = $0 { draft.symbols[symbol].definition != nil } else { false }
    }
    if isJoined, let maker = draft.nodes.last(where: { $0.outputs.contains(value) }),
      case .tensor(.reshape) = maker.operation
    {
      return try reshape(maker.inputs[0], to: extents)
    }
    guard extents.allSatisfy({ $0.fixed ?? 0 >= 0 }), let count = draft.product(shape),
      let available = draft.product(current), count == available
    else {
      if let count = draft.product(shape), let available = draft.product(current) {
        draft.requireEqual(available, count)
      }
      throw fault("\(draft.words(current)) reshaped to \(draft.words(shape))")
    }
    guard shape.count <= maximumRank else {
      throw fault("\(shape.count) dimensions; \(maximumRank) are the most")
    }
    return draft.append(
      node.name, .tensor(.reshape(shape)), [value], shape, type: draft.values[value].elementType)
  }

  mutating func reshapeNode() throws(PackError) -> [ValueID] {
    let input = try input(0)
    guard let list = try knownInput(1, "shape")?.extents else {
      throw fault("its shape is not of whole numbers")
    }
    let source = onnxShape(input)
    let keepsZero = node.flag("allowzero")
    var target: [Extent] = []
    var open: Int?
    for (axis, extent) in list.enumerated() {
      if extent.fixed == 0, !keepsZero {
        guard axis < source.count else {
          throw fault("dimension \(axis) is copied, the input has \(source.count)")
        }
        target.append(draft.extent(source[axis]))
      } else if extent.fixed == -1 {
        guard open == nil else { throw fault("two dimensions are left open") }
        open = axis
        target.append(Extent(1))
      } else {
        target.append(extent)
      }
    }
    if let open {
      // Of no elements, with a size that is nothing anyhow.
      if draft.isEmpty(input), target.contains(Extent(0)) {
        target[open] = Extent(0)
        return [try reshape(input, to: target)]
      }
      var rest = draft.product(source)
      for extent in target { rest = rest?.divided(by: extent) }
      guard let rest else {
        requireTail(source, Array(target[(open + 1)...]), behind: open)
        throw fault("\(draft.words(source)) cannot take the shape asked for")
      }
      target[open] = rest
    }
    return [try reshape(input, to: target)]
  }

  /// An open size that no quotient is stands for its own axis: what is behind it in the source is what is behind it in the
  /// target.
  private mutating func requireTail(_ source: [Dimension], _ tail: [Extent], behind open: Int) {
    guard open < source.count, let available = draft.product(source[(open + 1)...]) else { return }
    var wanted: Extent? = Extent(1)
    for extent in tail { wanted = wanted?.times(extent) }
    if let wanted { draft.requireEqual(available, wanted) }
  }

  mutating func flatten() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let shape = onnxShape(input)
    let axis = node.integer("axis", default: 1)
    guard axis >= -shape.count, axis <= shape.count else { throw fault("axis \(axis)") }
    let place = axis < 0 ? axis + shape.count : axis
    guard let rows = draft.product(shape[..<place]), let columns = draft.product(shape[place...]) else {
      throw fault("the size is too large")
    }
    return [try reshape(input, to: [rows, columns])]
  }

  mutating func squeeze() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let shape = onnxShape(input)
    let listed = try integers(attribute: "axes", input: 1)
    let axes = try listed.map { list throws(PackError) in try self.axes(list, rank: shape.count) }
    let squeezed = axes ?? shape.indices.filter { shape[$0] == .fixed(1) }
    guard squeezed.allSatisfy({ shape[$0] == .fixed(1) }) else {
      for axis in squeezed { draft.requireEqual(draft.extent(shape[axis]), Extent(1)) }
      throw fault("it squeezes a dimension that is not 1")
    }
    let kept = shape.indices.filter { !squeezed.contains($0) }.map { draft.extent(shape[$0]) }
    return [try reshape(input, to: kept)]
  }

  mutating func unsqueeze() throws(PackError) -> [ValueID] {
    let input = try input(0)
    guard let list = try integers(attribute: "axes", input: 1) else { throw fault("its axes are missing") }
    var shape = onnxShape(input).map { draft.extent($0) }
    let known = draft.known(input)
    guard list.count <= 16 else { throw fault("\(list.count) axes") }
    for axis in try axes(list, rank: shape.count + list.count) { shape.insert(Extent(1), at: axis) }
    if known == nil, shape.count > maximumRank { throw fault("\(shape.count) dimensions") }
    return [try reshape(input, to: shape)]
  }

  mutating func expand() throws(PackError) -> [ValueID] {
    let input = try input(0)
    guard let list = try knownInput(1, "shape")?.extents else {
      throw fault("its shape is not of whole numbers")
    }
    var shape: [Dimension] = []
    for extent in list { shape.append(try draft.dimension(extent)) }
    // The shape may be the smaller one.
    let source = onnxShape(input)
    while shape.count < source.count { shape.insert(.fixed(1), at: 0) }
    for (offset, dimension) in source.enumerated() {
      let place = shape.count - source.count + offset
      if shape[place] == .fixed(1) { shape[place] = dimension }
    }
    return [try expand(input, to: shape)]
  }

  mutating func expand(_ value: ValueID, to shape: [Dimension]) throws(PackError) -> ValueID {
    if shape == onnxShape(value) { return value }
    if shape.isEmpty { return value }
    for case .fixed(let size) in shape where !(0...maximumDimension).contains(size) {
      throw fault("size \(size) is not possible")
    }
    return try tensor(.expand(shape), value)
  }
}
