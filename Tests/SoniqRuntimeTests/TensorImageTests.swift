import Glibc
import SoniqGraph
import SoniqRuntime
import SoniqTestSupport
import Testing

@Suite struct TensorImageTests {
  static let windows = [
    Window(height: 2, width: 2, strides: (2, 2)), Window(height: 3, width: 3, padding: (1, 1, 1, 1)),
    Window(height: 3, width: 2, strides: (2, 1), dilations: (1, 2), padding: (1, 0, 2, 3)),
    Window(height: 1, width: 5, strides: (1, 3), padding: (0, 4, 0, 4)), Window(height: 7, width: 6),
    // Taps that all miss the image.
    Window(height: 2, width: 1, strides: (1, 2), dilations: (9, 1), padding: (4, 3, 5, 3)),
  ]

  @Test(arguments: PoolFunction.allCases)
  func pools(function: PoolFunction) throws {
    var generator = SeededGenerator(seed: 131)
    for window in Self.windows {
      for channels in [1, 3, 8, 37] {
        let x = TensorArray.random([2, 7, 6, channels], using: &generator)
        let shape = [2, window.outputHeight(7), window.outputWidth(6), channels]
        let expected = TensorArray(shape) { index in
          let taps = Self.taps(window, index).filter { (0..<7).contains($0.0) && (0..<6).contains($0.1) }
          let values = taps.map { x[[index[0], $0.0, $0.1, index[3]]] }
          switch function {
          case .maximum: return values.max() ?? -.infinity
          case .average: return values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
          case .averageOfAllTaps: return values.reduce(0, +) / Double(window.taps)
          }
        }
        try TensorRun(.pool(function, window), [x]).expect(expected, absolute: 2e-6)
        try TensorRun(.pool(function, window), [x], batched: [0]).expect(expected, absolute: 2e-6)
      }
    }
  }

  static func taps(_ window: Window, _ index: [Int]) -> [(Int, Int)] {
    (0..<window.height).flatMap { y in
      (0..<window.width).map { x in
        (
          index[1] * window.strideHeight + y * window.dilationHeight - window.top,
          index[2] * window.strideWidth + x * window.dilationWidth - window.left
        )
      }
    }
  }

  /// A NaN in a window is its maximum, whatever tap it is and however many channels are taken at once.
  @Test(arguments: [1, 3, 4, 7, 16, 21])
  func poolsNaN(channels: Int) throws {
    let window = Window(height: 2, width: 3)
    for place in 0..<6 {
      let x = TensorArray([1, 2, 3, channels]) { index in
        index[1] * 3 + index[2] == place ? .nan : Double(index[3] - index[2])
      }
      try TensorRun(.pool(.maximum, window), [x]).expect(
        TensorArray([1, 1, 1, channels], Array(repeating: .nan, count: channels)))
    }
  }

  @Test func folds() throws {
    var generator = SeededGenerator(seed: 132)
    for window in Self.windows {
      for (channels, hasBias) in [(1, false), (5, true)] {
        let x = TensorArray.random([2, 4, 3, window.taps * channels], using: &generator)
        let bias = TensorArray.random([channels], using: &generator)
        let (height, width) = (9, 11)
        var expected = TensorArray([2, height, width, channels]) { hasBias ? bias[[$0[3]]] : 0 }
        for index in TensorArray.indices(x.shape) {
          let tap = index[3] / channels
          let (y, z) = Self.taps(window, index)[tap]
          guard (0..<height).contains(y), (0..<width).contains(z) else { continue }
          let place = ((index[0] * height + y) * width + z) * channels + index[3] % channels
          expected.elements[place] += x[index]
        }
        let run = TensorRun(
          .foldTaps(window, height: .fixed(height), width: .fixed(width), bias: hasBias ? 0 : nil), [x],
          constants: [bias])
        try run.expect(expected, absolute: 1e-5)
      }
    }
  }

  static func source(
    _ coordinates: ResizeCoordinates, _ place: Int, _ scale: Double, _ inputs: Int, _ outputs: Int
  ) -> Double {
    let x = Double(place)
    switch coordinates {
    case .halfPixel: return (x + 0.5) / scale - 0.5
    case .pytorchHalfPixel: return outputs > 1 ? (x + 0.5) / scale - 0.5 : 0
    case .alignCorners: return outputs > 1 ? x * Double(inputs - 1) / (scale * Double(inputs) - 1) : 0
    case .asymmetric: return x / scale
    case .halfPixelSymmetric:
      let length = scale * Double(inputs)
      return Double(inputs) / 2 * (1 - Double(outputs) / length) + (x + 0.5) / scale - 0.5
    }
  }

