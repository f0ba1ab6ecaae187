import SoniqGraph

extension OnnxConversion {
  /// SAME with a stride of 2 puts one row less before an axis of even size than of odd size, for kernels of 3 and the like.
  /// Where the size is dynamic, the image gets the larger margin, and loses its first row in runs of even size.
  ///
  /// * image: [batch, height, width, channels].
  /// * fill: what the margin holds.
  /// - Returns: the image, its height and width, and windows for it.
  mutating func withSameMargins(
    _ image: ValueID, _ attributes: WindowAttributes, fill: Float
  ) throws(PackError) -> (image: ValueID, height: Dimension, width: Dimension, attributes: WindowAttributes) {
    var (result, attributes) = (image, attributes)
    for axis in 0..<attributes.spatial where attributes.automatic.hasPrefix("SAME") {
      let place = attributes.spatial == 2 ? axis + 1 : 2
      let dimension = draft.shape(result)[place]
      let margins = attributes.sameMargins(axis)
      guard dimension.isDynamic, margins.least != margins.most, attributes.strides[axis] == 2 else {
        continue
      }
      result = try margin(result, axis: place, dimension, margins.most, fill)
      attributes = attributes.withoutMargin(before: axis)
    }
    let shape = draft.shape(result)
    return (result, shape[1], shape[2], attributes)
  }

  private mutating func margin(
    _ image: ValueID, axis: Int, _ dimension: Dimension, _ most: Int, _ fill: Float
  ) throws(PackError) -> ValueID {
    var before = [Int](repeating: 0, count: 4)
    before[axis] = most
    let padded = try tensor(.pad(.constant, before: before, after: [0, 0, 0, 0], value: fill), image)
    let size = draft.extent(dimension)
    // 1 - size % 2.
    guard let half = try draft.combine(.divide, size, Extent(2))?.times(Extent(2)),
      let begin = half.minus(size)?.plus(Extent(1))
    else { throw fault("auto_pad over the dynamic size \(draft.words([dimension])); fix it with --shape") }
    let whole = draft.shape(padded)[axis]
    return try slice(
      padded, axis: axis, whole, start: begin, end: draft.extent(whole), step: 1, isWithin: true)
  }
}
