import SoniqCore
import SoniqGraph

extension KnownTensor.Elements {
  /// The elements at these places, in this order.
  func picked(_ places: [Int]) -> KnownTensor.Elements {
    switch self {
    case .floats(let list): .floats(places.map { list[$0] })
    case .integers(let list): .integers(places.map { list[$0] })
    case .sizes(let list): .sizes(places.map { list[$0] })
    }
  }
}

/// The elements of a shape, or nil when they are too many to compute with (dimensions of 0 not counted).
func knownCount(_ shape: [Int]) -> Int? {
  var count = 1
  for size in shape where size != 0 {
    guard let product = checkedProduct(count, size), product <= maximumKnownElements else { return nil }
    count = product
  }
  return shape.contains(0) ? 0 : count
}

/// Row-major steps of a shape.
func rowMajorSteps(_ shape: [Int]) -> [Int] {
  var steps = [Int](repeating: 1, count: shape.count)
  for axis in shape.indices.dropLast().reversed() { steps[axis] = steps[axis + 1] * shape[axis + 1] }
  return steps
}

/// The offsets base + sum of index * step, for all indices of a shape in row-major order.
func offsets(_ shape: [Int], steps: [Int], base: Int = 0) -> [Int] {
  if shape.contains(0) { return [] }
  var list = [base]
  for (size, step) in zip(shape, steps) {
    list = list.flatMap { start in (0..<size).map { start + $0 * step } }
  }
  return list
}

extension KnownTensor {
  func transposed(_ permutation: [Int]) -> KnownTensor {
    let steps = rowMajorSteps(shape)
    let target = permutation.map { shape[$0] }
    var result = KnownTensor(
      shape: target, type: type,
      elements: elements.picked(offsets(target, steps: permutation.map { steps[$0] })), grid: grid)
    if let axis = grid?.axis { result.grid?.axis = permutation.firstIndex(of: axis) }
    result.blocks = blocks?.transposed(permutation, shape: shape)
    return result
  }

  /// * target: of as many elements.
  func reshaped(_ target: [Int]) -> KnownTensor {
    var result = KnownTensor(shape: target, type: type, elements: elements, grid: grid)
    // A scale for each index of an axis survives where the axis does.
    if let axis = grid?.axis {
      let before = shape[..<axis].reduce(1, *)
      result.grid?.axis = target.indices.first {
        target[$0] == shape[axis] && target[..<$0].reduce(1, *) == before
      }
      if result.grid?.axis == nil { result.grid = nil }
    }
    return result
  }

  /// Broadcast as in numpy; nil when the shapes do not fit.
  func expanded(_ target: [Int]) -> KnownTensor? {
    guard let steps = Self.broadcastSteps(shape, to: target) else { return nil }
    return KnownTensor(shape: target, type: type, elements: elements.picked(offsets(target, steps: steps)))
  }

  static func broadcastSteps(_ shape: [Int], to target: [Int]) -> [Int]? {
    guard shape.count <= target.count else { return nil }
    let lead = target.count - shape.count
    var steps = [Int](repeating: 0, count: target.count)
    for (axis, step) in rowMajorSteps(shape).enumerated() where shape[axis] != 1 {
      guard shape[axis] == target[lead + axis] else { return nil }
      steps[lead + axis] = step
    }
    return steps
  }

  /// The shape in which two shapes meet.
  static func broadcast(_ left: [Int], _ right: [Int]) -> [Int]? {
    var shape = left.count >= right.count ? left : right
    let other = left.count >= right.count ? right : left
    for (position, size) in other.enumerated() where size != 1 {
      let place = shape.count - other.count + position
      guard shape[place] == 1 || shape[place] == size else { return nil }
      shape[place] = size
    }
    return shape
  }

  /// * ranges: of fixed sizes.
  func sliced(_ ranges: [SliceRange]) -> KnownTensor {
    let steps = rowMajorSteps(shape)
    let target = zip(shape, ranges).map { $1.count?.fixedSize ?? $0 }
    let base = zip(ranges, steps).reduce(0) { $0 + $1.0.begin * $1.1 }
    let places = offsets(target, steps: zip(steps, ranges).map { $0 * $1.step }, base: base)
    return KnownTensor(shape: target, type: type, elements: elements.picked(places))
  }

  /// nil when an index is out of range.
  func gathered(_ indices: KnownTensor, axis: Int) -> KnownTensor? {
    guard let list = indices.integers else { return nil }
    let size = shape[axis]
    var rows: [Int] = []
    for index in list {
      guard index >= -Int64(size), index < Int64(size) else { return nil }
      rows.append(Int(index < 0 ? index + Int64(size) : index))
    }
    guard knownCount(shape[..<axis] + indices.shape + shape[(axis + 1)...]) != nil else { return nil }
    let outer = shape[..<axis].reduce(1, *)
    let inner = shape[(axis + 1)...].reduce(1, *)
    var places: [Int] = []
    places.reserveCapacity(outer * rows.count * inner)
    for block in 0..<outer {
      for row in rows {
        let start = (block * size + row) * inner
        places.append(contentsOf: start..<start + inner)
      }
    }
    return KnownTensor(
      shape: Array(shape[..<axis]) + indices.shape + Array(shape[(axis + 1)...]), type: type,
      elements: elements.picked(places))
  }

  /// Of one type; nil when some are floats and some are not.
  static func concatenated(_ tensors: [KnownTensor], axis: Int) -> KnownTensor? {
    guard let first = tensors.first, tensors.allSatisfy({ $0.isFloat == first.isFloat }) else { return nil }
    var shape = first.shape
    shape[axis] = tensors.reduce(0) { $0 + $1.shape[axis] }
    let outer = shape.contains(0) ? 0 : first.shape[..<axis].reduce(1, *)
    func joined<Element>(_ lists: [[Element]]) -> [Element] {
      (0..<outer).flatMap { block in
        lists.flatMap { list in
          let length = list.count / max(outer, 1)
          return Array(list[block * length..<(block + 1) * length])
        }
      }
    }
    let elements: Elements
    if first.isFloat {
      elements = .floats(joined(tensors.compactMap(\.floats)))
    } else if tensors.allSatisfy({ $0.integers != nil }) {
      elements = .integers(joined(tensors.compactMap(\.integers)))
    } else {
      elements = .sizes(joined(tensors.compactMap(\.extents)))
    }
    return KnownTensor(shape: shape, type: first.type, elements: elements).simplified
  }

  /// Sizes none of which is dynamic are integers.
  var simplified: KnownTensor {
    guard case .sizes(let list) = elements else { return self }
    let fixed = list.compactMap(\.fixed)
    guard fixed.count == list.count else { return self }
    return KnownTensor(shape: shape, type: type, elements: .integers(fixed.map { Int64($0) }))
  }
}
