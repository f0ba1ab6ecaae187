import SoniqGraph

/// Operators that take, place or count elements, by operations that are there.
extension OnnxConversion {
  mutating func oneHot() throws(PackError) -> [ValueID] {
    let given = try input(0)
    let shape = onnxShape(given)
    let axis = try axis(node.integer("axis", default: -1), rank: shape.count + 1)
    guard let depth = try knownInput(1, "depth"), depth.count == 1,
      let size = depth.integers?.first ?? depth.floats?.first.flatMap({ Int64(exactly: $0) }),
      (1...Int64(maximumDimension)).contains(size)
    else { throw fault("its depth is not known") }
    let indices = try whole(given)
    let isNegative = try binary(.less, indices, integer(0))
    let places = try tensor(.select, isNegative, binary(.add, indices, integer(size)), indices)
    var extents = shape.map { draft.extent($0) }
    extents.insert(Extent(1), at: axis)
    var countShape = [Int](repeating: 1, count: extents.count)
    countShape[axis] = Int(size)
    let counted = constant(KnownTensor(integers: Array(0..<size), shape: countShape))
    let isHot = try binary(.equal, reshape(places, to: extents), counted)
    let values = try input(2)
    guard onnxShape(values) == [.fixed(2)] else { throw fault("its values are not two") }
    let off = try slice(values, axis: 0, begin: 0, step: 1, count: 1)
    let on = try slice(values, axis: 0, begin: 1, step: 1, count: 1)
    return [try tensor(.select, isHot, on, off)]
  }

  mutating func hardmax() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let shape = onnxShape(input)
    let axis = try axis(node.integer("axis", default: opset < 13 ? 1 : -1), rank: shape.count)
    // Older opsets take all dimensions from the axis on as one.
    guard let rest = opset < 13 ? draft.product(shape[axis...])?.fixed : draft.extent(shape[axis]).fixed
    else {
      throw fault("the axis \(axis) of \(draft.words(shape)) is dynamic; fix it with --shape")
    }
    let flat =
      opset < 13
      ? try reshape(input, to: shape[..<axis].map { draft.extent($0) } + [Extent(rest)]) : input
    let place = try tensor(
      .argument(isMinimum: false, axis: axis, keepsDimensions: true, selectsLast: false), real(flat))
    var countShape = [Int](repeating: 1, count: draft.rank(flat))
    countShape[axis] = rest
    let counted = constant(KnownTensor(integers: (0..<rest).map { Int64($0) }, shape: countShape))
    let isLargest = try binary(.equal, place, counted)
    return [try reshape(tensor(.cast(.float32), isLargest), to: shape.map { draft.extent($0) })]
  }

  mutating func compress() throws(PackError) -> [ValueID] {
    var input = try input(0)
    guard let condition = try knownInput(1, "condition")?.integers else {
      throw fault("its condition is missing")
    }
    let chosen = condition.indices.filter { condition[$0] != 0 }.map { Int64($0) }
    var place = 0
    if let stated = node.integer("axis") {
      place = try axis(stated, rank: onnxShape(input).count)
    } else {
      guard let count = draft.product(onnxShape(input)) else { throw fault("the size is too large") }
      input = try reshape(input, to: [count])
    }
    guard !chosen.isEmpty else { throw fault("its condition chooses nothing") }
    if case .fixed(let size) = onnxShape(input)[place], let last = chosen.last, last >= size {
      throw fault("it chooses element \(last) of \(size)")
    }
    return [
      try tensor(.gather(axis: place), input, constant(KnownTensor(integers: chosen, shape: [chosen.count])))
    ]
  }

  /// Of constants; in a run the count of what is not zero would be a size that depends on values.
  mutating func nonZero() throws(PackError) -> [ValueID] {
    guard let known = draft.known(try input(0)) else { throw fault(Self.dependsOnValues) }
    guard let truth = known.integers?.map({ $0 != 0 }) ?? known.floats?.map({ $0 != 0 }) else {
      throw fault("which sizes are not 0 depends on a run")
    }
    let found = truth.indices.filter { truth[$0] }
    let shape = known.shape.isEmpty ? [1] : known.shape
    let steps = rowMajorSteps(shape)
    let places = shape.indices.flatMap { axis in found.map { Int64($0 / steps[axis] % shape[axis]) } }
    return [constant(KnownTensor(integers: places, shape: [shape.count, found.count]))]
  }

  /// Operators whose outputs are as long as the values in a run say.
  mutating func sizedByValues() throws(PackError) -> [ValueID] { throw fault(Self.dependsOnValues) }

  private static let dependsOnValues =
    "the size of its output depends on the values in a run, for which nothing can be planned; "
    + "make what is before it the output of the model"

  mutating func eyeLike() throws(PackError) -> [ValueID] {
    let like = try input(0)
    let shape = onnxShape(like)
    guard shape.count == 2, case .fixed(let rows) = shape[0], case .fixed(let columns) = shape[1],
      let count = knownCount([rows, columns]), count <= maximumKnownElements
    else { throw fault("a matrix of \(draft.words(shape))") }
    let diagonal = node.integer("k", default: 0)
    guard (-rows...columns).contains(diagonal) else { throw fault("k is \(diagonal)") }
    let truth = (0..<count).map { $0 % columns - $0 / columns == diagonal }
    let own = draft.known(like)?.type ?? (draft.values[like].elementType.isReal ? .float32 : .int32)
    let stated = node.integer("dtype").flatMap { OnnxType(rawValue: Int32(truncatingIfNeeded: $0)) }
    let type = stated ?? own
    let elements: KnownTensor.Elements =
      type.isFloat ? .floats(truth.map { $0 ? 1 : 0 }) : .integers(truth.map { $0 ? 1 : 0 })
    return [constant(KnownTensor(shape: [rows, columns], type: type, elements: elements))]
  }

  /// Each sequence from its end, as far as it goes; the lengths are constants.
  mutating func reverseSequence() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let shape = onnxShape(input)
    let (time, batch) = (node.integer("time_axis", default: 0), node.integer("batch_axis", default: 1))
    guard shape.count >= 2, Set([time, batch]) == Set([0, 1]), case .fixed(let length) = shape[time],
      case .fixed(let count) = shape[batch]
    else { throw fault("sequences of \(draft.words(shape)), time_axis \(time), batch_axis \(batch)") }
    guard let lengths = try knownInput(1, "sequence_lens")?.integers, lengths.count == count,
      lengths.allSatisfy({ (0...Int64(length)).contains($0) })
    else { throw fault("its sequence_lens do not fit \(draft.words(shape))") }
    var places: [Int64] = []
    for index in 0..<length * count {
      let (step, entry) = time == 0 ? (index / count, index % count) : (index % length, index / length)
      let from = step < lengths[entry] ? Int(lengths[entry]) - 1 - step : step
      places.append(Int64(time == 0 ? from * count + entry : entry * length + from))
    }
    let rest = shape.dropFirst(2).map { draft.extent($0) }
    let flat = try reshape(input, to: [Extent(length * count)] + rest)
    let turned = try tensor(
      .gather(axis: 0), flat, constant(KnownTensor(integers: places, shape: [places.count])))
    return [try reshape(turned, to: shape.map { draft.extent($0) })]
  }

  mutating func integer(_ number: Int64) -> ValueID {
    constant(KnownTensor(integers: [number], shape: []))
  }

  /// A value as whole numbers.
  mutating func whole(_ value: ValueID) throws(PackError) -> ValueID {
    draft.values[value].elementType == .int32 ? value : try tensor(.cast(.int32), value)
  }
}
