import SoniqGraph

/// Numbers rounded to those that a narrower type of floats has, by operations that are there. The logarithm says which power
/// of two is the greatest below a number: where it is off by one, beside a power of two, both grids have that power.
extension OnnxConversion {
  /// * saturates: what is beyond the greatest number becomes that.
  mutating func rounded(
    _ value: ValueID, to type: OnnxType, saturates: Bool
  ) throws(PackError) -> ValueID {
    let value = try real(value)
    if type == .float8e8m0 { return try roundedUp(value) }
    guard let floats = NarrowFloats(type) else { throw fault("it rounds to \(type)") }
    let steps = floats.steps
    let step = try power(below: value, from: floats.least, steps)
    let result = try binary(.multiply, tensor(.unary(.round), binary(.divide, value, step)), step)
    if type == .bfloat16 { return result }
    if saturates || type == .float4e2m1 {
      let held = try tensor(.unary(.clip(low: -floats.most, high: floats.most)), result)
      // Four bits have no code for what is no number.
      return type == .float4e2m1
        ? try tensor(.select, binary(.equal, held, held), held, scalar(0)) : held
    }
    let isBeyond = try binary(.greater, tensor(.unary(.absolute), result), scalar(floats.most))
    // Infinite there; what is no number is the difference of two such.
    let infinite = try binary(.multiply, result, scalar(.infinity))
    let beyond = floats.hasInfinity ? infinite : try binary(.subtract, infinite, infinite)
    return try tensor(.select, isBeyond, beyond, result)
  }

  /// The entry of a table that belongs to the exponent of each number; the first entry belongs to `least`.
  private mutating func power(
    below value: ValueID, from least: Int, _ table: [Float]
  ) throws(PackError) -> ValueID {
    let smallest = Float(sign: .plus, exponent: least, significand: 1)
    let size = try binary(.maximum, tensor(.unary(.absolute), value), scalar(smallest))
    let logarithm = try binary(.multiply, tensor(.unary(.logarithm), size), scalar(1.442_695_04))
    let exponent = try tensor(.unary(.floor), logarithm)
    let place = try tensor(
      .unary(.clip(low: 0, high: Float(table.count - 1))), binary(.subtract, exponent, scalar(Float(least))))
    return try tensor(
      .gather(axis: 0), constant(KnownTensor(floats: table, shape: [table.count])),
      tensor(.cast(.int32), place))
  }

  /// The least power of two that is not below a number, from 2^-127 to 2^127.
  private mutating func roundedUp(_ value: ValueID) throws(PackError) -> ValueID {
    guard (node.text("round_mode") ?? "up") == "up", node.flag("saturate", default: true) else {
      throw fault("float8e8m0 with round_mode \(node.text("round_mode") ?? "up") or without saturate")
    }
    let powers = (-126...127).map { Float(sign: .plus, exponent: $0, significand: 1) }
    var result = try binary(.multiply, power(below: value, from: -126, powers), scalar(0.5))
    for _ in 0..<2 {
      let isBelow = try binary(.less, result, value)
      let doubled = try binary(.minimum, binary(.multiply, result, scalar(2)), scalar(0x1p127))
      result = try tensor(.select, isBelow, doubled, result)
    }
    return try tensor(.select, binary(.equal, value, value), result, value)
  }

  // MARK: Codes

  /// x / scale, rounded to the floats of the codes' type.
  mutating func quantizedToFloats(_ value: ValueID, _ type: OnnxType) throws(PackError) -> ValueID {
    let quotient = try binary(.divide, real(value), scalesAlongAxis(of: value))
    return try rounded(quotient, to: type, saturates: node.flag("saturate", default: true))
  }

  /// (code - zero) * scale of codes that are floats.
  mutating func dequantizedFloats(_ value: ValueID) throws(PackError) -> ValueID {
    var numbers = try real(value)
    if let zero = try knownInput(2, "zero point"), zero.uniform != 0 {
      throw fault("a zero point that is not 0")
    }
    numbers = try binary(.multiply, numbers, scalesAlongAxis(of: value))
    return numbers
  }

  private mutating func scalesAlongAxis(of value: ValueID) throws(PackError) -> ValueID {
    let scale = try real(input(1))
    let (shape, rank) = (onnxShape(scale), onnxShape(value).count)
    guard node.integer("block_size", default: 0) == 0, shape.count <= 1 else {
      throw fault("scales by block of codes that are floats")
    }
    guard let first = shape.first, first != .fixed(1) else { return scale }
    let axis = try axis(node.integer("axis", default: 1), rank: rank)
    guard onnxShape(value)[axis] == first else {
      throw fault("scales \(draft.words(shape)) for \(draft.words(onnxShape(value)))")
    }
    return try reshape(
      scale, to: [draft.extent(first)] + [Extent](repeating: Extent(1), count: rank - axis - 1))
  }
}
