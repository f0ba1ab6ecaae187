import SoniqGraph

extension OnnxConversion {
  mutating func resize() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let rank = draft.rank(input)
    let (method, coordinates, rounding) = try resizeForm()
    let (image, height, width, _) = try channelsLast(input)
    var axes = Array(0..<rank)
    if let list = node.integers("axes") {
      axes = try list.map { axis throws(PackError) in try self.axis(axis, rank: rank) }
    }
    let source = rank == 4 ? [.fixed(0), .fixed(0), height, width] : [.fixed(0), .fixed(0), width]
    var sides = source.map { (size: $0, scale: Float(1)) }
    if opset >= 11, let known = try knownInput(3, "sizes"), known.count > 0 {
      guard let list = known.extents, list.count == axes.count else { throw fault("its sizes are not known") }
      for (axis, extent) in zip(axes, list) {
        if axis >= 2 {
          sides[axis] = try side(extent, source[axis])
        } else if extent != draft.extent(draft.shape(input)[axis]) {
          throw fault("it resizes axis \(axis)")
        }
      }
    } else {
      guard let list = try resizeScales(), list.count == axes.count else {
        throw fault("its scales are not known")
      }
      for (axis, scale) in zip(axes, list) {
        guard scale > 0, scale <= 4096, axis >= 2 || scale == 1 else { throw fault("scales \(list)") }
        if axis >= 2 { sides[axis] = (try scaled(source[axis], by: scale), scale) }
      }
    }
    let rows = rank == 3 ? (size: .fixed(1), scale: 1) : sides[2]
    let columns = sides[rank - 1]
    let result = try tensor(
      .resize(
        method, coordinates, rounding, height: rows.size, width: columns.size, scaleHeight: rows.scale,
        scaleWidth: columns.scale), image)
    return [try channelsFirst(result, spatial: rank - 2)]
  }

  /// An attribute of Upsample before opset 9, the second input before opset 11.
  private mutating func resizeScales() throws(PackError) -> [Float]? {
    if let list = node.reals("scales") { return list }
    return try knownInput(opset < 11 ? 1 : 2, "scales")?.floats
  }

  /// A size and its quotient to another; 0 stands for that of each run.
  private mutating func side(_ extent: Extent, _ source: Dimension) throws(PackError) -> (Dimension, Float) {
    let size = try draft.dimension(extent)
    guard (1...maximumImageSide).contains(draft.maximum(size) ?? .max) else {
      throw fault("a size of its output")
    }
    if size == source { return (size, 1) }
    guard case .fixed(let target) = size, case .fixed(let old) = source else { return (size, 0) }
    return (size, Float(target) / Float(old))
  }

  /// size * scale, rounded down. Of a dynamic size the scale must be a fraction of small numbers, as all are that
  /// people use: what rounding makes of another is no quotient of whole numbers.
  private mutating func scaled(_ size: Dimension, by scale: Float) throws(PackError) -> Dimension {
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

  /// The attributes, of which only those are taken that the operation has.
  private func resizeForm() throws(PackError) -> (ResizeMethod, ResizeCoordinates, NearestRounding) {
    let methods: [String: ResizeMethod] = ["nearest": .nearest, "linear": .linear, "cubic": .cubic]
    let places: [String: ResizeCoordinates] = [
      "half_pixel": .halfPixel, "pytorch_half_pixel": .pytorchHalfPixel, "align_corners": .alignCorners,
      "asymmetric": .asymmetric, "half_pixel_symmetric": .halfPixelSymmetric,
    ]
    let roundings: [String: NearestRounding] = [
      "round_prefer_floor": .roundPreferFloor, "round_prefer_ceil": .roundPreferCeiling, "floor": .floor,
      "ceil": .ceiling,
    ]
    let mode = node.text("mode") ?? "nearest"
    // Before opset 11 there was one way.
    let place = node.text("coordinate_transformation_mode") ?? (opset < 11 ? "asymmetric" : "half_pixel")
    let rounding = node.text("nearest_mode") ?? (opset < 11 ? "floor" : "round_prefer_floor")
    guard let method = methods[mode] else { throw fault("mode \(mode)") }
    guard let coordinates = places[place] else { throw fault("coordinates \(place)") }
    guard let nearest = roundings[rounding] else { throw fault("nearest_mode \(rounding)") }
    guard !node.flag("antialias") else { throw fault("antialias") }
    guard !node.flag("exclude_outside") else { throw fault("exclude_outside") }
    guard node.text("keep_aspect_ratio_policy") ?? "stretch" == "stretch" else {
      throw fault("keep_aspect_ratio_policy")
    }
    guard method != .cubic || node.real("cubic_coeff_a", default: -0.75) == -0.75 else {
      throw fault("cubic_coeff_a")
    }
    return (method, coordinates, nearest)
  }
}
