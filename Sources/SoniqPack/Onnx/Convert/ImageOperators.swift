import SoniqCore
import SoniqGraph

extension OnnxConversion {
  /// An image [B,C,H,W] or signal [B,C,L] as [B,H,W,C], and its sizes. What ONNX calls channels first, soniq has last.
  /// * needed: how many channels the weights have, if any.
  mutating func channelsLast(
    _ value: ValueID, needed: Int? = nil
  ) throws(PackError) -> (image: ValueID, height: Dimension, width: Dimension, channels: Int) {
    let shape = draft.shape(value)
    let spatial = shape.count - 2
    guard spatial == 1 || spatial == 2 else {
      throw fault("\(max(0, spatial)) spatial dimensions; 1 and 2 are supported")
    }
    if let needed { draft.requireEqual(shape[1], .fixed(needed)) }
    guard case .fixed(let channels) = shape[1] else {
      throw fault("its image \(draft.words(shape)) has dynamic channels; fix them with --shape")
    }
    for dimension in shape.dropFirst(2) { try requireSide(dimension) }
    if spatial == 2 {
      return (try transpose(value, [0, 2, 3, 1]), shape[2], shape[3], channels)
    }
    let last = try transpose(value, [0, 2, 1])
    let image = try reshape(
      last, to: [draft.extent(shape[0]), Extent(1), draft.extent(shape[2]), Extent(channels)])
    return (image, .fixed(1), shape[2], channels)
  }

  /// - Throws: for a side that may be longer than those of images.
  mutating func requireSide(_ side: Dimension) throws(PackError) {
    OpenSizes.lower(side, to: maximumImageSide, &draft)
    guard (1...maximumImageSide).contains(draft.maximum(side) ?? .max) else {
      throw fault(
        "an image side of \(draft.words([side])); \(maximumImageSide) is the longest, bound dynamic sizes with "
          + "--maximum")
    }
  }

  /// [B,H,W,C] as ONNX has it: [B,C,H,W], or [B,C,L] for signals.
  mutating func channelsFirst(_ value: ValueID, spatial: Int) throws(PackError) -> ValueID {
    guard spatial == 1 else { return try transpose(value, [0, 3, 1, 2]) }
    let shape = draft.shape(value).map { draft.extent($0) }
    return try transpose(reshape(value, to: [shape[0], shape[2], shape[3]]), [0, 2, 1])
  }

  mutating func convolution() throws(PackError) -> [ValueID] {
    let spatial = draft.rank(try input(0)) - 2
    if spatial == 3 { return try volumeConvolution() }
    let weights = try convolutionWeights(spatial: spatial)
    let groups = node.integer("group", default: 1)
    let needed = checkedProduct(weights.shape[1], groups)
    let (source, _, _, channels) = try channelsLast(input(0), needed: needed)
    let outputs = weights.shape[0]
    guard groups > 0, channels % groups == 0, outputs % groups == 0, weights.shape[1] == channels / groups
    else {
      throw fault("weights \(weights.shape) in \(groups) groups for \(channels) channels")
    }
    let bias = try knownNumbers(2, "bias", count: outputs)
    let kernel = Array(weights.shape.dropFirst(2))
    if let stated = node.integers("kernel_shape"), stated != kernel {
      throw fault("kernel_shape \(stated) for weights \(weights.shape)")
    }
    let (image, height, width, attributes) = try withSameMargins(
      source, WindowAttributes(self, kernel: kernel), fill: 0)
    let window = try attributes.window(height: height, width: width)
    let shape = try windowed(window, image, height, width, outputs: outputs)
    let matrix = Self.tapOrder(weights, bias)
    let operation: DraftOperation
    if groups == channels, groups == outputs {
      var taps = [Float](repeating: 0, count: matrix.values.count)
      for channel in 0..<channels {
        for tap in 0..<window.taps {
          taps[tap * channels + channel] = matrix.values[channel * window.taps + tap]
        }
      }
      operation = .depthwise(window, weights: taps, bias: bias, grid: matrix.grid)
    } else if groups == 1, window == Window(height: 1, width: 1) {
      operation = .linear(matrix)
    } else {
      operation = .convolution(window, groups: Self.grouped(matrix, groups))
    }
    return [try channelsFirst(append(operation, [image], shape), spatial: spatial)]
  }

