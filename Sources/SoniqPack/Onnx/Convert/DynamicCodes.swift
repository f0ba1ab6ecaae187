import SoniqCore
import SoniqGraph

/// The outputs of a DynamicQuantizeLinear, and what they were made of.
struct DynamicCodes {
  var source: ValueID
  var scale: ValueID
  var zero: ValueID
}

/// Models of dynamic quantisation. A product of dynamic codes and constant ones, cast and scaled, is a layer with the
/// codes of the weights as they are; its input is quantised when it runs, by soniq's rule: a scale for each row, where
/// ONNX has one for the whole tensor, so a row is never coarser.
extension OnnxConversion {
  mutating func dynamicQuantizeLinear() throws(PackError) -> [ValueID] {
    let input = try input(0)
    guard draft.values[input].elementType == .float32 else { throw fault("it quantises whole numbers") }
    let axes = Array(0..<onnxShape(input).count)
    let zero = scalar(0)
    let high = try binary(.maximum, reduce(.maximum, input, axes: axes, keeps: false), zero)
    let low = try binary(.minimum, reduce(.minimum, input, axes: axes, keeps: false), zero)
    let range = try binary(.subtract, high, low)
    // A tensor of zeros has the scale 1.
    let step = try binary(.divide, range, scalar(255))
    let scale = try tensor(.select, binary(.equal, range, zero), scalar(1), step)
    let byte = Operation.unary(.clip(low: 0, high: 255))
    let offset = try tensor(
      .unary(.round), tensor(byte, binary(.divide, binary(.subtract, zero, low), scale)))
    let steps = try tensor(.unary(.round), binary(.divide, input, scale))
    let codes = try asCodes(tensor(byte, binary(.add, steps, offset)))
    let made = DynamicCodes(source: input, scale: scale, zero: try asCodes(offset))
    dynamicCodes[codes] = made
    return [codes, made.scale, made.zero]
  }

  /// Whole numbers from 0 to 255 as elements of uint8, which compute in int32.
  private mutating func asCodes(_ value: ValueID) throws(PackError) -> ValueID {
    try widened(tensor(.cast(.uint8), value), name: node.name)
  }

  mutating func matmulInteger() throws(PackError) -> [ValueID] {
    if let layer = try dynamicLayer("MatMul") { return [layer] }
    let (left, right) = (try input(0), try input(1))
    guard draft.rank(left) >= 2, draft.rank(right) >= 2 else {
      throw fault("its operands have fewer than 2 dimensions")
    }
    let lines = draft.rank(left)
    return [
      try integerProduct(
        centred(left, zero: 2, axis: lines - 2), centred(right, zero: 3, axis: draft.rank(right) - 1))
    ]
  }

  mutating func convInteger() throws(PackError) -> [ValueID] {
    if let layer = try dynamicLayer("Conv") { return [layer] }
    guard let weights = try knownInput(1, "weights"), weights.integers != nil else {
      throw fault("its weights are not whole numbers")
    }
    let zeros = try zeroPoints(3)
    let numbers = try dequantized(
      weights,
      CodeGrid(
        scales: zeros.map { _ in 1 }, zeros: zeros, axis: zeros.count == 1 ? nil : 0,
        isSigned: weights.type == .int8))
    return [try integerConvolution(centred(input(0), zero: 2, axis: 1), numbers)]
  }

  /// Codes less their zero point, which is one or one for each index of an axis.
  private mutating func centred(
    _ codes: ValueID, zero index: Int, axis: Int
  ) throws(PackError) -> ValueID {
    guard draft.values[codes].elementType == .int32 else { throw fault("its operands are not codes") }
    guard var zero = try optionalInput(index) else { return codes }
    let count = draft.shape(zero)
    if onnxShape(zero).count == 1, count != [.fixed(1)] {
      guard count[0] == draft.shape(codes)[axis] else {
        throw fault("zero points of shape \(draft.words(count)) for codes \(draft.words(draft.shape(codes)))")
      }
      let behind = [Extent](repeating: Extent(1), count: draft.rank(codes) - axis - 1)
      zero = try reshape(zero, to: [draft.extent(count[0])] + behind)
    }
    return try binary(.subtract, codes, zero)
  }

  /// The zero points of constant weights.
  private mutating func zeroPoints(_ index: Int) throws(PackError) -> [Int] {
    guard let known = try knownInput(index, "zero point of weights") else { return [0] }
    guard let zeros = known.integers, !zeros.isEmpty else { throw fault("its zero point is no whole number") }
    return zeros.map { Int($0) }
  }

  /// The layer of a product of dynamic codes that is cast to real numbers and multiplied with both scales, with the bias
  /// that is added to it before that; nil where it is anything else.
  private mutating func dynamicLayer(_ type: String) throws(PackError) -> ValueID? {
    guard let made = dynamicCodes[try input(0)], try optionalInput(2) == made.zero,
      let weights = draft.known(try input(1)), weights.integers != nil,
      let scaling = try scaling(by: made.scale, of: type, weights), let scales = scaling.scale.floats
    else { return nil }
    let matrix = try dynamicWeights(weights, scales, zeros: zeroPoints(3), type)
    var layer = try apply(type, [made.source, matrix], Array(node.attributes.values))[0]
    if let bias = scaling.bias { layer = try binary(.add, layer, constant(bias)) }
    for output in scaling.outputs { scopes[scopes.count - 1].scaledProducts[output] = layer }
    return layer
  }

