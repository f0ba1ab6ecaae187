import SoniqGraph

/// What the attributes of a Resize say.
struct ResizeForm {
  var method = ResizeMethod.nearest
  /// nil for tf_crop_and_resize.
  var coordinates: ResizeCoordinates?
  var rounding = NearestRounding.roundPreferFloor
  /// Smaller images are means of all pixels that a new one covers.
  var isAntialiased = false
  /// What lies outside of the image has no weight, where else its edge goes on.
  var excludesOutside = false
  /// Of the cubic function.
  var coefficient: Float = -0.75
  /// What tf_crop_and_resize has outside of the image.
  var outside: Float = 0

  init(_ conversion: OnnxConversion) throws(PackError) {
    let (node, opset) = (conversion.node, conversion.opset)
    let methods: [String: ResizeMethod] = ["nearest": .nearest, "linear": .linear, "cubic": .cubic]
    let places: [String: ResizeCoordinates] = [
      "half_pixel": .halfPixel, "pytorch_half_pixel": .pytorchHalfPixel, "align_corners": .alignCorners,
      "asymmetric": .asymmetric, "half_pixel_symmetric": .halfPixelSymmetric,
      // Of opset 10 in name only.
      "tf_half_pixel_for_nn": .halfPixel,
    ]
    let roundings: [String: NearestRounding] = [
      "round_prefer_floor": .roundPreferFloor, "round_prefer_ceil": .roundPreferCeiling, "floor": .floor,
      "ceil": .ceiling,
    ]
    let mode = node.text("mode") ?? "nearest"
    // Before opset 11 there was one way.
    let place = node.text("coordinate_transformation_mode") ?? (opset < 11 ? "asymmetric" : "half_pixel")
    let nearest = node.text("nearest_mode") ?? (opset < 11 ? "floor" : "round_prefer_floor")
    // Upsample's name of the time.
    guard let method = methods[mode == "bilinear" ? "linear" : mode] else {
      throw conversion.fault("mode \(mode)")
    }
    guard
      let coordinates = places[place].map(Optional.some) ?? (place == "tf_crop_and_resize" ? .some(nil) : nil)
    else { throw conversion.fault("coordinates \(place)") }
    guard let rounding = roundings[nearest] else { throw conversion.fault("nearest_mode \(nearest)") }
    (self.method, self.coordinates, self.rounding) = (method, coordinates, rounding)
    isAntialiased = method != .nearest && node.flag("antialias")
    excludesOutside = method != .nearest && node.flag("exclude_outside")
    coefficient = node.real("cubic_coeff_a", default: -0.75)
    outside = node.real("extrapolation_value", default: 0)
    guard coefficient.isFinite, outside.isFinite else { throw conversion.fault("its numbers are not finite") }
  }

  /// Whether the runtime's own operation does it.
  var isPlain: Bool {
    coordinates != nil && !isAntialiased && !excludesOutside && (method != .cubic || coefficient == -0.75)
  }
}

/// One dimension of what is resized.
struct ResizedSide {
  var source: Dimension
  var size: Dimension
  /// size / source, or what the model states; 0 stands for the quotient of each run.
  var scale: Float = 1
  /// The part of the source that tf_crop_and_resize takes, from 0 to 1.
  var crop: (begin: Float, end: Float) = (0, 1)

  init(_ source: Dimension) { (self.source, size) = (source, source) }

  var isChanged: Bool { size != source || scale != 1 || crop != (0, 1) }
}

extension ResizeForm {
  /// Where the centre of an output's element lies in the source; nil where tf_crop_and_resize has nothing.
  func place(of index: Int, _ side: ResizedSide, source: Int, size: Int) -> Double? {
    let (scale, place) = (Self.scale(side, source: source, size: size), Double(index))
    switch coordinates {
    case .alignCorners: return size == 1 ? 0 : place * Double(source - 1) / Double(size - 1)
    case .asymmetric: return place / scale
    case .halfPixel: return (place + 0.5) / scale - 0.5
    case .pytorchHalfPixel: return size == 1 ? -0.5 : (place + 0.5) / scale - 0.5
    case .halfPixelSymmetric:
      let shift = Double(source) / 2 * (1 - Double(size) / (scale * Double(source)))
      return shift + (place + 0.5) / scale - 0.5
    case nil:
      let (begin, end) = (Double(side.crop.begin), Double(side.crop.end))
      let last = Double(source - 1)
      let moved =
        size == 1 ? (begin + end) * last / 2 : (begin + place * (end - begin) / Double(size - 1)) * last
      return moved >= 0 && moved <= last ? moved : nil
    }
  }

  private static func scale(_ side: ResizedSide, source: Int, size: Int) -> Double {
    let quotient = Double(size) / Double(source)
    return Float(quotient) == side.scale || side.scale == 0 ? quotient : Double(side.scale)
  }

  /// The element that is nearest to a place.
  func nearest(_ place: Double, source: Int) -> Int {
    let below = place.rounded(.down)
    let rest = place - below
    let isUp =
      switch rounding {
      case .floor: false
      case .ceiling: rest > 0
      case .roundPreferFloor: rest > 0.5
      case .roundPreferCeiling: rest >= 0.5
      }
    return min(max(Int(below) + (isUp ? 1 : 0), 0), source - 1)
  }

  /// The weights of a source's elements in the output's element at a place, which add up to 1.
  func weights(_ place: Double, _ side: ResizedSide, source: Int, size: Int) -> [Float] {
    let narrowing = isAntialiased ? min(Self.scale(side, source: source, size: size), 1) : 1
    let reach = (method == .cubic ? 2 : 1) / narrowing
    var weights = [Double](repeating: 0, count: source)
    var sum = 0.0
    for index in Int((place - reach).rounded(.down))...Int((place + reach).rounded(.up)) {
      let isInside = (0..<source).contains(index)
      if excludesOutside, !isInside { continue }
      let weight = kernel((Double(index) - place) * narrowing)
      weights[min(max(index, 0), source - 1)] += weight
      sum += weight
    }
    // Nothing of it is inside: the edge is.
    if sum == 0 {
      weights[min(max(Int(place.rounded()), 0), source - 1)] = 1
      sum = 1
    }
    return weights.map { Float($0 / sum) }
  }

  private func kernel(_ distance: Double) -> Double {
    let x = abs(distance)
    guard method == .cubic else { return max(0, 1 - x) }
    let a = Double(coefficient)
    if x <= 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0
  }
}