  /// The shape of what slides a window over an image.
  mutating func windowed(
    _ window: Window, _ image: ValueID, _ height: Dimension, _ width: Dimension, outputs: Int
  ) throws(PackError) -> [Dimension] {
    let rows = try draft.dimension(window.outputHeight(height))
    let columns = try draft.dimension(window.outputWidth(width))
    for case .fixed(let size) in [rows, columns] where size < 1 {
      throw fault("the window is larger than the image")
    }
    return [draft.shape(image)[0], rows, columns, .fixed(outputs)]
  }

  private mutating func convolutionWeights(spatial: Int) throws(PackError) -> KnownTensor {
    guard let weights = try knownInput(1, "weights"), weights.isFloat else {
      throw fault("it has no weights of real numbers")
    }
    guard weights.shape.count == spatial + 2, (3...4).contains(weights.shape.count) else {
      throw fault(
        "\(max(0, weights.shape.count - 2)) spatial dimensions for weights, \(spatial) for the input; 1 to 3 are supported"
      )
    }
    guard !weights.shape.contains(0) else { throw fault("its weights are empty") }
    return weights
  }

  /// Weights [outputs][channels][taps] as rows [tap][channel].
  private static func tapOrder(_ weights: KnownTensor, _ bias: [Float]?) -> DraftWeights {
    let (outputs, channels) = (weights.shape[0], weights.shape[1])
    let taps = weights.shape.dropFirst(2).reduce(1, *)
    let flat = weights.reshaped([outputs, channels, taps]).transposed([0, 2, 1])
    return DraftWeights(
      outputs: outputs, inputs: channels * taps, values: flat.floats ?? [], bias: bias,
      grid: rowGrid(weights.grid, axis: 0))
  }

  /// A grid for each row of a matrix, from one for each index of an axis of the weights; nil when it is for another.
  static func rowGrid(_ grid: CodeGrid?, axis: Int) -> CodeGrid? {
    guard var grid, grid.axis == nil || grid.axis == axis || grid.scales.count == 1 else { return nil }
    grid.axis = grid.scales.count == 1 ? nil : 0
    return grid
  }

  private static func grouped(_ matrix: DraftWeights, _ groups: Int) -> [DraftWeights] {
    let outputs = matrix.outputs / groups
    return (0..<groups).map { group in
      let rows = group * outputs..<(group + 1) * outputs
      var grid = matrix.grid
      if grid?.axis != nil {
        grid?.scales = Array(matrix.grid?.scales[rows] ?? [])
        grid?.zeros = Array(matrix.grid?.zeros[rows] ?? [])
      }
      return DraftWeights(
        outputs: outputs, inputs: matrix.inputs,
        values: Array(matrix.values[rows.lowerBound * matrix.inputs..<rows.upperBound * matrix.inputs]),
        bias: matrix.bias.map { Array($0[rows]) }, grid: grid)
    }
  }

  /// A constant list of so many numbers; nil when it is not given.
  mutating func knownNumbers(_ index: Int, _ what: String, count: Int) throws(PackError) -> [Float]? {
    guard let known = try knownInput(index, what) else { return nil }
    guard let floats = known.floats, known.shape.count <= 1 || known.count == count, floats.count == count
    else {
      throw fault("its \(what) of shape \(known.shape) should have \(count) numbers")
    }
    return floats
  }

