import SoniqGraph

extension OnnxConversion {
  mutating func resize() throws(PackError) -> [ValueID] {
    let given = try input(0)
    let form = try ResizeForm(self)
    let isWhole = draft.values[given].elementType == .int32
    guard !isWhole || form.method == .nearest else { throw fault("whole numbers in mode \(form.method)") }
    let image = try real(given)
    let sides = try resizedSides(draft.shape(image), form)
    let result = try resized(image, sides, form)
    return [isWhole ? try tensor(.cast(.int32), result) : result]
  }

  private mutating func resized(
    _ image: ValueID, _ sides: [ResizedSide], _ form: ResizeForm
  ) throws(PackError) -> ValueID {
    let rank = sides.count
    let changed = sides.indices.filter { sides[$0].isChanged }
    // No mean is taken where nothing becomes smaller.
    var plain = form
    if changed.allSatisfy({ sides[$0].scale >= 1 }) { plain.isAntialiased = false }
    guard plain.isPlain, let coordinates = plain.coordinates, let first = changed.first ?? Optional(rank - 1)
    else { return try resizedByAxis(image, sides, form) }
    if first >= 2, rank == 3 || rank == 4 {
      let (last, _, _, _) = try channelsLast(image)
      var rows = ResizedSide(.fixed(1))
      if rank == 4 { rows = sides[2] }
      let result = try resized(last, rows, sides[rank - 1], plain, coordinates)
      return try channelsFirst(result, spatial: rank - 2)
    }
    // Channels are last already.
    if rank == 4, changed.allSatisfy({ $0 == 1 || $0 == 2 }) {
      return try resized(image, sides[1], sides[2], plain, coordinates)
    }
    return try resizedByAxis(image, sides, form)
  }

  private mutating func resized(
    _ image: ValueID, _ rows: ResizedSide, _ columns: ResizedSide, _ form: ResizeForm,
    _ coordinates: ResizeCoordinates
  ) throws(PackError) -> ValueID {
    for side in [rows, columns] { try requireSide(side.size) }
    return try tensor(
      .resize(
        form.method, coordinates, form.rounding, height: rows.size, width: columns.size,
        scaleHeight: rows.scale, scaleWidth: columns.scale), image)
  }

  // MARK: Sizes

  private mutating func resizedSides(_ shape: [Dimension], _ form: ResizeForm) throws(PackError)
    -> [ResizedSide]
  {
    var axes = Array(shape.indices)
    if let list = node.integers("axes") {
      axes = try list.map { axis throws(PackError) in try self.axis(axis, rank: shape.count) }
      guard Set(axes).count == axes.count else { throw fault("an axis is named twice") }
    }
    var sides = shape.map { ResizedSide($0) }
    if opset >= 11, let known = try knownInput(3, "sizes"), known.count > 0 {
      guard let list = known.extents, list.count == axes.count else { throw fault("its sizes are not known") }
      if let policy = node.text("keep_aspect_ratio_policy"), policy != "stretch" {
        try keepAspectRatio(policy, &sides, axes, list)
      } else {
        for (axis, extent) in zip(axes, list) { try resize(&sides[axis], to: extent) }
      }
    } else {
      guard let list = try resizeScales(), list.count == axes.count else {
        throw fault("its scales are not known")
      }
      for (axis, scale) in zip(axes, list) {
        guard scale > 0, scale <= 4096 else { throw fault("scales \(list)") }
        sides[axis].size = try scaled(shape[axis], by: scale)
        sides[axis].scale = scale
      }
    }
    if form.coordinates == nil { try crop(&sides, axes) }
    return sides
  }

  /// The parts of the source that tf_crop_and_resize takes: all beginnings, then all ends.
  private mutating func crop(_ sides: inout [ResizedSide], _ axes: [Int]) throws(PackError) {
    guard let region = try knownInput(1, "roi")?.floats, region.count == 2 * axes.count,
      region.allSatisfy({ abs($0) <= 4096 })
    else { throw fault("its roi is not known") }
    for (place, axis) in axes.enumerated() { sides[axis].crop = (region[place], region[axes.count + place]) }
  }

  /// An attribute of Upsample before opset 9, the second input before opset 11.
  private mutating func resizeScales() throws(PackError) -> [Float]? {
    if let list = node.reals("scales") { return list }
    let index = opset < 11 ? 1 : 2
    guard let value = try optionalInput(index), draft.known(value) == nil,
      let quotients = try realSizes(value)
    else { return try knownInput(index, "scales")?.floats }
    // Of a size and another one that is a multiple of it.
    let numbers = quotients.fractions.compactMap { fraction in
      fraction.numerator.fixed.map { Float($0) / Float(fraction.divisor) }
    }
    guard numbers.count == quotients.fractions.count else {
      throw fault("its scales depend on what a dynamic size will be; fix it with --shape")
    }
    return numbers
  }

  /// The quotient of sizes is that of each run where one is dynamic.
  private mutating func resize(_ side: inout ResizedSide, to extent: Extent) throws(PackError) {
    let source = side.source
    if let size = extent.fixed, !(1...maximumDimension).contains(size) { throw fault("a size of \(size)") }
    side.size = try draft.dimension(extent)
    if side.size == source { return }
    side.scale = 0
    if case .fixed(let target) = side.size, case .fixed(let old) = source {
      side.scale = Float(target) / Float(old)
    }
  }

  /// One scale for all axes: the smallest or the largest that the sizes state.
  private func keepAspectRatio(
    _ policy: String, _ sides: inout [ResizedSide], _ axes: [Int], _ list: [Extent]
  ) throws(PackError) {
    guard policy == "not_larger" || policy == "not_smaller" else {
      throw fault("keep_aspect_ratio_policy \(policy)")
    }
    var scales: [Double] = []
    for (axis, extent) in zip(axes, list) {
      guard let size = extent.fixed, case .fixed(let source) = sides[axis].source, source > 0,
        (1...maximumDimension).contains(size)
      else {
        throw fault("keep_aspect_ratio_policy \(policy) of a dynamic size; fix it with --shape")
      }
      scales.append(Double(size) / Double(source))
    }
    guard let scale = policy == "not_larger" ? scales.min() : scales.max() else { return }
    for axis in axes {
      guard case .fixed(let source) = sides[axis].source else { continue }
      sides[axis].size = .fixed(Int((scale * Double(source) + 0.5).rounded(.down)))
      sides[axis].scale = Float(scale)
    }
  }

  /// size * scale, rounded down. Of a dynamic size the scale must be a fraction of small numbers, as all are that
  /// people use: what rounding makes of another is no quotient of whole numbers.
  private mutating func scaled(_ size: Dimension, by scale: Float) throws(PackError) -> Dimension {
    if scale == 1 { return size }
    if case .fixed(let size) = size { return .fixed(Int((Float(size) * scale).rounded(.down))) }
    for divisor in 1...64 {
      let factor = (scale * Float(divisor)).rounded()
      guard factor >= 1, Float(factor / Float(divisor)) == scale,
        let product = draft.extent(size).times(Extent(Int(factor)))
      else { continue }
      return try draft.dimension(SizeExpression(product.terms, divisor: divisor))
    }
    throw fault("the scale \(scale) of a dynamic size is no simple fraction; fix the size with --shape")
  }
}
