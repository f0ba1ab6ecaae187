package import SoniqGraph

/// An image at places that are between its pixels. An item is a place, of all channels.
package struct SampleOperator: TensorOperator {
  package static var entry: TensorEntry { { SampleOperator.answer($0, $1) } }
  let method: ResizeMethod
  let padding: SamplePadding
  let coordinates: SampleCoordinates
  let image: Extents
  let grid: Extents

  private var spatial: Int { image.rank - 2 }
  private func channels(_ sizes: UnsafePointer<Int>) -> Int { image.size(image.rank - 1, sizes) }

  package func items(_ sizes: UnsafePointer<Int>) -> Int { grid.elements(0..<grid.rank - 1, sizes) }
  package func cost(_ sizes: UnsafePointer<Int>) -> Int {
    let taps =
      switch method {
      case .nearest: 1
      case .linear: 1 << spatial
      case .cubic: 1 << 2 * spatial
      }
    return taps &* channels(sizes)
  }

  /// Up to four neighbours in a direction and their weights; a place of -1 is no pixel.
  private struct Taps {
    var count = 1
    var places = SIMD4<Int>(repeating: -1)
    var weights = SIMD4<Float>(1, 0, 0, 0)
  }

  package func run(_ frame: OperatorFrame, _ range: Range<Int>) {
    let sizes = frame.sizes
    let channels = channels(sizes)
    let pixels = image.elements(1..<image.rank - 1, sizes)
    let places = grid.elements(1..<grid.rank - 1, sizes)
    for item in range {
      let source = frame.floats(0) + item / places &* pixels &* channels
      let place = frame.floats(1) + item &* spatial
      // Directions that the image has not have one tap, the pixel 0.
      var taps = InlineArray<3, Taps>(repeating: Taps(count: 1, places: .zero))
      var lengths = InlineArray<3, Int>(repeating: 1)
      for direction in 0..<spatial {
        let own = 3 - spatial + direction
        lengths[own] = image.size(1 + direction, sizes)
        taps[own] = self.taps(place[spatial - 1 - direction], lengths[own])
      }
      let target = frame.output + item &* channels
      if method == .nearest, let pixel = Self.pixel(taps, lengths, 0, 0, 0) {
        target.update(from: source + pixel &* channels, count: channels)
        continue
      }
      fillRun(target, 0, channels)
      for depth in 0..<taps[0].count {
        for row in 0..<taps[1].count {
          for column in 0..<taps[2].count {
            guard let pixel = Self.pixel(taps, lengths, depth, row, column) else { continue }
            let weight = taps[0].weights[depth] * taps[1].weights[row] * taps[2].weights[column]
            addScaledRun(target, source + pixel &* channels, weight, channels)
          }
        }
      }
    }
  }

  private static func pixel(
    _ taps: InlineArray<3, Taps>, _ lengths: InlineArray<3, Int>, _ depth: Int, _ row: Int, _ column: Int
  ) -> Int? {
    let (z, y, x) = (taps[0].places[depth], taps[1].places[row], taps[2].places[column])
    guard z >= 0, y >= 0, x >= 0 else { return nil }
    return (z &* lengths[1] &+ y) &* lengths[2] &+ x
  }

  private func taps(_ place: Float, _ length: Int) -> Taps {
    let x = position(place, length)
    var taps = Taps()
    switch method {
    case .nearest: taps.places[0] = pixel(Int(x.rounded(.toNearestOrEven)), length)
    case .linear:
      let low = x.rounded(.down)
      taps.count = 2
      taps.weights = SIMD4(1 - (x - low), x - low, 0, 0)
      for tap in 0..<2 { taps.places[tap] = pixel(Int(low) + tap, length) }
    case .cubic:
      let low = x.rounded(.down)
      taps.count = 4
      for tap in 0..<4 {
        taps.places[tap] = pixel(Int(low) + tap - 1, length)
        taps.weights[tap] = Float(cubicWeight(Double(x - low) - Double(tap - 1)))
      }
    }
    return taps
  }

  /// A number of the grid as a pixel, moved to the image where the padding does that.
  private func position(_ place: Float, _ length: Int) -> Float {
    let size = Float(length)
    var x =
      switch coordinates {
      case .edges: ((place + 1) * size - 1) / 2
      case .centres: (place + 1) / 2 * (size - 1)
      case .pixels: place
      }
    // Far enough outside for every image, and a whole number of 64 bits; the comparison also catches NaN.
    let most: Float = 0x1p32
    x = x > -most ? min(x, most) : -most
    switch padding {
    case .zeros: return x
    // The taps of a cubic one are moved each for itself.
    case .border: return method == .cubic ? x : min(max(x, 0), size - 1)
    case .reflection: return reflected(x, length)
    }
  }

  /// Between the edges at which the image is mirrored.
  private func reflected(_ x: Float, _ length: Int) -> Float {
    let low: Float = coordinates == .edges ? -0.5 : 0
    let high = Float(length) - (coordinates == .edges ? 0.5 : 1)
    if x >= low && x <= high { return x }
    let range = high - low
    guard range > 0 else { return low }
    let beyond = x < low ? low - x : x - high
    let turns = (beyond / range).rounded(.towardZero)
    let rest = min(max(beyond - turns * range, 0), range)
    let isEven = turns.truncatingRemainder(dividingBy: 2) == 0
    return (x < low) == isEven ? low + rest : high - rest
  }

  /// A pixel of the image for one that may be beyond it; -1 for none.
  private func pixel(_ index: Int, _ length: Int) -> Int {
    if index >= 0, index < length { return index }
    switch padding {
    case .zeros: return -1
    case .border: return min(max(index, 0), length - 1)
    case .reflection:
      return min(max(Int(reflected(Float(index), length).rounded(.toNearestOrEven)), 0), length - 1)
    }
  }
}

/// Keys' kernel with a = -0.75.
func cubicWeight(_ distance: Double) -> Double {
  let x = distance.magnitude
  let a = -0.75
  if x <= 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0
}

extension Sample: TensorOperation {
  package func work(_ node: TensorNode, _ kernels: OperatorKernels) -> any TensorOperator {
    SampleOperator(
      method: method, padding: padding, coordinates: coordinates, image: node.extents(0),
      grid: node.extents(1))
  }
}