  mutating func transposedConvolution() throws(PackError) -> [ValueID] {
    let spatial = draft.rank(try input(0)) - 2
    if spatial == 3 { return try volumeTransposedConvolution() }
    let weights = try convolutionWeights(spatial: spatial)
    let (image, height, width, channels) = try channelsLast(input(0), needed: weights.shape[0])
    let groups = node.integer("group", default: 1)
    let kernel = Array(weights.shape.dropFirst(2))
    guard groups > 0, channels % groups == 0, weights.shape[0] == channels,
      let outputs = checkedProduct(weights.shape[1], groups),
      let rows = checkedProduct(kernel.reduce(1, *), outputs), let size = checkedProduct(rows, channels),
      size <= maximumKnownElements
    else { throw fault("weights \(weights.shape) in \(groups) groups for \(channels) channels") }
    let bias = try knownNumbers(2, "bias", count: outputs)
    let attributes = try WindowAttributes(self, kernel: kernel)
    let (window, rowCount, columnCount) = try unfoldedSize(attributes, height: height, width: width)
    for side in [rowCount, columnCount] { try requireSide(side) }
    let matrix = DraftWeights(
      outputs: rows, inputs: channels, values: Self.tapRows(weights, groups: groups), bias: nil,
      grid: Self.tapGrid(weights, groups: groups))
    let batch = draft.shape(image)[0]
    let taps = append(.linear(matrix), [image], [batch, height, width, .fixed(rows)])
    let folded = append(
      .foldTaps(window, height: rowCount, width: columnCount, bias: bias), [taps],
      [batch, rowCount, columnCount, .fixed(outputs)])
    return [try channelsFirst(folded, spatial: spatial)]
  }

  /// The codes of `tapRows`, whose scales are by output; nil where the model has them by input.
  private static func tapGrid(_ weights: KnownTensor, groups: Int) -> CodeGrid? {
    guard var grid = weights.grid, grid.scales.count > 1 else { return weights.grid }
    guard grid.axis == 1, grid.scales.count == weights.shape[1] else { return nil }
    let repeats = weights.shape.dropFirst(2).reduce(groups, *)
    grid.scales = (0..<repeats).flatMap { _ in grid.scales }
    grid.zeros = (0..<repeats).flatMap { _ in grid.zeros }
    grid.axis = 0
    return grid
  }

  /// Weights [channels][outputs of a group][taps] as rows [tap][output] of all channels, 0 between groups.
  private static func tapRows(_ weights: KnownTensor, groups: Int) -> [Float] {
    let (channels, groupOutputs) = (weights.shape[0], weights.shape[1])
    let taps = weights.shape.dropFirst(2).reduce(1, *)
    let source = weights.floats ?? []
    var rows = [Float](repeating: 0, count: taps * groupOutputs * groups * channels)
    for channel in 0..<channels {
      let group = channel / (channels / groups)
      for output in 0..<groupOutputs {
        for tap in 0..<taps {
          let row = tap * groupOutputs * groups + group * groupOutputs + output
          rows[row * channels + channel] = source[(channel * groupOutputs + output) * taps + tap]
        }
      }
    }
    return rows
  }

  /// The window of a transposed convolution and the size of what it makes.
  private mutating func unfoldedSize(
    _ attributes: WindowAttributes, height: Dimension, width: Dimension
  ) throws(PackError) -> (Window, height: Dimension, width: Dimension) {
    let spatial = attributes.spatial
    let extra = node.integers("output_padding") ?? [Int](repeating: 0, count: spatial)
    let stated = node.integers("output_shape")
    guard extra.count == spatial, extra.allSatisfy({ (0...maximumTaps).contains($0) }),
      stated.map({ $0.count == spatial && $0.allSatisfy { (1...maximumImageSide).contains($0) } }) ?? true
    else { throw fault("output_padding \(extra), output_shape \(stated ?? [])") }
    // The padding is found below.
    var window = Window(
      height: spatial == 2 ? attributes.kernel[0] : 1, width: attributes.kernel[spatial - 1],
      strides: (spatial == 2 ? attributes.strides[0] : 1, attributes.strides[spatial - 1]),
      dilations: (spatial == 2 ? attributes.dilations[0] : 1, attributes.dilations[spatial - 1]))
    let columns = try unfoldedSide(attributes, spatial - 1, draft.extent(width), extra, stated?.last)
    let rows =
      spatial == 2
      ? try unfoldedSide(attributes, 0, draft.extent(height), extra, stated?.first) : (0, 0, .fixed(1))
    (window.top, window.bottom, window.left, window.right) = (rows.0, rows.1, columns.0, columns.1)
    return (window, rows.2, columns.2)
  }

