import SoniqGraph

/// Convolutions and pools over volumes [B,C,D,H,W]: the images of each depth, a tap of the depth at a time.
extension OnnxConversion {
  /// Of the window, what goes along the depth; the rest is the node's for a time.
  private struct Depth {
    var kernel = 1
    var stride = 1
    var dilation = 1
    var before = 0
    var after = 0
    /// Padding that the model states, without what the last window reaches over.
    var statedAfter = 0
    var size = 0
    var outputs = 0

    var reach: Int { dilation * (kernel - 1) + 1 }

    /// Of each window: how many of its taps lie in the volume, or in its padding.
    func counts(includingPadding: Bool) -> [Int] {
      let inside = includingPadding ? -before..<size + statedAfter : 0..<size
      return (0..<outputs).map { place in
        (0..<kernel).count { inside.contains(place * stride + $0 * dilation - before) }
      }
    }
  }

  mutating func volumeConvolution() throws(PackError) -> [ValueID] {
    guard let weights = try knownInput(1, "weights"), weights.shape.count == 5, let floats = weights.floats,
      !floats.isEmpty
    else { throw fault("it has no weights of real numbers for three dimensions") }
    let volume = node
    defer { node = volume }
    let depth = try takeDepth(kernel: Array(weights.shape[2...]))
    let padded = try paddedDepth(real(input(0)), depth, value: 0)
    let taps = weights.shape[3] * weights.shape[4]
    var sum: ValueID?
    for tap in 0..<depth.kernel {
      var part = weights
      part.shape.remove(at: 2)
      var numbers: [Float] = []
      for row in 0..<weights.shape[0] * weights.shape[1] {
        let begin = (row * depth.kernel + tap) * taps
        numbers += floats[begin..<begin + taps]
      }
      part.elements = .floats(numbers)
      name(Self.tapName, constant(part))
      node.inputs =
        [Self.imageName, Self.tapName] + (tap == 0 && volume.inputs.count > 2 ? [volume.inputs[2]] : [])
      let result = try imagesOfTap(padded, tap, depth) { conversion throws(PackError) in
        try conversion.convolution()[0]
      }
      sum = try sum.map { sum throws(PackError) in try binary(.add, sum, result) } ?? result
    }
    guard let sum else { throw fault("its weights are empty") }
    return [sum]
  }

  /// The greatest or the mean of each window: the mean over the depths of means over the images.
  mutating func volumePool(_ function: PoolFunction) throws(PackError) -> [ValueID] {
    guard let kernel = node.integers("kernel_shape"), kernel.count == 3 else {
      throw fault("its kernel_shape")
    }
    let volume = node
    defer { node = volume }
    let input = try input(0)
    guard draft.values[input].elementType == .float32 else { throw fault("volumes of whole numbers") }
    let isLargest = function == .maximum
    let depth = try takeDepth(kernel: kernel)
    let padded = try paddedDepth(input, depth, value: isLargest ? -.greatestFiniteMagnitude : 0)
    node.inputs = [Self.imageName]
    var result: ValueID?
    for tap in 0..<depth.kernel {
      let part = try imagesOfTap(padded, tap, depth) { conversion throws(PackError) in
        try conversion.pool(function)[0]
      }
      result =
        try result.map { result throws(PackError) in
          try binary(isLargest ? .maximum : .add, result, part)
        } ?? part
    }
    guard let result else { throw fault("its kernel is empty") }
    if isLargest { return [result] }
    let factors = depth.counts(includingPadding: volume.flag("count_include_pad")).map { 1 / Float($0) }
    let shape = [factors.count, 1, 1]
    return [try binary(.multiply, result, constant(KnownTensor(floats: factors, shape: shape)))]
  }

  private static let imageName = "\u{0}image"
  private static let tapName = "\u{0}tap"

