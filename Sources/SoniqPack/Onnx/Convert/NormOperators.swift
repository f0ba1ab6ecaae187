import SoniqCore
import SoniqGraph

extension OnnxConversion {
  /// With the statistics of training: one factor and one term for each channel, which a pass puts into the layer
  /// before.
  mutating func batchNorm() throws(PackError) -> [ValueID] {
    let input = try input(0)
    guard !node.flag("training_mode") else { throw fault("training_mode") }
    let shape = draft.shape(input)
    try requireChannels(shape)
    guard shape.count >= 2, case .fixed(let channels) = shape[1] else {
      throw fault("its input has no fixed channels")
    }
    guard let scale = try knownNumbers(1, "scale", count: channels),
      let bias = try knownNumbers(2, "bias", count: channels),
      let mean = try knownNumbers(3, "mean", count: channels),
      let variance = try knownNumbers(4, "variance", count: channels)
    else { throw fault("one of its inputs is missing") }
    let epsilon = Double(node.real("epsilon", default: 1e-5))
    if let odd = variance.firstIndex(where: { !((Double($0) + epsilon) > 0) }) {
      throw fault("its variance of channel \(odd), \(variance[odd]), with epsilon \(epsilon) is not above 0")
    }
    let factors = (0..<channels).map { Double(scale[$0]) / (Double(variance[$0]) + epsilon).squareRoot() }
    let terms = (0..<channels).map { Double(bias[$0]) - Double(mean[$0]) * factors[$0] }
    return [try perChannel(input, factors: factors.map { Float($0) }, terms: terms.map { Float($0) })]
  }

  /// There are as many channels as the norm has factors.
  private mutating func requireChannels(_ shape: [Dimension]) throws(PackError) {
    guard shape.count >= 2, let count = try knownInput(1, "scale")?.count else { return }
    draft.requireEqual(shape[1], .fixed(count))
  }

  /// x * factor + term by channel of [B,C,...].
  private mutating func perChannel(
    _ input: ValueID, factors: [Float], terms: [Float]
  ) throws(PackError) -> ValueID {
    let shape = [factors.count] + [Int](repeating: 1, count: max(0, draft.rank(input) - 2))
    let product = try binary(.multiply, input, constant(KnownTensor(floats: factors, shape: shape)))
    return try binary(.add, product, constant(KnownTensor(floats: terms, shape: shape)))
  }

  mutating func layerNorm() throws(PackError) -> [ValueID] {
    try rowNorm { (conversion, gamma, epsilon) throws(PackError) in
      let zeros = [Float](repeating: 0, count: gamma.count)
      let beta = try conversion.knownNumbers(2, "bias", count: gamma.count) ?? zeros
      return .layerNorm(gamma: gamma, beta: beta, epsilon: epsilon)
    }
  }

  /// The second output is that of SimplifiedLayerNormalization.
  mutating func rmsNorm() throws(PackError) -> [ValueID] {
    try rowNorm(isCentred: false) { (_, gamma, epsilon) in .rmsNorm(gamma: gamma, epsilon: epsilon) }
  }

  /// A norm over the last axes, which become one; then its statistics, where the node has outputs for them.
  private mutating func rowNorm(
    isCentred: Bool = true,
    _ norm: (inout Self, [Float], Float) throws(PackError) -> DraftOperation
  ) throws(PackError) -> [ValueID] {
    let input = try input(0)
    let shape = draft.shape(input)
    let axis = try axis(node.integer("axis", default: -1), rank: shape.count)
    if let length = draft.product(shape[axis...]), let count = try knownInput(1, "scale")?.count {
      draft.requireEqual(length, Extent(count))
    }
    guard let length = draft.product(shape[axis...])?.fixed else {
      throw fault("it normalises dynamic sizes")
    }
    let epsilon = node.real("epsilon", default: 1e-5)
    guard epsilon > 0, epsilon.isFinite else { throw fault("its epsilon \(epsilon) is not above 0") }
    guard let gamma = try knownNumbers(1, "scale", count: length) else { throw fault("its scale is missing") }
    let operation = try norm(&self, gamma, epsilon)
    let rows = try reshape(input, to: shape[..<axis].map { draft.extent($0) } + [Extent(length)])
    let result = try reshape(rowwise(operation, rows), to: shape.map { draft.extent($0) })
    guard node.outputs.dropFirst().contains(where: { !$0.isEmpty }) else { return [result] }
    let axes = Array(axis..<shape.count)
    let mean = isCentred ? try reduce(.mean, real(input), axes: axes, keeps: true) : nil
    let centred = if let mean { try binary(.subtract, input, mean) } else { input }
    let variance = try reduce(.mean, binary(.multiply, centred, centred), axes: axes, keeps: true)
    let deviation = try tensor(.unary(.squareRoot), binary(.add, variance, scalar(epsilon)))
    return [result] + [mean, try tensor(.unary(.reciprocal), deviation)].compactMap { $0 }
  }

