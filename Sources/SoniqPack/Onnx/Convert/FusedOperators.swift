import SoniqCore
import SoniqGraph

/// Operators of the domain com.microsoft that ONNX Runtime's optimiser puts in the place of several of ONNX's own: they become
/// those again, and the passes find in them what they find in other files.
extension OnnxConversion {
  private mutating func plus(_ value: ValueID, _ index: Int) throws(PackError) -> ValueID {
    guard let term = try optionalInput(index) else { return value }
    return try binary(.add, value, term)
  }

  /// An activation of the first input and, where there is a second, its bias.
  mutating func biasActivation(_ function: ElementFunction) throws(PackError) -> [ValueID] {
    [try rowwise(.element(function), plus(input(0), 1))]
  }

  mutating func quickGelu() throws(PackError) -> [ValueID] {
    try apply("Swish", [input(0)], [.real("alpha", node.real("alpha", default: 1.702))])
  }

  mutating func biasAdd() throws(PackError) -> [ValueID] { [try plus(plus(input(0), 1), 2)] }

  mutating func biasSplitGelu() throws(PackError) -> [ValueID] {
    let sum = try plus(input(0), 1)
    let axis = draft.rank(sum) - 1
    guard case .fixed(let size) = draft.shape(sum)[axis], size % 2 == 0 else {
      throw fault("it halves \(draft.words(draft.shape(sum)))")
    }
    let left = try slice(sum, axis: axis, begin: 0, step: 1, count: size / 2)
    let right = try slice(sum, axis: axis, begin: size / 2, step: 1, count: size / 2)
    return [try binary(.multiply, left, rowwise(.element(.geluErf), right))]
  }

  /// The norm of a sum of two values and maybe a bias: the norm, its mean, 1 by its deviation, and the sum.
  mutating func skipNorm(_ type: String) throws(PackError) -> [ValueID] {
    let isPlain = type == "LayerNormalization"
    let sum = try plus(binary(.add, input(0), input(1)), isPlain ? 4 : 3)
    let beta = isPlain ? try optionalInput(3) : nil
    func asks(_ index: Int) -> Bool { index < node.outputs.count && !node.outputs[index].isEmpty }
    guard isPlain || !asks(1) else { throw fault("the mean (output 1), which this norm does not have") }
    let count = !asks(1) && !asks(2) ? 1 : isPlain ? 3 : 2
    let results = try apply(
      type, [sum, input(2), beta],
      [.integer("axis", -1), .real("epsilon", node.real("epsilon", default: isPlain ? 1e-12 : 1e-5))],
      outputs: count)
    return [results[0], results[count == 3 ? 1 : 0], results[count - 1], sum]
  }

  /// Word, position and segment rows added and normalised. The second output holds the length of each row.
  /// * isCoded: tables, factors and terms are codes, whose scales and zero points come behind.
  mutating func embedNorm(isCoded: Bool = false) throws(PackError) -> [ValueID] {
    let ids = try input(0)
    guard draft.rank(ids) == 2 else { throw fault("its ids are \(draft.words(draft.shape(ids)))") }
    let stated = isCoded ? nil : try optionalInput(8)
    let places = if let stated { stated } else { try positions(ids) }
    let parts = [ids, places, try optionalInput(1)]
    var sum: ValueID?
    for (index, part) in parts.enumerated() {
      guard let part else { continue }
      let rows = try plain(apply("Gather", [input(2 + index), part])[0], 2 + index, isCoded)
      sum = if let sum { try binary(.add, sum, rows) } else { rows }
    }
    guard let sum else { throw fault("its ids are missing") }
    let result = try apply(
      "LayerNormalization", [sum, plain(input(5), 5, isCoded), plain(input(6), 6, isCoded)],
      [.integer("axis", -1), .real("epsilon", node.real("epsilon", default: 1e-12))])[0]
    guard node.outputs.count > 1 else { return [result] }
    guard let mask = try optionalInput(7) else {
      return [result, constant(KnownTensor(integers: [0], shape: [1])), sum]
    }
    let lengths = try reduce(.sum, mask, axes: [1], keeps: false)
    masksOfLengths[lengths] = mask
    return [result, lengths, sum]
  }

