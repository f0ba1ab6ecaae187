import SoniqCore
import SoniqGraph

/// What the runtime's own operation does not do of resizing: one axis after the other, by rows that are chosen or by a
/// product with a matrix of weights. The sizes are fixed.
extension OnnxConversion {
  mutating func resizedByAxis(
    _ image: ValueID, _ sides: [ResizedSide], _ form: ResizeForm
  ) throws(PackError) -> ValueID {
    var result = image
    var isInside: ValueID?
    for (axis, side) in sides.enumerated() where side.isChanged {
      guard case .fixed(let source) = side.source, case .fixed(let size) = side.size else {
        throw fault(
          "axis \(axis) of a dynamic size, \(draft.words([side.source])) to \(draft.words([side.size])), resized with "
            + "antialias, exclude_outside, a cubic_coeff_a, tf_crop_and_resize or of no image; fix it with --shape"
        )
      }
      guard (1...maximumDimension).contains(size), (1...maximumDimension).contains(source),
        let count = checkedProduct(source, size), count <= maximumKnownElements
      else { throw fault("axis \(axis) resized from \(source) to \(size)") }
      let places = (0..<size).map { form.place(of: $0, side, source: source, size: size) }
      if places.contains(nil) {
        let numbers = places.map { Int64($0 == nil ? 0 : 1) }
        let shape = [size] + [Int](repeating: 1, count: sides.count - axis - 1)
        let own = constant(KnownTensor(shape: shape, type: .bool, elements: .integers(numbers)))
        isInside = try isInside.map { other throws(PackError) in try binary(.and, other, own) } ?? own
      }
      if form.method == .nearest {
        let rows = places.map { Int64(form.nearest($0 ?? 0, source: source)) }
        if rows == (0..<Int64(source)).map({ $0 }) { continue }
        result = try tensor(
          .gather(axis: axis), result, constant(KnownTensor(integers: rows, shape: [size])))
      } else {
        let weights = places.flatMap { form.weights($0 ?? 0, side, source: source, size: size) }
        let isSame =
          source == size && weights.indices.allSatisfy { weights[$0] == ($0 / size == $0 % size ? 1 : 0) }
        if isSame { continue }
        result = try weighted(result, axis: axis, KnownTensor(floats: weights, shape: [size, source]))
      }
    }
    guard let isInside else { return result }
    return try tensor(.select, isInside, result, scalar(form.outside))
  }

  /// Each line along an axis times a matrix [new, old].
  private mutating func weighted(
    _ value: ValueID, axis: Int, _ matrix: KnownTensor
  ) throws(PackError) -> ValueID {
    var shape = draft.shape(value).map { draft.extent($0) }
    let weights = constant(matrix)
    if axis == shape.count - 1 {
      let lines = shape.count == 1 ? try reshape(value, to: [Extent(1)] + shape) : value
      let product = try tensor(.matmul(transposesRight: true), lines, weights)
      shape[axis] = Extent(matrix.shape[0])
      return try reshape(product, to: shape)
    }
    guard let before = draft.product(draft.shape(value)[..<axis]),
      let behind = draft.product(draft.shape(value)[(axis + 1)...])
    else { throw fault("the size is too large") }
    let planes = try reshape(value, to: [before, shape[axis], behind])
    let product = try tensor(.matmul(transposesRight: false), weights, planes)
    shape[axis] = Extent(matrix.shape[0])
    return try reshape(product, to: shape)
  }
}
