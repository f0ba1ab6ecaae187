import SoniqGraph

/// Images at places between their pixels.
extension OnnxConversion {
  mutating func gridSample() throws(PackError) -> [ValueID] {
    let (image, grid) = (try real(input(0)), try real(input(1)))
    let (rank, gridShape) = (draft.rank(image), draft.shape(grid))
    guard (3...5).contains(rank), gridShape.count == rank, gridShape.last == .fixed(rank - 2) else {
      throw fault(
        "an image \(draft.words(draft.shape(image))) at the places of a grid \(draft.words(gridShape))")
    }
    let methods: [String: ResizeMethod] = [
      "bilinear": .linear, "linear": .linear, "nearest": .nearest, "bicubic": .cubic, "cubic": .cubic,
    ]
    let paddings: [String: SamplePadding] = ["zeros": .zeros, "border": .border, "reflection": .reflection]
    let (mode, margin) = (node.text("mode") ?? "linear", node.text("padding_mode") ?? "zeros")
    guard let method = methods[mode] else { throw fault("mode \(mode)") }
    guard let padding = paddings[margin] else { throw fault("padding_mode \(margin)") }
    let last = try transpose(image, [0] + Array(2..<rank) + [1])
    let sampled = try tensor(
      .sample(method, padding, node.flag("align_corners") ? .centres : .edges), last, grid)
    return [try transpose(sampled, [0, rank - 1] + Array(1..<rank - 1))]
  }

  /// The places of an output's pixels, or of their edges, from -1 to 1, by a matrix of each image: [N,...,n] of [N,n,n + 1].
  mutating func affineGrid() throws(PackError) -> [ValueID] {
    let theta = try real(input(0))
    let shape = draft.shape(theta)
    guard let sizes = try knownInput(1, "size")?.integers?.map({ Int($0) }), (4...5).contains(sizes.count),
      sizes.allSatisfy({ (1...maximumDimension).contains($0) })
    else { throw fault("its size is not known") }
    let spatial = Array(sizes[2...])
    guard shape.count == 3, shape[0] == .fixed(sizes[0]),
      Array(shape[1...]) == [.fixed(spatial.count), .fixed(spatial.count + 1)],
      let count = knownCount(spatial), count <= maximumKnownElements / 4
    else { throw fault("matrices of shape \(draft.words(shape)) for a size of \(sizes)") }
    let isCentred = node.flag("align_corners")
    let steps = rowMajorSteps(spatial)
    var places: [Float] = []
    places.reserveCapacity(count * (spatial.count + 1))
    for position in 0..<count {
      // The last axis comes first, and 1 behind them.
      for axis in spatial.indices.reversed() {
        let (index, size) = (Float(position / steps[axis] % spatial[axis]), Float(spatial[axis]))
        let place = isCentred ? (size > 1 ? 2 * index / (size - 1) - 1 : -1) : (2 * index + 1) / size - 1
        places.append(place)
      }
      places.append(1)
    }
    let base = constant(KnownTensor(floats: places, shape: [count, spatial.count + 1]))
    let grid = try tensor(.matmul(transposesRight: true), base, theta)
    return [try reshape(grid, to: ([sizes[0]] + spatial + [spatial.count]).map { Extent($0) })]
  }

  mutating func roiAlign() throws(PackError) -> [ValueID] {
    let image = try real(input(0))
    guard draft.rank(image) == 4 else { throw fault("images of shape \(draft.words(draft.shape(image)))") }
    let functions: [String: RegionFunction] = ["avg": .average, "max": .maximum]
    let mode = node.text("mode") ?? "avg"
    guard let function = functions[mode] else { throw fault("mode \(mode)") }
    // An attribute since opset 16; before, regions were as output_half_pixel has them.
    let coordinates =
      node.text("coordinate_transformation_mode") ?? (opset < 16 ? "output_half_pixel" : "half_pixel")
    guard ["half_pixel", "output_half_pixel"].contains(coordinates) else {
      throw fault("coordinate_transformation_mode \(coordinates)")
    }
    let (height, width) = (
      node.integer("output_height", default: 1), node.integer("output_width", default: 1)
    )
    let samples = node.integer("sampling_ratio", default: 0)
    guard (1...4096).contains(height), (1...4096).contains(width),
      (0...AlignRegions.maximumSamples).contains(samples)
    else { throw fault("\(height) x \(width) parts with \(samples) samples") }
    let last = try transpose(image, [0, 2, 3, 1])
    let aligned = try tensor(
      .alignRegions(
        AlignRegions(
          function, isHalfPixel: coordinates == "half_pixel", height: height, width: width, samples: samples,
          scale: node.real("spatial_scale", default: 1))),
      last, real(input(1)), input(2))
    return [try transpose(aligned, [0, 3, 1, 2])]
  }
}