  private mutating func plain(_ value: ValueID, _ index: Int, _ isCoded: Bool) throws(PackError) -> ValueID {
    isCoded ? try numbers(value, scale: index + 6, zero: index + 11) : value
  }

  /// The place of each id in its row, of which there are no more than the table of positions has.
  private mutating func positions(_ ids: ValueID) throws(PackError) -> ValueID {
    guard let rows = try knownInput(3, "table of positions")?.shape.first, rows > 0 else {
      throw fault("its table of positions is missing")
    }
    let shape = draft.shape(ids)
    if case .symbol(let symbol) = shape[1] {
      draft.symbols[symbol].maximum = min(draft.symbols[symbol].maximum, rows)
    }
    return draft.append(node.name, .positions, [ids], shape, type: .int32)
  }

  mutating func fusedMatmul() throws(PackError) -> [ValueID] {
    guard !node.flag("transBatchA"), !node.flag("transBatchB") else {
      throw fault("transBatchA or transBatchB")
    }
    let left = try swapped(input(0), node.flag("transA"))
    let right = try swapped(input(1), node.flag("transB"))
    let alpha = node.real("alpha", default: 1)
    let product = try apply("MatMul", [left, right])[0]
    return [alpha == 1 ? product : try binary(.multiply, product, scalar(alpha))]
  }

  /// The last two axes exchanged.
  private mutating func swapped(_ value: ValueID, _ isSwapped: Bool) throws(PackError) -> ValueID {
    let rank = onnxShape(value).count
    guard isSwapped, rank >= 2 else { return value }
    return try transpose(value, Array(0..<rank - 2) + [rank - 1, rank - 2])
  }

  mutating func fusedGemm() throws(PackError) -> [ValueID] {
    let result = try apply("Gemm", [input(0), input(1), optionalInput(2)], plainAttributes)[0]
    let numbers = ["alpha", "beta", "gamma"].map { node.real("activation_" + $0) }
    return [try activated(result, numbers)]
  }

  /// A convolution, a value that is added to it, and a function.
  mutating func fusedConvolution() throws(PackError) -> [ValueID] {
    let result = try apply("Conv", [input(0), input(1), optionalInput(2)], plainAttributes)[0]
    return [try activated(plus(result, 3), node.reals("activation_params")?.map { $0 } ?? [])]
  }

  private var plainAttributes: [AttributeProto] {
    node.attributes.values.filter { !$0.name.hasPrefix("activation") }
  }

  /// * numbers: the function's parameters in the order of its operator.
  private mutating func activated(_ value: ValueID, _ numbers: [Float?]) throws(PackError) -> ValueID {
    guard let type = node.text("activation"), !type.isEmpty else { return value }
    func number(_ index: Int) -> Float? { numbers.indices.contains(index) ? numbers[index] : nil }
    func real(_ name: String, _ index: Int) -> [AttributeProto] {
      number(index).map { [.real(name, $0)] } ?? []
    }
    switch type {
    case "Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "HardSwish":
      return try apply(type, [value])[0]
    case "LeakyRelu", "Elu": return try apply(type, [value], real("alpha", 0))[0]
    case "HardSigmoid": return try apply(type, [value], real("alpha", 0) + real("beta", 1))[0]
    case "Clip":
      guard let low = number(0), let high = number(1) else {
        throw fault("activation_params of Clip are missing")
      }
      return try apply(type, [value, scalar(low), scalar(high)])[0]
    default: throw fault("the activation \(type)")
    }
  }

  /// - Throws: always: the shapes of such files are those of one machine's kernels.
  mutating func machineBound() throws(PackError) -> [ValueID] {
    throw fault(
      "the file was optimised for one machine; save it at a level below ORT_ENABLE_ALL, or pack the original")
  }
}