  /// Padding before and behind an axis, and the size of the output along it.
  private mutating func unfoldedSide(
    _ attributes: WindowAttributes, _ axis: Int, _ size: Extent, _ extra: [Int], _ stated: Int?
  ) throws(PackError) -> (Int, Int, Dimension) {
    let stride = Extent(attributes.strides[axis])
    let reach = extra[axis] + attributes.dilations[axis] * (attributes.kernel[axis] - 1) + 1
    let (before, after) = (attributes.pads[axis], attributes.pads[attributes.spatial + axis])
    guard let whole = size.minus(Extent(1))?.times(stride)?.plus(Extent(reach)),
      let times = size.times(stride), let cut = whole.minus(Extent(before + after))
    else { throw fault("its output would be too large") }
    guard let target = stated.map({ Extent($0) }) ?? (attributes.automatic.hasPrefix("SAME") ? times : nil)
    else { return (before, after, try draft.dimension(cut)) }
    guard let surplus = whole.minus(target)?.fixed else {
      throw fault("output_shape of a dynamic size; fix it with --shape")
    }
    let total = max(0, surplus)
    let first = attributes.automatic == "SAME_UPPER" ? total / 2 : total - total / 2
    return (first, total - first, try draft.dimension(target))
  }

  mutating func pool(_ function: PoolFunction) throws(PackError) -> [ValueID] {
    guard let kernel = node.integers("kernel_shape") else { throw fault("kernel_shape is missing") }
    if kernel.count == 3 { return try volumePool(function) }
    var attributes = try WindowAttributes(self, kernel: kernel)
    let input = try input(0)
    var (image, height, width, _) = try channelsLast(real(input))
    // What is outside has a part in no mean.
    if function == .maximum {
      (image, height, width, attributes) = try withSameMargins(image, attributes, fill: -.infinity)
    }
    guard draft.rank(input) == kernel.count + 2 else {
      throw fault("a kernel of \(kernel.count) dimensions")
    }
    let order = node.integer("storage_order", default: 0)
    guard (0...1).contains(order) else { throw fault("storage_order \(order)") }
    var function = function
    let plain = try attributes.window(height: height, width: width)
    var window = try attributes.window(height: height, width: width, roundsUp: node.flag("ceil_mode"))
    if function == .average, node.flag("count_include_pad") {
      if plain == window {
        function = .averageOfAllTaps
      } else {
        // The padding is part of the image then, and what is behind it is not.
        image = try tensor(
          .pad(
            .constant, before: [0, plain.top, plain.left, 0], after: [0, plain.bottom, plain.right, 0],
            value: 0),
          image)
        (window.top, window.left) = (0, 0)
        (window.bottom, window.right) = (window.bottom - plain.bottom, window.right - plain.right)
      }
    }
    try refuseWindowsOfPadding(window)
    let pooled = try tensor(.pool(function, window), image)
    let result = try channelsFirst(pooled, spatial: kernel.count)
    return [draft.values[input].elementType == .float32 ? result : try tensor(.cast(.int32), result)]
  }

  /// The greatest or the mean of nothing is no number.
  private func refuseWindowsOfPadding(_ window: Window) throws(PackError) {
    let height = window.dilationHeight * (window.height - 1) + 1
    let width = window.dilationWidth * (window.width - 1) + 1
    guard max(window.top, window.bottom) < height, max(window.left, window.right) < width else {
      let pads = [window.top, window.left, window.bottom, window.right]
      throw fault("windows that lie in the padding alone: pads \(pads) of a kernel of \([height, width])")
    }
  }

  mutating func globalPool(_ function: ReduceFunction) throws(PackError) -> [ValueID] {
    let input = try input(0)
    guard draft.rank(input) > 2 else { throw fault("its input has no spatial dimensions") }
    return [try reduce(function, input, axes: Array(2..<draft.rank(input)), keeps: true)]
  }
}
