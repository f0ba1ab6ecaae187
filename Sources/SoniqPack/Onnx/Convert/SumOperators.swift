import SoniqGraph

extension OnnxConversion {
  /// The axes of a reduction; nil when it reduces nothing.
  private mutating func reducedAxes(rank: Int) throws(PackError) -> [Int]? {
    let list = try integers(attribute: "axes", input: 1) ?? []
    if list.isEmpty { return node.flag("noop_with_empty_axes") ? nil : Array(0..<rank) }
    return try axes(list, rank: rank)
  }

  mutating func reduce(_ function: ReduceFunction) throws(PackError) -> [ValueID] {
    let input = try input(0)
    guard let axes = try reducedAxes(rank: onnxShape(input).count) else { return [input] }
    return [try reduce(function, input, axes: axes, keeps: node.flag("keepdims", default: true))]
  }

  mutating func reduce(
    _ function: ReduceFunction, _ input: ValueID, axes: [Int], keeps: Bool
  ) throws(PackError) -> ValueID {
    if axes.isEmpty { return input }
    if draft.known(input) == nil, draft.values[input].elementType == .int32 {
      guard function == .maximum || function == .minimum || function == .sum else {
        throw fault("it is not known for whole numbers")
      }
      let sum = try tensor(.reduce(function, axes: axes, keepsDimensions: keeps), real(input))
      return try tensor(.cast(.int32), sum)
    }
    return try tensor(.reduce(function, axes: axes, keepsDimensions: keeps), input)
  }

  mutating func reduceLogSum() throws(PackError) -> [ValueID] {
    [try tensor(.unary(.logarithm), reduce(.sum)[0])]
  }

  /// log(sum(exp(x - m))) + m, where m is the largest x.
  mutating func reduceLogSumExp() throws(PackError) -> [ValueID] {
    let input = try input(0)
    guard let axes = try reducedAxes(rank: onnxShape(input).count) else { return [input] }
    let keeps = node.flag("keepdims", default: true)
    let largest = try reduce(.maximum, input, axes: axes, keeps: true)
    let powers = try tensor(.unary(.exponential), binary(.subtract, input, largest))
    let sum = try tensor(.unary(.logarithm), reduce(.sum, powers, axes: axes, keeps: keeps))
    let added = keeps ? largest : try reduce(.maximum, input, axes: axes, keeps: false)
    return [try binary(.add, sum, added)]
  }

  mutating func softmax(isLogarithm: Bool) throws(PackError) -> [ValueID] {
    let input = try input(0)
    let shape = draft.shape(input)
    let axis = try axis(node.integer("axis", default: opset < 13 ? 1 : -1), rank: shape.count)
    guard opset < 13, axis != shape.count - 1 else {
      return [try tensor(.softmax(axis: axis, isLogarithm: isLogarithm), input)]
    }
    // Older opsets take all dimensions from the axis on as one.
    guard let rest = draft.product(shape[axis...]) else { throw fault("the size is too large") }
    let flat = try reshape(input, to: shape[..<axis].map { draft.extent($0) } + [rest])
    let result = try tensor(.softmax(axis: axis, isLogarithm: isLogarithm), flat)
    return [try reshape(result, to: shape.map { draft.extent($0) })]
  }

  /// Values and indices. Where the count or the axis is dynamic all of it is put in order, and the first are taken.
  mutating func topK() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let axis = try axis(node.integer("axis", default: -1), rank: onnxShape(input).count)
    // An attribute before opset 10.
    let stated = node.integer("k").map { [Extent($0)] }
    let counts = if let stated { stated } else { try knownInput(1, "k")?.extents }
    guard let counts, let count = counts.first, counts.count == 1 else { throw fault("it needs one k") }
    guard count.fixed ?? 1 > 0 else { throw fault("k is \(draft.words(count))") }
    // Unsorted results may be in any order.
    _ = node.flag("sorted", default: true)
    let isSmallest = !node.flag("largest", default: true)
    if let count = count.fixed, case .fixed = onnxShape(input)[axis] {
      return try draft.tensors(
        .topK(axis: axis, isSmallest: isSmallest, count: count), [input], name: node.name)
    }
    let sorted = try draft.tensors(
      .topK(axis: axis, isSmallest: isSmallest, count: 0), [input], name: node.name)
    return try sorted.map { value throws(PackError) in
      try part(value, axis: axis, begin: Extent(0), count: count)
    }
  }

  mutating func argument(isMinimum: Bool) throws(PackError) -> [ValueID] {
    let input = try real(input(0))
    let axis = try axis(node.integer("axis", default: 0), rank: draft.rank(input))
    return [
      try tensor(
        .argument(
          isMinimum: isMinimum, axis: axis, keepsDimensions: node.flag("keepdims", default: true),
          selectsLast: node.flag("select_last_index")), input)
    ]
  }
}