  /// Weights as the numbers of their codes.
  mutating func dynamicWeights(
    _ weights: KnownTensor, _ scales: [Float], zeros: [Int], _ type: String
  ) throws(PackError) -> ValueID {
    guard [.int8, .uint8].contains(weights.type), scales.allSatisfy({ $0.isFinite && $0 > 0 }) else {
      throw fault("its weights' codes are not bytes, or a scale is not above 0")
    }
    let count = max(scales.count, zeros.count)
    let axis = type == "Conv" ? 0 : weights.shape.count - 1
    guard count == 1 || (axis >= 0 && weights.shape[axis] == count), [1, count].contains(scales.count),
      [1, count].contains(zeros.count)
    else { throw fault("\(scales.count) scales and \(zeros.count) zero points for weights \(weights.shape)") }
    let range = weights.type == .int8 ? -128...127 : 0...255
    guard zeros.allSatisfy(range.contains) else { throw fault("a zero point is out of range") }
    func spread<Number>(_ list: [Number]) -> [Number] {
      list.count == count ? list : [Number](repeating: list[0], count: count)
    }
    let grid = CodeGrid(
      scales: spread(scales), zeros: spread(zeros), axis: count == 1 ? nil : axis,
      isSigned: weights.type == .int8)
    return constant(try dequantized(weights, grid))
  }

  /// What follows this node's product.
  private struct Scaling {
    /// Of the Mul with the scales and of the Add before it.
    var outputs: [String]
    /// Of the weights.
    var scale: KnownTensor
    var bias: KnownTensor?
  }

  /// The Mul behind this node's Cast, and an Add of a bias in codes before that.
  private mutating func scaling(
    by scale: ValueID, of type: String, _ weights: KnownTensor
  ) throws(PackError) -> Scaling? {
    guard let uses = scopes.last?.uses, var product = node.outputs.first,
      var cast = uses.onlyUser(of: product)
    else { return nil }
    let addition = cast
    if addition.type == "Add", let sum = addition.outputs.first, let next = uses.onlyUser(of: sum) {
      (product, cast) = (sum, next)
    }
    guard cast.type == "Cast", cast.integer("to") == Int(OnnxType.float32.rawValue),
      let number = cast.outputs.first, let scaled = uses.onlyUser(of: number), scaled.type == "Mul",
      scaled.inputs.count == 2, let output = scaled.outputs.first,
      let known = try knownFactor(scaled.inputs[scaled.inputs[0] == number ? 1 : 0], beside: scale)
    else { return nil }
    guard addition.type == "Add" else { return Scaling(outputs: [output], scale: known) }
    guard addition.inputs.count == 2, let own = node.outputs.first,
      let bias = try codedBias(
        addition.inputs[addition.inputs[0] == own ? 1 : 0], scale: scale, known, of: type, weights)
    else { return nil }
    return Scaling(outputs: [product, output], scale: known, bias: bias)
  }

  /// The known one of the two factors of a name; the other is a value.
  private mutating func knownFactor(
    _ name: String, beside value: ValueID
  ) throws(PackError) -> KnownTensor? {
    guard let factors = scopes.last?.uses.maker(of: name), factors.type == "Mul", factors.inputs.count == 2
    else { return nil }
    for (first, second) in [(0, 1), (1, 0)] where scopes.last?.named[factors.inputs[first]] == value {
      return try constant(named: factors.inputs[second])
    }
    return nil
  }

  /// The bias that a name is the codes of: it is divided by both scales, rounded and cast when the model runs, and added to
  /// each output's sums. In the shape that the layer's result takes; nil where it is anything else.
  private mutating func codedBias(
    _ name: String, scale: ValueID, _ weightScale: KnownTensor, of type: String, _ weights: KnownTensor
  ) throws(PackError) -> KnownTensor? {
    guard let uses = scopes.last?.uses, var maker = uses.maker(of: name) else { return nil }
    // Of a convolution: one number for each output channel of an image.
    let (outputs, inner) =
      type == "Conv" ? (weights.shape[0], weights.shape.count - 2) : (weights.shape.last ?? 0, 0)
    if maker.type == "Reshape", maker.inputs.count == 2 {
      guard let shape = try constant(named: maker.inputs[1])?.integers,
        shape.suffix(inner) == [Int64](repeating: 1, count: inner)[...],
        shape.dropLast(inner).dropLast().allSatisfy({ $0 == 1 }), let next = uses.maker(of: maker.inputs[0])
      else { return nil }
      maker = next
    } else if inner > 0 {
      return nil
    }
    guard maker.type == "Cast", maker.integer("to") == Int(OnnxType.int32.rawValue),
      let rounding = maker.inputs.first.flatMap({ uses.maker(of: $0) }),
      ["Floor", "Round"].contains(rounding.type),
      let division = rounding.inputs.first.flatMap({ uses.maker(of: $0) }), division.type == "Div",
      division.inputs.count == 2, let bias = try constant(named: division.inputs[0]),
      let numbers = bias.floats,
      bias.shape == [outputs],
      try knownFactor(division.inputs[1], beside: scale)?.floats == weightScale.floats
    else { return nil }
    return KnownTensor(
      shape: [outputs] + [Int](repeating: 1, count: inner), type: .float32, elements: .floats(numbers))
  }
}