  /// Takes the depth out of the node's attributes, which are those of an image then.
  private mutating func takeDepth(kernel: [Int]) throws(PackError) -> Depth {
    let shape = draft.shape(try input(0))
    guard shape.count == 5, let size = draft.extent(shape[2]).fixed else {
      throw fault("a volume of \(draft.words(shape)); fix its depth with --shape")
    }
    let strides = node.integers("strides") ?? [1, 1, 1]
    let dilations = node.integers("dilations") ?? [1, 1, 1]
    let pads = node.integers("pads") ?? [0, 0, 0, 0, 0, 0]
    guard strides.count == 3, dilations.count == 3, pads.count == 6,
      (kernel + strides + dilations).allSatisfy({ (1...maximumTaps).contains($0) }),
      pads.allSatisfy({ (0...maximumTaps).contains($0) })
    else { throw fault("strides \(strides), dilations \(dilations), pads \(pads) of a kernel \(kernel)") }
    var depth = Depth(
      kernel: kernel[0], stride: strides[0], dilation: dilations[0], before: pads[0], after: pads[3])
    let automatic = node.text("auto_pad") ?? "NOTSET"
    if automatic == "VALID" { (depth.before, depth.after) = (0, 0) }
    if automatic.hasPrefix("SAME") {
      let outputs = (size + depth.stride - 1) / depth.stride
      let total = max(0, (outputs - 1) * depth.stride + depth.reach - size)
      depth.before = automatic == "SAME_UPPER" ? total / 2 : total - total / 2
      depth.after = total - depth.before
    }
    let room = size + depth.before + depth.after - depth.reach
    guard room >= 0, max(depth.before, depth.after) < depth.reach else {
      throw fault("a window of depth \(depth.reach) over \(size) with pads \(pads)")
    }
    (depth.size, depth.statedAfter) = (size, depth.after)
    depth.outputs = room / depth.stride + 1
    if node.flag("ceil_mode"), room % depth.stride != 0, depth.outputs * depth.stride < size + depth.before {
      depth.after += depth.stride - room % depth.stride
      depth.outputs += 1
      guard depth.after < depth.reach else { throw fault("windows that lie in the padding alone") }
    }
    node.attributes["kernel_shape"] = AttributeProto.integers("kernel_shape", Array(kernel[1...]))
    node.attributes["strides"] = AttributeProto.integers("strides", Array(strides[1...]))
    node.attributes["dilations"] = AttributeProto.integers("dilations", Array(dilations[1...]))
    node.attributes["pads"] = AttributeProto.integers("pads", [pads[1], pads[2], pads[4], pads[5]])
    return depth
  }

  private mutating func paddedDepth(
    _ volume: ValueID, _ depth: Depth, value: Float
  ) throws(PackError) -> ValueID {
    guard depth.before > 0 || depth.after > 0 else { return volume }
    return try tensor(
      .pad(.constant, before: [0, 0, depth.before, 0, 0], after: [0, 0, depth.after, 0, 0], value: value),
      volume)
  }

  /// [B,C,D,H,W] -> what is made of the images [B D', C, H, W] of one tap, as [B,C',D',H',W'].
  private mutating func imagesOfTap(
    _ volume: ValueID, _ tap: Int, _ depth: Depth,
    _ convert: (inout OnnxConversion) throws(PackError) -> ValueID
  ) throws(PackError) -> ValueID {
    let planes = try slice(
      volume, axis: 2, begin: tap * depth.dilation, step: depth.stride, count: depth.outputs)
    let turned = try transpose(planes, [0, 2, 1, 3, 4])
    let shape = draft.shape(turned).map { draft.extent($0) }
    guard let images = shape[0].times(shape[1]) else { throw fault("the size is too large") }
    name(Self.imageName, try reshape(turned, to: [images] + shape[2...]))
    let result = try convert(&self)
    let made = draft.shape(result).map { draft.extent($0) }
    return try transpose(reshape(result, to: [shape[0], shape[1]] + made[1...]), [0, 2, 1, 3, 4])
  }
}
