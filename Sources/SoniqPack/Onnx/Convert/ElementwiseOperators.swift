import SoniqGraph

extension OnnxConversion {
  /// A function of each element, in the record that its row of the table names.
  mutating func element(_ function: ElementFunction) throws(PackError) -> [ValueID] {
    let input = try input(0)
    if function.kind.isActivation { return [try rowwise(.element(function), input)] }
    guard draft.values[input].elementType == .int32 else { return [try tensor(.unary(function), input)] }
    // Whole numbers: by the operations that have them.
    let zero = constant(KnownTensor(integers: [0], shape: []))
    let negative = try tensor(.binary(.subtract), zero, input)
    switch function.kind {
    case .negative: return [negative]
    case .absolute: return [try tensor(.binary(.maximum), input, negative)]
    case .floor, .ceiling, .round: return [input]
    default: throw fault("it is not known for whole numbers")
    }
  }

  /// Two values of one type; a whole-number exponent or bound of a real number becomes real.
  mutating func binary(
    _ function: BinaryFunction, _ left: ValueID, _ right: ValueID
  ) throws(PackError) -> ValueID {
    if draft.values[left].elementType == draft.values[right].elementType {
      return try tensor(.binary(function), left, right)
    }
    return try tensor(.binary(function), real(left), real(right))
  }

  /// The result is of the type of the base.
  mutating func power() throws(PackError) -> [ValueID] {
    let (base, exponent) = (try input(0), try input(1))
    let result = try binary(.power, base, exponent)
    let types = [base, exponent].map { draft.values[$0].elementType }
    return [types == [.int32, .float32] ? try tensor(.cast(.int32), result) : result]
  }

  mutating func chain(_ function: BinaryFunction) throws(PackError) -> ValueID {
    var result = try input(0)
    for index in 1..<max(1, inputCount) { result = try binary(function, result, input(index)) }
    return result
  }

  mutating func mean() throws(PackError) -> [ValueID] {
    [try binary(.multiply, chain(.add), scalar(1 / Float(inputCount)))]
  }

  mutating func gelu() throws(PackError) -> [ValueID] {
    let approximation = node.text("approximate") ?? "none"
    guard ["none", "tanh"].contains(approximation) else { throw fault("approximation \(approximation)") }
    return [try rowwise(.element(approximation == "tanh" ? .geluTanh : .geluErf), input(0))]
  }

