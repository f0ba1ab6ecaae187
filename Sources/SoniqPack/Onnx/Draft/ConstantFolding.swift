import Glibc
import SoniqGraph

extension DraftGraph {
  /// What a tensor operation makes of known tensors; nil where the importer does not compute it.
  /// - Throws: `data` when shapes or indices do not fit.
  mutating func folded(
    _ operation: Operation, _ tensors: [KnownTensor], name: String
  ) throws(PackError) -> KnownTensor? {
    func misfit() -> PackError {
      let shapes = tensors.map { "\($0.shape)" }.joined(separator: ", ")
      return PackError(.data, place: "node \(name)", "its constants of shape \(shapes) do not fit together")
    }
    guard let first = tensors.first, first.count <= maximumKnownElements else { return nil }
    switch operation {
    case .transpose(let transpose):
      guard transpose.permutation.count == first.shape.count else { throw misfit() }
      return first.transposed(transpose.permutation)
    case .expand(let expand):
      guard let target = fixed(expand.shape), knownCount(target) != nil else { return nil }
      guard let result = first.expanded(target) else { throw misfit() }
      return result
    case .concatenate(let concatenate):
      let axis = concatenate.axis
      guard tensors.allSatisfy({ $0.shape.count == first.shape.count }), first.shape.indices.contains(axis)
      else {
        throw misfit()
      }
      for tensor in tensors {
        for place in first.shape.indices where place != axis && tensor.shape[place] != first.shape[place] {
          throw misfit()
        }
      }
      return KnownTensor.concatenated(tensors, axis: axis)
    case .slice(let slice):
      guard slice.ranges.count == first.shape.count else { throw misfit() }
      guard !slice.ranges.contains(where: { $0.isDynamic(in: .fixed(1)) }) else { return nil }
      return first.sliced(slice.ranges)
    case .gather(let gather):
      let axis = gather.axis
      guard first.shape.indices.contains(axis), let result = first.gathered(tensors[1], axis: axis) else {
        throw misfit()
      }
      return result
    case .scatter(let scatter): return first.scattered(tensors[1], tensors[2], scatter)
    case .unary(let unary): return first.applying(unary)
    case .cast(let cast): return first.cast(cast.elementType)
    case .binary(let binary):
      guard let shape = KnownTensor.broadcast(first.shape, tensors[1].shape) else { throw misfit() }
      return try combined(first, tensors[1], binary.function, shape: shape, name: name)
    case .select:
      return selected(tensors)
    case .reduce(let reduce):
      return first.reduced(reduce.function, reduce.axes, keeps: reduce.keepsDimensions)
    default: return nil
    }
  }

  private func fixed(_ dimensions: [Dimension]) -> [Int]? {
    var sizes: [Int] = []
    for dimension in dimensions {
      guard case .fixed(let size) = dimension else { return nil }
      sizes.append(size)
    }
    return sizes
  }

  private func selected(_ tensors: [KnownTensor]) -> KnownTensor? {
    guard let condition = tensors[0].integers,
      let choices = KnownTensor.broadcast(tensors[1].shape, tensors[2].shape),
      let shape = KnownTensor.broadcast(tensors[0].shape, choices),
      knownCount(shape) != nil, let steps = KnownTensor.broadcastSteps(tensors[0].shape, to: shape),
      let yes = tensors[1].expanded(shape), let no = tensors[2].expanded(shape)
    else { return nil }
    let places = offsets(shape, steps: steps)
    func chosen<Element>(_ yes: [Element], _ no: [Element]) -> [Element] {
      places.indices.map { condition[places[$0]] != 0 ? yes[$0] : no[$0] }
    }
    if let yes = yes.floats, let no = no.floats {
      return KnownTensor(floats: chosen(yes, no), shape: shape)
    }
    guard let first = yes.extents, let second = no.extents else { return nil }
    return KnownTensor(shape: shape, type: yes.type, elements: .sizes(chosen(first, second))).simplified
  }
}

extension KnownTensor {
  func applying(_ unary: Unary) -> KnownTensor? {
    guard let function = unary.function else {
      guard let integers else { return nil }
      return KnownTensor(shape: shape, type: .bool, elements: .integers(integers.map { $0 == 0 ? 1 : 0 }))
    }
    guard let floats else { return nil }
    let value = function.value
    return KnownTensor(floats: floats.map { Float(value(Double($0))) }, shape: shape)
  }

  func cast(_ target: ElementType) -> KnownTensor? {
    switch (target, elements) {
    case (.float32, .floats), (.int32, .integers), (.int32, .sizes): return self
    case (.float32, .integers(let list)): return KnownTensor(floats: list.map { Float($0) }, shape: shape)
    case (.int32, .floats(let list)):
      let integers = list.map { number -> Int64 in
        if number.isNaN { return 0 }
        return Int64(max(-9.2e18, min(9.2e18, number)).rounded(.towardZero))
      }
      return KnownTensor(integers: integers, shape: shape)
    // Narrow constants are cast where they are used.
    case (.float32, .sizes), (.float16, _), (.int8, _), (.uint8, _): return nil
    }
  }

  /// Sums and the like over axes, in double.
  func reduced(_ function: ReduceFunction, _ axes: [Int], keeps: Bool) -> KnownTensor? {
    let kept = shape.indices.filter { !axes.contains($0) }
    let steps = rowMajorSteps(shape)
    let starts = offsets(kept.map { shape[$0] }, steps: kept.map { steps[$0] })
    let inner = offsets(axes.map { shape[$0] }, steps: axes.map { steps[$0] })
    let target = shape.indices.compactMap { axes.contains($0) ? (keeps ? 1 : nil) : shape[$0] }
    if let floats {
      let combine: ([Double]) -> Double
      switch function {
      case .sum: combine = { $0.reduce(0, +) }
      case .mean: combine = { $0.reduce(0, +) / Double($0.count) }
      case .product: combine = { $0.reduce(1, *) }
      case .maximum: combine = { $0.max() ?? 0 }
      case .minimum: combine = { $0.min() ?? 0 }
      case .sumOfSquares: combine = { $0.reduce(0) { $0 + $1 * $1 } }
      case .l2: combine = { $0.reduce(0) { $0 + $1 * $1 }.squareRoot() }
      case .l1: combine = { $0.reduce(0) { $0 + abs($1) } }
      }
      let results = starts.map { start in Float(combine(inner.map { Double(floats[start + $0]) })) }
      return KnownTensor(floats: results, shape: target)
    }
    guard let extents else { return nil }
    var results: [Extent] = []
    for start in starts {
      var result: Extent? = function == .product ? Extent(1) : nil
      for step in inner {
        let next = extents[start + step]
        guard let soFar = result else {
          result = next
          continue
        }
        switch function {
        case .product: result = soFar.times(next)
        case .sum: result = SizeArithmetic.combine(.add, soFar, next)
        case .maximum: result = SizeArithmetic.combine(.maximum, soFar, next)
        case .minimum: result = SizeArithmetic.combine(.minimum, soFar, next)
        default: return nil
        }
        if result == nil { return nil }
      }
      guard let result else { return nil }
      results.append(result)
    }
    return KnownTensor(shape: target, type: type, elements: .sizes(results)).simplified
  }
}