  /// 0.6 as a fraction of 3 and 5, not as the nearest float.
  static func exact(_ scale: Float, _ inputs: Int, _ outputs: Int) -> Double {
    let quotient = Double(outputs) / Double(inputs)
    return abs(quotient - Double(scale)) < 1e-6 ? quotient : Double(scale)
  }

  /// The weights of all inputs for a place in a line.
  static func weights(
    _ method: ResizeMethod, _ rounding: NearestRounding, _ x: Double, _ inputs: Int
  ) -> [Double] {
    var weights = [Double](repeating: 0, count: inputs)
    func add(_ place: Double, _ weight: Double) {
      weights[Int(min(max(place, 0), Double(inputs - 1)))] += weight
    }
    let low = floor(x)
    let share = x - low
    switch method {
    case .nearest:
      switch rounding {
      case .floor: add(low, 1)
      case .ceiling: add(ceil(x), 1)
      case .roundPreferFloor: add(share <= 0.5 ? low : low + 1, 1)
      case .roundPreferCeiling: add(share < 0.5 ? low : low + 1, 1)
      }
    case .linear:
      add(low, 1 - share)
      add(low + 1, share)
    case .cubic:
      let a = -0.75
      let s = share
      let t = 1 - share
      add(low - 1, ((a * (s + 1) - 5 * a) * (s + 1) + 8 * a) * (s + 1) - 4 * a)
      add(low, ((a + 2) * s - (a + 3)) * s * s + 1)
      add(low + 1, ((a + 2) * t - (a + 3)) * t * t + 1)
      add(low + 2, ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a)
    }
    return weights
  }

  @Test(arguments: ResizeMethod.allCases, ResizeCoordinates.allCases)
  func resizes(method: ResizeMethod, coordinates: ResizeCoordinates) throws {
    var generator = SeededGenerator(seed: 133)
    let x = TensorArray.random([2, 4, 5, 3], using: &generator)
    let sizes: [(Int, Int, Float, Float)] = [
      (8, 10, 2, 2), (2, 3, 0.5, 0.6), (7, 4, 1.75, 0.8), (1, 1, 0.25, 0.2), (4, 5, 1, 1), (9, 13, 2.3, 2.7),
    ]
    for (height, width, scaleHeight, scaleWidth) in sizes {
      for rounding in method == .nearest ? NearestRounding.allCases : [.roundPreferFloor] {
        func weights(_ place: Int, _ scale: Float, _ inputs: Int, _ outputs: Int) -> [Double] {
          Self.weights(
            method, rounding,
            Self.source(coordinates, place, Self.exact(scale, inputs, outputs), inputs, outputs), inputs)
        }
        let rows = (0..<height).map { weights($0, scaleHeight, 4, height) }
        let columns = (0..<width).map { weights($0, scaleWidth, 5, width) }
        let expected = TensorArray([2, height, width, 3]) { index in
          var sum = 0.0
          for row in 0..<4 {
            for column in 0..<5 {
              let weight = rows[index[1]][row] * columns[index[2]][column]
              if weight != 0 { sum += weight * x[[index[0], row, column, index[3]]] }
            }
          }
          return sum
        }
        let operation = Operation.resize(
          method, coordinates, rounding, height: .fixed(height), width: .fixed(width),
          scaleHeight: scaleHeight,
          scaleWidth: scaleWidth)
        try TensorRun(operation, [x]).expect(expected, absolute: 1e-5)
      }
    }
  }

  /// Coordinates that no integer holds.
  @Test func resizesWithAbsurdScales() throws {
    let x = TensorArray([1, 2, 2, 1], [1, 2, 3, 4])
    for method in ResizeMethod.allCases {
      for scale in [Float.leastNormalMagnitude, .greatestFiniteMagnitude] {
        let operation = Operation.resize(
          method, .asymmetric, .floor, height: .fixed(3), width: .fixed(3), scaleHeight: scale,
          scaleWidth: scale)
        _ = try TensorRun(operation, [x]).run()
      }
    }
  }
}
