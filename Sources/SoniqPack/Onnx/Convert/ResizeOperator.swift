import SoniqCore
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
    var scales = [Float](repeating: 1, count: rank)
    var sizes = [Int](repeating: 0, count: rank)
    let source = rank == 4 ? [0, 0, height, width] : [0, 0, width]
    if let known = try knownInput(3, "sizes"), known.count > 0 {
      guard let list = known.extents, list.count == axes.count else { throw fault("its sizes are not known") }
      for (axis, extent) in zip(axes, list) {
        guard axis >= 2 else {
          guard extent == draft.extent(draft.shape(input)[axis]) else {
            throw fault("it resizes axis \(axis)")
          }
          continue
        }
        guard let size = extent.fixed, (1...maximumImageSide).contains(size) else {
          throw fault("a size of its output")
        }
        sizes[axis] = size
        scales[axis] = Float(size) / Float(source[axis])
      }
      for axis in 2..<rank where sizes[axis] == 0 { sizes[axis] = source[axis] }
    } else {
      guard let list = try knownInput(2, "scales")?.floats, list.count == axes.count else {
        throw fault("its scales are not known")
      }
      for (axis, scale) in zip(axes, list) { scales[axis] = scale }
      guard scales[0] == 1, scales[1] == 1, scales.allSatisfy({ $0 > 0 && $0 <= 4096 }) else {
        throw fault("scales \(scales)")
      }
      for axis in 2..<rank { sizes[axis] = Int((Float(source[axis]) * scales[axis]).rounded(.down)) }
    }
    let isSignal = rank == 3
    let result = try tensor(
      .resize(
        method, coordinates, rounding, height: .fixed(isSignal ? 1 : sizes[2]),
        width: .fixed(sizes[rank - 1]),
        scaleHeight: isSignal ? 1 : scales[2], scaleWidth: scales[rank - 1]), image)
    return [try channelsFirst(result, spatial: rank - 2)]
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
    let place = node.text("coordinate_transformation_mode") ?? "half_pixel"
    let rounding = node.text("nearest_mode") ?? "round_prefer_floor"
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
