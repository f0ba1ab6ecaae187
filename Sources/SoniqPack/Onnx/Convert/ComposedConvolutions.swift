import SoniqGraph

/// Convolutions that are made of others.
extension OnnxConversion {
  /// Over volumes [B,C,D,H,W]: zeros between the elements, then a convolution by the mirrored kernel.
  mutating func volumeTransposedConvolution() throws(PackError) -> [ValueID] {
    let input = try real(input(0))
    let shape = draft.shape(input)
    let group = node.integer("group", default: 1)
    guard let weights = try knownInput(1, "weights"), weights.shape.count == 5, let floats = weights.floats,
      shape.count == 5, group > 0, weights.shape.allSatisfy({ $0 > 0 }), weights.shape[0] % group == 0,
      shape[1] == .fixed(weights.shape[0])
    else { throw fault("it has no weights of real numbers that fit \(draft.words(shape))") }
    guard node.integers("output_shape") == nil, ["NOTSET", nil].contains(node.text("auto_pad")) else {
      throw fault("output_shape or auto_pad of volumes; state its pads")
    }
    let kernel = Array(weights.shape[2...])
    let ones = [1, 1, 1]
    let strides = node.integers("strides") ?? ones
    let dilations = node.integers("dilations") ?? ones
    let pads = node.integers("pads") ?? [Int](repeating: 0, count: 6)
    let extra = node.integers("output_padding") ?? [0, 0, 0]
    guard strides.count == 3, dilations.count == 3, pads.count == 6, extra.count == 3,
      (strides + dilations).allSatisfy({ (1...4096).contains($0) }),
      (kernel + pads + extra).allSatisfy({ (0...4096).contains($0) })
    else { throw fault("strides \(strides), dilations \(dilations), pads \(pads)") }
    var spread = input
    if strides != ones {
      let sizes = shape.map { draft.extent($0) }
      let apart = try reshape(
        input,
        to: [sizes[0], sizes[1], sizes[2], Extent(1), sizes[3], Extent(1), sizes[4], Extent(1)])
      let after = [0, 0, 0, strides[0] - 1, 0, strides[1] - 1, 0, strides[2] - 1]
      let filled = try tensor(
        .pad(.constant, before: [Int](repeating: 0, count: 8), after: after, value: 0), apart)
      var whole = Array(sizes[..<2])
      for axis in 0..<3 {
        guard let size = sizes[axis + 2].times(Extent(strides[axis])) else { throw fault("its size") }
        whole.append(size)
      }
      spread = try reshape(filled, to: whole)
    }
    var margins = [Int64](repeating: 0, count: 10)
    for axis in 0..<3 {
      let reach = dilations[axis] * (kernel[axis] - 1)
      margins[2 + axis] = Int64(reach - pads[axis])
      // Behind the last element are the zeros that stand between others.
      margins[7 + axis] = Int64(reach - pads[axis + 3] + extra[axis] - strides[axis] + 1)
    }
    let padded = try apply("Pad", [spread, constant(KnownTensor(integers: margins, shape: [10]))])[0]
    let mirrored = constant(Self.mirrored(weights, floats, group: group))
    return try apply(
      "Conv", [padded, mirrored, optionalInput(2)],
      [.integer("group", group), .integers("dilations", dilations)])
  }

  /// [C, M, ...] of transposed convolutions as [groups * M, C / groups, ...] of plain ones.
  private static func mirrored(_ weights: KnownTensor, _ floats: [Float], group: Int) -> KnownTensor {
    let (channels, outputs) = (weights.shape[0] / group, weights.shape[1])
    let taps = weights.shape[2...].reduce(1, *)
    var numbers: [Float] = []
    numbers.reserveCapacity(floats.count)
    for output in 0..<group * outputs {
      for channel in 0..<channels {
        let begin = ((output / outputs * channels + channel) * outputs + output % outputs) * taps
        numbers += floats[begin..<begin + taps].reversed()
      }
    }
    let shape = [group * outputs, channels] + weights.shape[2...]
    return KnownTensor(floats: numbers, shape: shape)
  }

