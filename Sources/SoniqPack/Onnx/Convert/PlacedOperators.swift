import SoniqGraph

/// Pools by powers, and elements that are put to places known while packing.
extension OnnxConversion {
  /// |x| ^ p.
  private mutating func power(_ value: ValueID, _ p: Float) throws(PackError) -> ValueID {
    if p == 2 { return try binary(.multiply, value, value) }
    let magnitude = try tensor(.unary(.absolute), value)
    return p == 1 ? magnitude : try binary(.power, magnitude, scalar(p))
  }

  private mutating func root(_ value: ValueID, _ p: Float) throws(PackError) -> ValueID {
    if p == 1 { return value }
    return p == 2 ? try tensor(.unary(.squareRoot), value) : try binary(.power, value, scalar(1 / p))
  }

  private func statedPower() throws(PackError) -> Float {
    let p = node.integer("p", default: 2)
    guard (1...64).contains(p) else { throw fault("p \(p)") }
    return Float(p)
  }

  /// The sum of a window is its mean, with the padding, times its taps.
  mutating func lpPool() throws(PackError) -> [ValueID] {
    let p = try statedPower()
    guard let kernel = node.integers("kernel_shape"), let taps = knownCount(kernel), taps > 0 else {
      throw fault("its kernel_shape")
    }
    guard !node.flag("ceil_mode") else { throw fault("ceil_mode 1") }
    let powers = try power(real(input(0)), p)
    let attributes = Array(node.attributes.values.filter { $0.name != "p" })
    let means = try apply("AveragePool", [powers], attributes + [.integer("count_include_pad", 1)])[0]
    return [try root(binary(.multiply, means, scalar(Float(taps))), p)]
  }

  mutating func globalLpPool() throws(PackError) -> [ValueID] {
    let p = try statedPower()
    let input = try real(input(0))
    let rank = draft.rank(input)
    guard rank > 2 else { throw fault("its input has no spatial dimensions") }
    let sum = try reduce(.sum, power(input, p), axes: Array(2..<rank), keeps: true)
    return [try root(sum, p)]
  }

  /// Cuts or pads with zeros on both sides; what is odd is cut, and padded, behind.
  mutating func centerCropPad() throws(PackError) -> [ValueID] {
    var result = try input(0)
    let rank = onnxShape(result).count
    guard let sizes = try knownInput(1, "shape")?.integers?.map({ Int($0) }) else {
      throw fault("its shape is missing")
    }
    let axes = try (node.integers("axes") ?? Array(0..<rank)).map { axis throws(PackError) in
      try self.axis(axis, rank: rank)
    }
    guard axes.count == sizes.count, Set(axes).count == axes.count else {
      throw fault("\(sizes.count) sizes of \(axes.count) axes")
    }
    var before = [Int](repeating: 0, count: rank)
    var after = before
    for (axis, target) in zip(axes, sizes) {
      guard case .fixed(let size) = onnxShape(result)[axis], (1...maximumDimension).contains(target) else {
        throw fault(
          "axis \(axis) of \(draft.words(onnxShape(result))) as \(target); fix its size with --shape")
      }
      if target < size {
        result = try slice(result, axis: axis, begin: (size - target) / 2, step: 1, count: target)
      } else {
        before[axis] = (target - size) / 2
        after[axis] = target - size - before[axis]
      }
    }
    if before.allSatisfy({ $0 == 0 }), after.allSatisfy({ $0 == 0 }) { return [result] }
    return [try tensor(.pad(.constant, before: before, after: after, value: 0), result)]
  }

