import SoniqGraph
import SoniqTestSupport
import Testing

@testable import SoniqRuntime

/// Images at places between their pixels, against loops over the neighbours of each.
@Suite struct SampleTests {
  private static func graph(_ inputs: [TensorArray]) -> Graph {
    var graph = Graph()
    for (index, input) in inputs.enumerated() {
      graph.values.append(
        Value(
          name: "input\(index)", elementType: input.type, shape: input.shape.map(Dimension.fixed)))
      graph.inputs.append(GraphInput(value: index))
    }
    return graph
  }

  // MARK: Grids

  /// The place in pixels, moved into the image as the padding says.
  private static func position(_ place: Float, _ length: Int, _ sample: Sample) -> Float {
    let size = Float(length)
    var x = place
    if sample.coordinates == .edges { x = ((place + 1) * size - 1) / 2 }
    if sample.coordinates == .centres { x = (place + 1) / 2 * (size - 1) }
    if x.isNaN || x < -0x1p32 { x = -0x1p32 }
    if x > 0x1p32 { x = 0x1p32 }
    switch sample.padding {
    case .zeros: return x
    case .border: return sample.method == .cubic ? x : x < 0 ? 0 : x > size - 1 ? size - 1 : x
    case .reflection: return mirrored(x, length, sample)
    }
  }

  private static func mirrored(_ x: Float, _ length: Int, _ sample: Sample) -> Float {
    let low: Float = sample.coordinates == .edges ? -0.5 : 0
    let high = Float(length) - (sample.coordinates == .edges ? 0.5 : 1)
    if (low...high).contains(x) { return x }
    if low == high { return low }
    let beyond = x < low ? low - x : x - high
    let turns = (beyond / (high - low)).rounded(.towardZero)
    let rest = min(max(beyond - turns * (high - low), 0), high - low)
    let isEven = Int(turns) % 2 == 0
    return x < low ? (isEven ? low + rest : high - rest) : (isEven ? high - rest : low + rest)
  }

  private static func pixel(_ index: Int, _ length: Int, _ sample: Sample) -> Int? {
    if (0..<length).contains(index) { return index }
    switch sample.padding {
    case .zeros: return nil
    case .border: return index < 0 ? 0 : length - 1
    case .reflection:
      let place = Int(mirrored(Float(index), length, sample).rounded(.toNearestOrEven))
      return place < 0 ? 0 : place > length - 1 ? length - 1 : place
    }
  }

  private static func neighbours(
    _ place: Float, _ length: Int, _ sample: Sample
  ) -> [(pixel: Int?, weight: Float)] {
    let x = position(place, length, sample)
    let low = x.rounded(.down)
    switch sample.method {
    case .nearest: return [(pixel(Int(x.rounded(.toNearestOrEven)), length, sample), 1)]
    case .linear:
      return [
        (pixel(Int(low), length, sample), 1 - (x - low)), (pixel(Int(low) + 1, length, sample), x - low),
      ]
    case .cubic:
      return (0..<4).map { tap in
        let distance = (Double(x - low) - Double(tap - 1)).magnitude
        let near = ((-0.75 + 2) * distance - (-0.75 + 3)) * distance * distance + 1
        let far = ((-0.75 * distance - 5 * -0.75) * distance + 8 * -0.75) * distance - 4 * -0.75
        let weight = distance <= 1 ? near : distance < 2 ? far : 0
        return (pixel(Int(low) + tap - 1, length, sample), Float(weight))
      }
    }
  }

  private static func reference(_ sample: Sample, _ image: TensorArray, _ grid: TensorArray) -> [UInt32] {
    let spatial = image.shape.count - 2
    let channels = image.shape[spatial + 1]
    return TensorArray.indices(grid.shape.dropLast() + [channels]).map { index in
      let place = Array(index.dropLast())
      // Every direction from the first spatial dimension on; the grid has the last one first.
      let lines = (0..<spatial).map { direction in
        neighbours(
          Float(grid[place + [spatial - 1 - direction]]), image.shape[direction + 1], sample)
      }
      var sum: Float = 0
      for taps in TensorArray.indices(lines.map(\.count)) {
        let chosen = zip(lines, taps).map { $0[$1] }
        let pixels = chosen.compactMap(\.pixel)
        guard pixels.count == spatial else { continue }
        let number = Float(image[[index[0]] + pixels + [index[index.count - 1]]])
        sum = sample.method == .nearest ? number : sum + chosen.reduce(1) { $0 * $1.weight } * number
      }
      return sum.bitPattern
    }
  }

  static let samples = [ResizeMethod.nearest, .linear, .cubic].flatMap { method in
    [SamplePadding.zeros, .border, .reflection].flatMap { padding in
      [SampleCoordinates.edges, .centres, .pixels].map { Sample(method, padding, $0) }
    }
  }

  @Test(arguments: samples, [[2, 9, 3], [2, 5, 6, 17], [2, 3, 4, 5, 2], [2, 1, 1, 3]])
  func isALoopOverNeighbours(sample: Sample, shape: [Int]) throws {
    let seed: UInt64 = 7310
    var generator = SeededGenerator(seed: seed)
    let image = TensorArray.random(shape, using: &generator)
    let spatial = shape.count - 2
    var grid = TensorArray.random([2, 3, 5, spatial], -2...2, using: &generator)
    let special: [Float] = [.nan, .infinity, -.infinity, 1e30, -1e30, 1, -1, 0, -0.5, 0.5]
    for (place, number) in special.enumerated() { grid.elements[place] = Double(number) }
    var graph = Self.graph([image, grid])
    graph.outputs = [graph.add(.sample(sample), [0, 1])]
    try graph.validate()
    let expected = Self.reference(sample, image, grid)
    for lanes in 1...3 {
      #expect(try graph.run([image, grid], lanes: lanes).bits == expected, "\(lanes) lanes, seed \(seed)")
    }
  }