  /// For each tap: the image at the places that the offsets say, times the mask, in a convolution of one tap.
  mutating func deformableConvolution() throws(PackError) -> [ValueID] {
    let (image, offsets) = (try real(input(0)), try real(input(2)))
    let (shape, places) = (draft.shape(image), draft.shape(offsets))
    let offsetGroups = node.integer("offset_group", default: 1)
    guard let weights = try knownInput(1, "weights"), weights.shape.count == 4, let floats = weights.floats,
      !floats.isEmpty, shape.count == 4, places.count == 4, case .fixed(let channels) = shape[1],
      case .fixed(let height) = places[2], case .fixed(let width) = places[3], offsetGroups > 0,
      channels % offsetGroups == 0
    else { throw fault("offsets of shape \(draft.words(places)) for an image \(draft.words(shape))") }
    let taps = weights.shape[2] * weights.shape[3]
    let strides = node.integers("strides") ?? [1, 1]
    let dilations = node.integers("dilations") ?? [1, 1]
    let pads = node.integers("pads") ?? [0, 0, 0, 0]
    guard places[1] == .fixed(2 * taps * offsetGroups), strides.count == 2, dilations.count == 2,
      pads.count == 4,
      (strides + dilations + pads).allSatisfy({ (0...4096).contains($0) }),
      let count = knownCount([2, height, width]), count <= maximumKnownElements
    else { throw fault("offsets of shape \(draft.words(places)) for \(taps) taps") }
    let mask = try hasInput(4) ? real(input(4)) : nil
    let bias = try optionalInput(3)
    let part = channels / offsetGroups
    let last = try transpose(image, [0, 2, 3, 1])
    var sum: ValueID?
    for tap in 0..<taps {
      let (row, column) = (tap / weights.shape[3], tap % weights.shape[3])
      let (top, left) = (row * dilations[0] - pads[0], column * dilations[1] - pads[1])
      var base: [Float] = []
      for pixel in 0..<height * width {
        base += [Float(pixel % width * strides[1] + left), Float(pixel / width * strides[0] + top)]
      }
      let start = constant(KnownTensor(floats: base, shape: [height, width, 2]))
      var parts: [ValueID] = []
      for group in 0..<offsetGroups {
        let own = group * taps + tap
        let moved = try transpose(
          slice(offsets, axis: 1, begin: 2 * own, step: 1, count: 2), [0, 2, 3, 1])
        // Rows come before columns in offsets, behind them in grids.
        let turned = try slice(moved, axis: 3, begin: 1, step: -1, count: 2)
        let channelsOfGroup = try slice(last, axis: 3, begin: group * part, step: 1, count: part)
        var sampled = try tensor(
          .sample(.linear, .zeros, .pixels), channelsOfGroup, binary(.add, turned, start))
        if let mask {
          let factor = try slice(mask, axis: 1, begin: own, step: 1, count: 1)
          sampled = try binary(.multiply, sampled, transpose(factor, [0, 2, 3, 1]))
        }
        parts.append(sampled)
      }
      let whole =
        parts.count == 1 ? parts[0] : try draft.tensor(.concatenate(axis: 3), parts, name: node.name)
      let kernel = stride(from: tap, to: floats.count, by: taps).map { floats[$0] }
      let ownWeights = constant(
        KnownTensor(floats: kernel, shape: [weights.shape[0], weights.shape[1], 1, 1]))
      let result = try apply(
        "Conv", [transpose(whole, [0, 3, 1, 2]), ownWeights, sum == nil ? bias : nil],
        [.integer("group", node.integer("group", default: 1))])[0]
      sum = try sum.map { sum throws(PackError) in try binary(.add, sum, result) } ?? result
    }
    guard let sum else { throw fault("its kernel is empty") }
    return [sum]
  }
}
