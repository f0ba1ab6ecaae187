import SoniqGraph

/// Tensors of no elements: a finished graph has none. They are dropped from concatenations, and what is computed
/// of them alone is empty again.
extension DraftGraph {
  /// A tensor operation of which an input has no elements.
  mutating func tensorOfEmpty(
    _ operation: Operation, _ inputs: [ValueID], name: String
  ) throws(PackError) -> ValueID {
    if case .concatenate(let concatenate) = operation {
      return try joined(inputs, axis: concatenate.axis, name: name)
    }
    let result = try resultOfEmpty(operation, inputs, name: name)
    guard result.shape.contains(.fixed(0)) else {
      throw PackError(.data, place: "node \(name)", "one of its inputs has no elements")
    }
    return append(name, .empty, [], result.shape, type: result.elementType)
  }

  private mutating func resultOfEmpty(
    _ operation: Operation, _ inputs: [ValueID], name: String
  ) throws(PackError) -> (elementType: ElementType, shape: [Dimension]) {
    let type = values[inputs[0]].elementType
    switch operation {
    case .reshape(let reshape): return (type, reshape.shape)
    case .slice(let slice):
      return (
        type,
        zip(slice.ranges, shape(inputs[0])).map { range, size in range.count ?? size }
      )
    // Results made of no element are neutral ones, which no operation of a graph makes.
    case .reduce, .argument: return (type, [])
    default:
      let inferred = try infer(operation, inputs, name: name)
      return (inferred.elementType, inferred.shape)
    }
  }

  /// The parts that have elements, one after the other.
  private mutating func joined(
    _ parts: [ValueID], axis: Int, name: String
  ) throws(PackError) -> ValueID {
    let kept = parts.filter { !isEmpty($0) }
    if kept.count == 1 { return kept[0] }
    if !kept.isEmpty { return try tensor(.concatenate(axis: axis), kept, name: name) }
    guard var shape = parts.first.map({ shape($0) }), shape.indices.contains(axis) else {
      throw PackError(.data, place: "node \(name)", "axis \(axis) of a tensor of no elements")
    }
    var total = Extent(0)
    for part in parts where self.shape(part).indices.contains(axis) {
      let size = extent(self.shape(part)[axis])
      guard let sum = SizeArithmetic.combine(.add, total, size) else {
        throw PackError(.data, place: "node \(name)", "it joins tensors of no elements along a dynamic size")
      }
      total = sum
    }
    shape[axis] = try dimension(total)
    return append(name, .empty, [], shape, type: values[parts[0]].elementType)
  }
}