  mutating func swish() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let alpha = node.real("alpha", default: 1)
    if alpha == 1 { return [try rowwise(.element(.silu), input)] }
    let gate = try rowwise(.element(.sigmoid), binary(.multiply, input, scalar(alpha)))
    return [try binary(.multiply, input, gate)]
  }

  mutating func selu() throws(PackError) -> [ValueID] {
    let alpha = node.real("alpha", default: 1.67326319)
    let elu = try tensor(.unary(.elu(alpha: alpha)), input(0))
    return [try binary(.multiply, elu, scalar(node.real("gamma", default: 1.05070102)))]
  }

  mutating func celu() throws(PackError) -> [ValueID] {
    let alpha = scalar(node.real("alpha", default: 1))
    let elu = try tensor(.unary(.elu(alpha: 1)), binary(.divide, input(0), alpha))
    return [try binary(.multiply, elu, alpha)]
  }

  mutating func hardSigmoid() throws(PackError) -> [ValueID] {
    try element(
      .hardSigmoid(alpha: node.real("alpha", default: 0.2), beta: node.real("beta", default: 0.5)))
  }

  mutating func thresholdedRelu() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let isAbove = try binary(.greater, input, scalar(node.real("alpha", default: 1)))
    return [try tensor(.select, isAbove, input, scalar(0))]
  }

  mutating func softsign() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let divisor = try binary(.add, tensor(.unary(.absolute), input), scalar(1))
    return [try binary(.divide, input, divisor)]
  }

  mutating func isNaN() throws(PackError) -> [ValueID] {
    let input = try input(0)
    return [try tensor(.unary(.not), binary(.equal, input, input))]
  }

  /// No finite number is beyond the greatest one.
  mutating func isInfinite() throws(PackError) -> [ValueID] {
    let input = try real(input(0))
    let most = scalar(.greatestFiniteMagnitude)
    let isHigh = try binary(.greater, input, most)
    let isLow = try binary(.less, input, scalar(-.greatestFiniteMagnitude))
    switch (node.flag("detect_positive", default: true), node.flag("detect_negative", default: true)) {
    case (true, true): return [try binary(.or, isHigh, isLow)]
    case (true, false): return [isHigh]
    case (false, true): return [isLow]
    case (false, false): return [try binary(.and, isHigh, isLow)]
    }
  }

  mutating func shrink() throws(PackError) -> [ValueID] {
    let input = try input(0)
    let (bias, limit) = (node.real("bias", default: 0), node.real("lambd", default: 0.5))
    let upper = try tensor(
      .select, binary(.greater, input, scalar(limit)), binary(.subtract, input, scalar(bias)), scalar(0))
    return [
      try tensor(.select, binary(.less, input, scalar(-limit)), binary(.add, input, scalar(bias)), upper)
    ]
  }

  mutating func clip() throws(PackError) -> [ValueID] {
    var result = try input(0)
    // Attributes before opset 11.
    let low = if let least = node.real("min") { scalar(least) } else { try optionalInput(1) }
    let high = if let most = node.real("max") { scalar(most) } else { try optionalInput(2) }
    let lowNumber = low.map { draft.known($0)?.scalar } ?? -.infinity
    let highNumber = high.map { draft.known($0)?.scalar } ?? .infinity
    if let lowNumber, let highNumber, draft.values[result].elementType == .float32 {
      if lowNumber == 0, highNumber == .infinity { return [try rowwise(.element(.relu), result)] }
      if lowNumber == 0, highNumber == 6 { return [try rowwise(.element(.relu6), result)] }
      return [try tensor(.unary(.clip(low: lowNumber, high: highNumber)), result)]
    }
    if let low { result = try binary(.maximum, result, low) }
    if let high { result = try binary(.minimum, result, high) }
    return [result]
  }

  mutating func select() throws(PackError) -> [ValueID] {
    var (yes, no) = (try input(1), try input(2))
    if draft.values[yes].elementType != draft.values[no].elementType {
      (yes, no) = (try real(yes), try real(no))
    }
    return [try tensor(.select, input(0), yes, no)]
  }

  mutating func cast() throws(PackError) -> [ValueID] {
    let number = Int32(truncatingIfNeeded: node.integer("to", default: 0))
    guard let type = OnnxType(rawValue: number) else {
      throw fault("elements of type \(OnnxType.name(number)) are not supported")
    }
    return [try cast(input(0), to: type)]
  }

  mutating func castLike() throws(PackError) -> [ValueID] {
    let like = try input(1)
    let type: OnnxType = draft.values[like].elementType == .float32 ? .float32 : .int32
    return [try cast(input(0), to: statedType(node.inputs[1]) ?? narrowType(of: like) ?? type)]
  }

  /// float16, double and the like are computed in float32, whole numbers in 32 bits; those of bytes wrap.
  private mutating func cast(_ value: ValueID, to type: OnnxType) throws(PackError) -> ValueID {
    var result = value
    if type == .bool, draft.known(value)?.type != .bool {
      if draft.values[value].elementType == .int32, draft.known(value) == nil {
        result = try tensor(.unary(.not), tensor(.unary(.not), value))
      } else {
        let isReal = draft.values[value].elementType == .float32
        let zero = isReal ? scalar(0) : constant(KnownTensor(integers: [0], shape: []))
        result = try tensor(.unary(.not), binary(.equal, value, zero))
      }
    } else if type.narrow?.isReal == false, draft.known(value)?.type != type {
      result = try asBytes(value, type)
    } else if type.isTinyFloat, draft.known(value)?.type != type {
      result = try rounded(value, to: type, saturates: node.flag("saturate", default: true))
    } else if type.isWhole, type.bitCount < 8, draft.known(value)?.type != type {
      result = try lowBits(whole(value), type)
    } else if type.isWhole, draft.values[value].elementType == .float32,
      let sizes = try wholeSizes(ofReal: value)
    {
      result = sizes
    } else if type.isFloat != (draft.values[value].elementType == .float32) {
      result = try tensor(.cast(type.isFloat ? .float32 : .int32), value)
    }
    if var known = draft.known(result), known.type != type {
      known.type = type
      return constant(known)
    }
    return result
  }

  /// The lowest 2 or 4 bits of whole numbers.
  private mutating func lowBits(_ value: ValueID, _ type: OnnxType) throws(PackError) -> ValueID {
    if let integers = draft.known(value)?.integers, let shape = draft.known(value)?.shape {
      let bits = integers.map { number -> Int64 in
        let code = number & (1 << type.bitCount - 1)
        return type.isSigned && code >> (type.bitCount - 1) == 1 ? code - 1 << type.bitCount : code
      }
      return constant(KnownTensor(integers: bits, shape: shape))
    }
    guard type.isSigned else { return try binary(.bitAnd, value, integer(1 << Int64(type.bitCount) - 1)) }
    let above = integer(Int64(32 - type.bitCount))
    return try binary(.shiftRight, binary(.shiftLeft, value, above), above)
  }

  /// Does nothing when a model runs; its mask is all true.
  mutating func dropout() throws(PackError) -> [ValueID] {
    let input = try input(0)
    guard node.outputs.count > 1 else { return [input] }
    guard let shape = draft.fixedShape(input), let count = knownCount(shape) else { return [input] }
    return [
      input,
      constant(
        KnownTensor(shape: shape, type: .bool, elements: .integers([Int64](repeating: 1, count: count)))),
    ]
  }
}