  mutating func instanceNorm() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let shape = draft.shape(input)
    try requireChannels(shape)
    guard shape.count > 2, case .fixed(let channels) = shape[1] else {
      throw fault("its input has no fixed channels")
    }
    guard let scale = try knownNumbers(1, "scale", count: channels),
      let bias = try knownNumbers(2, "bias", count: channels)
    else { throw fault("one of its inputs is missing") }
    let result = try normalized(input, axes: Array(2..<shape.count))
    return [try perChannel(result, factors: scale, terms: bias)]
  }

  mutating func groupNorm() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let shape = draft.shape(input)
    let groups = node.integer("num_groups", default: 0)
    guard shape.count > 2, case .fixed(let channels) = shape[1], groups > 0, channels % groups == 0 else {
      throw fault("\(groups) groups")
    }
    // Before opset 21 there was one factor for each group.
    let count = opset < 21 ? groups : channels
    guard let scale = try knownNumbers(1, "scale", count: count),
      let bias = try knownNumbers(2, "bias", count: count)
    else { throw fault("one of its inputs is missing") }
    guard let members = draft.product([.fixed(channels / groups)] + shape[2...]) else {
      throw fault("the size is too large")
    }
    let parts = try reshape(input, to: [draft.extent(shape[0]), Extent(groups), members])
    let result = try reshape(normalized(parts, axes: [2]), to: shape.map { draft.extent($0) })
    func spread(_ list: [Float]) -> [Float] {
      (0..<channels).map { list[$0 * count / channels] }
    }
    return [try perChannel(result, factors: spread(scale), terms: spread(bias))]
  }

  /// (x - mean) / sqrt(variance + epsilon) over axes.
  private mutating func normalized(_ input: ValueID, axes: [Int]) throws(PackError) -> ValueID {
    let centred = try binary(.subtract, input, reduce(.mean, input, axes: axes, keeps: true))
    let variance = try reduce(.mean, binary(.multiply, centred, centred), axes: axes, keeps: true)
    let shifted = try binary(.add, variance, scalar(node.real("epsilon", default: 1e-5)))
    return try binary(.divide, centred, tensor(.unary(.squareRoot), shifted))
  }

  mutating func lpNorm() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let axis = try axis(node.integer("axis", default: -1), rank: draft.rank(input))
    let power = node.integer("p", default: 2)
    guard power == 1 || power == 2 else { throw fault("p \(power)") }
    // Zeros stay zeros, as the standard's reference has it.
    let norm = try reduce(power == 1 ? .l1 : .l2, input, axes: [axis], keeps: true)
    return [try binary(.divide, input, binary(.maximum, norm, scalar(.leastNormalMagnitude)))]
  }

  /// x / (bias + alpha / size * sum of squares of neighbouring channels) ^ beta
  mutating func localResponseNorm() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let shape = draft.shape(input)
    let size = node.integer("size", default: 0)
    guard shape.count >= 2, case .fixed(let channels) = shape[1], (1...maximumNodeInputs).contains(size)
    else {
      throw fault("size \(size) of \(draft.words(shape))")
    }
    let square = try binary(.multiply, input, input)
    var (before, after) = ([Int](repeating: 0, count: shape.count), [Int](repeating: 0, count: shape.count))
    (before[1], after[1]) = ((size - 1) / 2, size / 2)
    let padded =
      size == 1 ? square : try tensor(.pad(.constant, before: before, after: after, value: 0), square)
    var sum = try slice(padded, axis: 1, begin: 0, step: 1, count: channels)
    for place in 1..<max(1, size) {
      sum = try binary(.add, sum, slice(padded, axis: 1, begin: place, step: 1, count: channels))
    }
    let factor = node.real("alpha", default: 0.0001) / Float(size)
    let base = try binary(.add, binary(.multiply, sum, scalar(factor)), scalar(node.real("bias", default: 1)))
    return [try binary(.divide, input, binary(.power, base, scalar(node.real("beta", default: 0.75))))]
  }

  mutating func meanVarianceNorm() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let axes = try axes(node.integers("axes") ?? [0, 2, 3], rank: draft.rank(input))
    let centred = try binary(.subtract, input, reduce(.mean, input, axes: axes, keeps: true))
    let variance = try reduce(.mean, binary(.multiply, centred, centred), axes: axes, keeps: true)
    let deviation = try binary(.add, tensor(.unary(.squareRoot), variance), scalar(1e-9))
    return [try binary(.divide, centred, deviation)]
  }
}
