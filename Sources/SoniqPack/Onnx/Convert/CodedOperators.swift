import SoniqCore
import SoniqGraph

/// Operators from codes to codes, as quantize_static writes them without QuantizeLinear: the plain operator between the marks
/// of its codes, as in QDQ models.
extension OnnxConversion {
  /// The numbers of the codes at `index`, whose scale and zero point are the next two inputs.
  /// * axis: of the scales, where they are several.
  private mutating func numbers(_ index: Int, axis: Int = 1) throws(PackError) -> ValueID {
    try numbers(input(index), scale: index + 1, zero: index + 2, axis: axis)
  }

  mutating func numbers(
    _ codes: ValueID, scale: Int, zero: Int, axis: Int = 1
  ) throws(PackError) -> ValueID {
    let scale = try input(scale)
    let zero = try optionalInput(zero)
    if let made = dynamicCodes[codes], made.scale == scale, made.zero == zero { return made.source }
    return try apply("DequantizeLinear", [codes, scale, zero], [.integer("axis", axis)])[0]
  }

  /// A value as codes by the scale and zero point at `index`.
  private mutating func coded(_ value: ValueID, _ index: Int) throws(PackError) -> [ValueID] {
    try apply("QuantizeLinear", [value, input(index), optionalInput(index + 1)])
  }

  /// A constant of int32 whose unit is the product of both scales and a factor.
  private mutating func sums(
    _ index: Int, scales: (Int, Int), factor: Float = 1
  ) throws(PackError) -> ValueID? {
    guard let known = try knownInput(index, "bias") else { return nil }
    guard let codes = known.integers, let left = try knownInput(scales.0, "scale")?.scalar,
      let right = try knownInput(scales.1, "scale")?.floats, !right.isEmpty,
      right.count == 1 || right.count == codes.count
    else { throw fault("its bias is not of int32, or does not fit its scales") }
    let floats = codes.indices.map { place -> Float in
      Float(
        Double(codes[place]) * Double(left) * Double(right[right.count == 1 ? 0 : place]) * Double(factor))
    }
    return constant(KnownTensor(floats: floats, shape: known.shape))
  }

  mutating func codedMatmul() throws(PackError) -> [ValueID] {
    let rank = onnxShape(try input(3)).count
    let product = try apply("MatMul", [numbers(0), numbers(3, axis: rank - 1)])[0]
    return try coded(product, 6)
  }

  mutating func codedConvolution() throws(PackError) -> [ValueID] {
    let bias = try sums(8, scales: (1, 4))
    let result = try apply("Conv", [numbers(0), numbers(3, axis: 0), bias], Array(node.attributes.values))[0]
    return try coded(result, 6)
  }

  mutating func codedGemm() throws(PackError) -> [ValueID] {
    let axis = node.flag("transB") ? 0 : 1
    let bias = try sums(6, scales: (1, 4), factor: node.real("alpha", default: 1))
    let result = try apply(
      "Gemm", [numbers(0), numbers(3, axis: axis), bias], Array(node.attributes.values))[0]
    return hasInput(7) ? try coded(result, 7) : [result]
  }

  mutating func codedBinary(_ type: String) throws(PackError) -> [ValueID] {
    try coded(apply(type, [numbers(0), numbers(3)])[0], 6)
  }

  mutating func codedUnary(_ type: String) throws(PackError) -> [ValueID] {
    let isLast = node.flag("channels_last")
    guard !isLast else { throw fault("channels_last: the file was optimised for one machine") }
    let attributes = node.attributes.values.filter { !["channels_last", "opset"].contains($0.name) }
    return try coded(apply(type, [numbers(0)], Array(attributes))[0], 3)
  }

  mutating func codedConcat() throws(PackError) -> [ValueID] {
    guard inputCount >= 5, inputCount % 3 == 2 else { throw fault("\(inputCount) inputs") }
    var parts: [ValueID] = []
    for index in stride(from: 2, to: inputCount, by: 3) { parts.append(try numbers(index)) }
    return try coded(apply("Concat", parts, Array(node.attributes.values))[0], 0)
  }

  /// Real numbers times constant codes.
  mutating func dynamicMatmul() throws(PackError) -> [ValueID] {
    try shifted(apply("MatMul", [input(0), codesAsWeights(1, scale: 2, zero: 3)])[0], bias: 4)
  }

  mutating func integerMatmulToFloat() throws(PackError) -> [ValueID] {
    let left = try numbers(input(0), scale: 2, zero: 4)
    return try shifted(apply("MatMul", [left, codesAsWeights(1, scale: 3, zero: 5)])[0], bias: 6)
  }

  private mutating func codesAsWeights(_ index: Int, scale: Int, zero: Int) throws(PackError) -> ValueID {
    guard let weights = try knownInput(index, "weights"),
      let scales = try knownInput(scale, "scale")?.floats, !scales.isEmpty
    else { throw fault("its weights or their scale are missing") }
    let zeros = try knownInput(zero, "zero point")?.integers?.map { Int($0) } ?? [0]
    guard !zeros.isEmpty else { throw fault("its zero point is empty") }
    return try dynamicWeights(weights, scales, zeros: zeros, "MatMul")
  }

  private mutating func shifted(_ value: ValueID, bias: Int) throws(PackError) -> [ValueID] {
    guard let bias = try optionalInput(bias) else { return [value] }
    return [try binary(.add, value, bias)]
  }

  /// QAttention: as Attention, with the codes of its input and weights.
  mutating func codedAttention() throws(PackError) -> [ValueID] {
    guard !hasInput(8) else { throw fault("it keeps keys and values of earlier runs (past)") }
    let source = try numbers(input(0), scale: 3, zero: 6)
    let weights = try codesAsWeights(1, scale: 4, zero: 7)
    return try joinedAttention(source, weights, bias: optionalInput(2), mask: optionalInput(5), added: nil)
  }
}
