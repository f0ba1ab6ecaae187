import SoniqGraph

/// Remainders, and what goes by the bits of whole numbers.
extension OnnxConversion {
  /// The remainder with the sign of the dividend (fmod) or else of the divisor.
  mutating func modulo() throws(PackError) -> [ValueID] {
    let (left, right) = (try input(0), try input(1))
    if draft.values[left].elementType == .float32 || draft.values[right].elementType == .float32 {
      let rest = try binary(.remainder, left, right)
      if node.flag("fmod") { return [rest] }
      return [try withSignOfDivisor(rest, real(right), zero: scalar(0))]
    }
    if let place = try placeInSize(left, right) { return [place] }
    let quotient = try binary(.divide, left, right)
    let rest = try binary(.subtract, left, binary(.multiply, quotient, right))
    // Of sizes there is no sign.
    if let divisor = draft.known(right)?.integers, divisor.allSatisfy({ $0 > 0 }),
      let known = draft.known(left),
      known.integers == nil, let sizes = known.extents, sizes.allSatisfy({ draft.isAtMost(Extent(0), $0) })
    {
      return [rest]
    }
    return [node.flag("fmod") ? rest : try withSignOfDivisor(rest, right, zero: integer(0))]
  }

  /// A number modulo a dynamic size, as a place that slices begin and end at when something is rolled: the number, from the end
  /// where it is below 0. A size that is no greater leaves a slice of nothing, and makes the run an error.
  private mutating func placeInSize(_ left: ValueID, _ right: ValueID) throws(PackError) -> ValueID? {
    guard let number = draft.known(left)?.integers, number.count == 1, let sizes = draft.known(right),
      sizes.integers == nil, let size = sizes.extents?.first, sizes.count == 1, !node.flag("fmod"),
      number[0].magnitude <= UInt64(maximumDimension), draft.isAtMost(Extent(1), size)
    else { return nil }
    let isSliced =
      node.outputs.first.flatMap { name in
        scopes.last?.uses.users(of: name).map { $0.allSatisfy { $0.type == "Slice" } }
      } ?? false
    let amount = Extent(Int(number[0]))
    guard isSliced || number[0] == 0, let place = number[0] < 0 ? size.plus(amount) : amount else {
      return nil
    }
    let bound = constant(
      KnownTensor(shape: sizes.shape, type: sizes.type, elements: .sizes([place])).simplified)
    boundsWithin.insert(bound)
    return bound
  }

  private mutating func withSignOfDivisor(
    _ rest: ValueID, _ divisor: ValueID, zero: ValueID
  ) throws(PackError) -> ValueID {
    let differs = try binary(.xor, binary(.less, rest, zero), binary(.less, divisor, zero))
    let isThere = try tensor(.unary(.not), binary(.equal, rest, zero))
    return try tensor(.select, binary(.and, differs, isThere), binary(.add, rest, divisor), rest)
  }

  /// Two whole numbers by their bits.
  mutating func bitwise(_ function: BinaryFunction) throws(PackError) -> [ValueID] {
    [try binary(function, wholeInput(0), wholeInput(1))]
  }

  mutating func bitwiseNot() throws(PackError) -> [ValueID] {
    let (input, type) = (try wholeInput(0), try wholeType(0))
    let ones: Int64 =
      switch type {
      case .uint8: 0xff
      case .uint16: 0xffff
      default: -1
      }
    return [try binary(.bitXor, input, integer(ones))]
  }

  mutating func bitShift() throws(PackError) -> [ValueID] {
    let (number, count, type) = (try wholeInput(0), try wholeInput(1), try wholeType(0))
    switch node.text("direction") {
    case "RIGHT":
      let shifted = try binary(.shiftRight, number, count)
      return [type == .uint32 ? try withoutSign(shifted, movedBy: count) : shifted]
    case "LEFT":
      let shifted = try binary(.shiftLeft, number, count)
      switch type {
      case .uint16: return [try binary(.bitAnd, shifted, integer(0xffff))]
      case .int16:
        let high = try binary(.shiftLeft, shifted, integer(16))
        return [try binary(.shiftRight, high, integer(16))]
      default: return [try asBytes(shifted, type)]
      }
    case let direction: throw fault("its direction is \(direction ?? "not stated")")
    }
  }

  /// Without the ones that came in from the left where the highest of 32 bits was one.
  private mutating func withoutSign(
    _ shifted: ValueID, movedBy count: ValueID
  ) throws(PackError) -> ValueID {
    let ones = try binary(.shiftLeft, integer(-1), binary(.subtract, integer(32), count))
    let kept = try binary(.bitAnd, shifted, binary(.bitXor, ones, integer(-1)))
    return try tensor(.select, binary(.equal, count, integer(0)), shifted, kept)
  }

  private mutating func wholeInput(_ index: Int) throws(PackError) -> ValueID {
    let value = try input(index)
    guard draft.values[value].elementType == .int32 else { throw fault("bits of real numbers") }
    return value
  }

  /// The type that says how many bits there are, and whether one is a sign.
  private mutating func wholeType(_ index: Int) throws(PackError) -> OnnxType {
    let name = node.inputs[index]
    guard let type = try statedType(name) else {
      throw fault("the type of \"\(name)\" does not show; put a Cast before it")
    }
    guard type.isWhole, type.bitCount >= 8 else {
      throw fault("bits of \(type)")
    }
    return type
  }

  /// Operators that put out the type of their first input.
  private static let keepers: Set<String> = [
    "Abs", "Add", "BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "Clip", "Concat",
    "Div", "Expand", "Flatten", "Gather", "Identity", "Max", "Min", "Mod", "Mul", "Neg", "Pad", "Reshape",
    "Slice", "Split", "Squeeze", "Sub", "Tile", "Transpose", "Unsqueeze",
  ]

  mutating func statedType(_ name: String) throws(PackError) -> OnnxType? {
    if let type = statedTypes[name] { return type }
    return draft.known(try value(named: name))?.type
  }

  /// The type of the node's outputs, where that is simple.
  mutating func typeOfOutputs() throws(PackError) -> OnnxType? {
    if node.type == "Cast" {
      return OnnxType(rawValue: Int32(truncatingIfNeeded: node.integer("to", default: 0)))
    }
    if node.type == "CastLike" { return try statedType(node.inputs[1]) }
    if node.type == "QuantizeLinear" { return try typeOfCodes() }
    guard Self.keepers.contains(node.type), let first = node.inputs.first, !first.isEmpty else { return nil }
    return try statedType(first)
  }
}