  /// Behind and before other steps, with places that a run computes.
  @Test func inANetwork() throws {
    var generator = SeededGenerator(seed: 7311)
    let image = TensorArray.random([2, 5, 6, 3], using: &generator)
    let grid = TensorArray.random([2, 4, 2], -1...1, using: &generator)
    let sample = Sample(.linear, .border, .edges)
    var graph = Self.graph([image, grid])
    let places = graph.add(.unary(.negative), [1])
    let pixels = graph.add(.unary(.negative), [0])
    let sampled = graph.add(.sample(sample), [pixels, places])
    graph.outputs = [graph.add(.binary(.add), [sampled, sampled])]
    try graph.validate()
    let negated = [image, grid].map { input in TensorArray(input.shape) { -input[$0] } }
    let expected = Self.reference(sample, negated[0], negated[1]).map {
      (2 * Float(bitPattern: $0)).bitPattern
    }
    for lanes in 1...3 { #expect(try graph.run([image, grid], lanes: lanes).bits == expected) }
  }

  // MARK: Regions

  private static func line(
    _ first: Float, _ last: Float, _ parts: Int, _ regions: AlignRegions
  ) -> [[Float]] {
    let offset: Float = regions.isHalfPixel ? 0.5 : 0
    let start = first * regions.scale - offset
    var length = last * regions.scale - offset - start
    if !regions.isHalfPixel { length = max(length, 1) }
    let part = length / Float(parts)
    let counted = part > 0 ? Int(min(part.rounded(.up), 1024)) : 0
    let samples = regions.samples > 0 ? regions.samples : counted
    return (0..<parts).map { index in
      (0..<samples).map { start + Float(index) * part + (Float($0) + 0.5) * part / Float(samples) }
    }
  }

  private static func corners(_ place: Float, _ length: Int) -> [(Int, Float)]? {
    guard place >= -1, place <= Float(length) else { return nil }
    let inside = max(place, 0)
    let low = min(Int(inside), length - 1)
    let share = low == length - 1 ? 0 : inside - Float(low)
    return [(low, 1 - share), (min(low + 1, length - 1), share)]
  }

  private static func reference(
    _ regions: AlignRegions, _ image: TensorArray, _ edges: TensorArray, _ images: TensorArray
  ) -> [UInt32] {
    let shape = [edges.shape[0], regions.height, regions.width, image.shape[3]]
    return TensorArray.indices(shape).map { index in
      let region = (0..<4).map { Float(edges[[index[0], $0]]) }
      let rows = line(region[1], region[3], regions.height, regions)[index[1]]
      let columns = line(region[0], region[2], regions.width, regions)[index[2]]
      let share = 1 / Float(max(1, rows.count * columns.count))
      var sum: Float = 0
      var largest: Float?
      for y in rows {
        for x in columns {
          guard let rows = corners(y, image.shape[1]), let columns = corners(x, image.shape[2]) else {
            largest = max(largest ?? 0, 0)
            continue
          }
          for row in rows {
            for column in columns {
              let number = Float(image[[Int(images[[index[0]]]), row.0, column.0, index[3]]])
              let weight = row.1 * column.1
              sum += weight * share * number
              largest = largest.map { max($0, number * weight) } ?? number * weight
            }
          }
        }
      }
      return (regions.function == .average ? sum : largest ?? 0).bitPattern
    }
  }

  @Test(arguments: [RegionFunction.average, .maximum], [0, 1, 3])
  func regionsAreLoopsOverSamples(function: RegionFunction, samples: Int) throws {
    for isHalfPixel in [false, true] {
      try Self.check(function, isHalfPixel: isHalfPixel, samples: samples)
    }
  }

  private static func check(_ function: RegionFunction, isHalfPixel: Bool, samples: Int) throws {
    let seed: UInt64 = 7312
    var generator = SeededGenerator(seed: seed)
    let image = TensorArray.random([3, 7, 9, 5], using: &generator)
    var edges = TensorArray.random([6, 4], -4...24, using: &generator)
    edges.elements.replaceSubrange(16..<24, with: [.nan, 0, 5, 5, -40, -40, 60, 1e9])
    let images = TensorArray.integers([6], 0...2, using: &generator)
    let regions = AlignRegions(
      function, isHalfPixel: isHalfPixel, height: 3, width: 2, samples: samples, scale: 0.5)
    var graph = Self.graph([image, edges, images])
    graph.outputs = [graph.add(.alignRegions(regions), [0, 1, 2])]
    try graph.validate()
    let expected = Self.reference(regions, image, edges, images)
    for lanes in 1...3 {
      let bits = try graph.run([image, edges, images], lanes: lanes).bits
      #expect(bits == expected, "\(lanes) lanes, seed \(seed)")
    }
    for index in [Int32(3), -1, .max, .min] {
      var beyond = images
      beyond.elements[4] = Double(index)
      for lanes in 1...3 {
        #expect(throws: RuntimeError.self) { try graph.run([image, edges, beyond], lanes: lanes) }
      }
    }
  }
}