  /// Columns of blocks [N, C * taps, blocks] as the sums that they are parts of: [N, C, image].
  mutating func col2Im() throws(PackError) -> [ValueID] {
    let columns = try real(input(0))
    let shape = draft.shape(columns)
    guard let image = try knownInput(1, "image_shape")?.integers?.map({ Int($0) }),
      let block = try knownInput(2, "block_shape")?.integers?.map({ Int($0) })
    else { throw fault("its image_shape or block_shape is missing") }
    let rank = image.count
    let strides = node.integers("strides") ?? [Int](repeating: 1, count: rank)
    let dilations = node.integers("dilations") ?? [Int](repeating: 1, count: rank)
    let pads = node.integers("pads") ?? [Int](repeating: 0, count: 2 * rank)
    guard rank > 0, block.count == rank, strides.count == rank, dilations.count == rank,
      pads.count == 2 * rank, let pixels = knownCount(image), let taps = knownCount(block),
      (image + block + strides + dilations).allSatisfy({ (1...1 << 20).contains($0) }),
      pads.allSatisfy({ (0...1 << 20).contains($0) })
    else { throw fault("image_shape \(image), block_shape \(block)") }
    let counts = image.indices.map {
      (image[$0] + pads[$0] + pads[rank + $0] - dilations[$0] * (block[$0] - 1) - 1) / strides[$0] + 1
    }
    guard counts.allSatisfy({ $0 > 0 }), let blocks = knownCount(counts), shape.count == 3,
      case .fixed(let rows) = shape[1], rows % taps == 0, shape[2] == .fixed(blocks),
      let updates = knownCount([taps, blocks]), updates <= maximumKnownElements
    else { throw fault("columns of shape \(draft.words(shape)) for \(counts) blocks of \(block)") }
    let (blockSteps, countSteps, imageSteps) = (
      rowMajorSteps(block), rowMajorSteps(counts), rowMajorSteps(image)
    )
    // What lies in the padding goes to a place behind the image.
    let places = (0..<updates).map { update -> Int64 in
      let (tap, place) = (update / blocks, update % blocks)
      var pixel = 0
      for axis in image.indices {
        let index =
          place / countSteps[axis] % counts[axis] * strides[axis]
          + tap / blockSteps[axis] % block[axis] * dilations[axis] - pads[axis]
        guard (0..<image[axis]).contains(index) else { return Int64(pixels) }
        pixel += index * imageSteps[axis]
      }
      return Int64(pixel)
    }
    let channels = rows / taps
    let batch = draft.extent(shape[0])
    let zeros = try expand(scalar(0), to: [shape[0], .fixed(channels), .fixed(pixels + 1)])
    let flat = try tensor(
      .scatter(axis: 2, .add), zeros, constant(KnownTensor(integers: places, shape: [1, 1, updates])),
      reshape(columns, to: [batch, Extent(channels), Extent(updates)]))
    let whole = try slice(flat, axis: 2, begin: 0, step: 1, count: pixels)
    return [try reshape(whole, to: [batch, Extent(channels)] + image.map { Extent($0) })]
  }

  /// Elements at the places that a pool took them from, among zeros.
  mutating func maxUnpool() throws(PackError) -> [ValueID] {
    let (input, indices) = (try input(0), try input(1))
    guard let kernel = node.integers("kernel_shape"), let shape = draft.fixedShape(input),
      shape.count == kernel.count + 2, onnxShape(indices) == shape.map(Dimension.fixed)
    else {
      throw fault("elements of \(draft.words(draft.shape(input))) at places; fix its sizes with --shape")
    }
    let strides = node.integers("strides") ?? [Int](repeating: 1, count: kernel.count)
    let pads = node.integers("pads") ?? [Int](repeating: 0, count: 2 * kernel.count)
    guard strides.count == kernel.count, pads.count == 2 * kernel.count,
      (kernel + strides).allSatisfy({ (1...1 << 20).contains($0) }),
      pads.allSatisfy({ (0...1 << 20).contains($0) })
    else { throw fault("a kernel of \(kernel) with strides \(strides) and pads \(pads)") }
    var whole = shape
    for axis in kernel.indices {
      whole[axis + 2] =
        (shape[axis + 2] - 1) * strides[axis] + kernel[axis] - pads[axis] - pads[kernel.count + axis]
    }
    guard whole.allSatisfy({ (1...maximumDimension).contains($0) }), let count = knownCount(whole),
      count < Int(Int32.max), let updates = knownCount(shape)
    else { throw fault("an output of \(whole)") }
    let zero = draft.values[input].elementType == .float32 ? scalar(0) : integer(0)
    let flat = try tensor(
      .scatter(axis: 0), expand(zero, to: [.fixed(count)]), reshape(indices, to: [Extent(updates)]),
      reshape(input, to: [Extent(updates)]))
    let result = try reshape(flat, to: whole.map { Extent($0) })
    guard let stated = try knownInput(2, "output_shape")?.integers?.map({ Int($0) }) else { return [result] }
    guard stated.count == whole.count, zip(stated, whole).allSatisfy({ $0 >= $1 }),
      stated.allSatisfy({ $0 <= maximumDimension })
    else { throw fault("output_shape \(stated) for \(whole)") }
    let after = zip(stated, whole).map { $0 - $1 }
    if after.allSatisfy({ $0 == 0 }) { return [result] }
    let before = [Int](repeating: 0, count: after.count)
    return [try tensor(.pad(.constant, before: before, after: after, value: 0), result)]
  }
}
