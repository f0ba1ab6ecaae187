import SoniqGraph

/// float16, int8 and uint8 are types of inputs, outputs and constants: everything between is computed in float32 and
/// int32. Casts stand where one becomes the other; `CastMerging` moves and joins them afterwards.
extension OnnxConversion {
  /// A value as operators compute with it.
  mutating func widened(_ value: ValueID, name: String) throws(PackError) -> ValueID {
    let type = draft.values[value].elementType
    if type.isComputed { return value }
    return try draft.tensor(.cast(type.isReal ? .float32 : .int32), [value], name: name)
  }

  /// An output in the type that the model states.
  mutating func narrowed(_ value: ValueID, _ output: ValueInfoProto) throws(PackError) -> ValueID {
    guard let stated = OnnxType(rawValue: output.type.tensorType.elemType), !draft.isEmpty(value) else {
      return value
    }
    if stated == .bfloat16, draft.values[value].elementType.isReal, draft.known(value)?.type != .bfloat16 {
      return try rounded(value, to: .bfloat16, saturates: false)
    }
    guard let narrow = stated.narrow else { return value }
    if !narrow.isReal, let codes = try codesOfMark(value, stated) { return codes }
    let isReal = draft.values[value].elementType.isReal
    guard narrow.isReal || !isReal else {
      throw PackError(.data, place: "output \(output.name)", "codes that are moved before they are put out")
    }
    guard narrow.isReal == isReal else { return value }
    return try draft.tensor(.cast(narrow), [value], name: output.name)
  }

  /// The narrow type that a value is cast from, also before it was moved; nil where it is not.
  func narrowType(of value: ValueID) -> OnnxType? {
    var value = value
    while let maker = draft.nodes.last(where: { $0.outputs.contains(value) }) {
      value = maker.inputs.first ?? value
      switch maker.operation {
      case .tensor(.transpose), .tensor(.reshape), .tensor(.slice), .tensor(.expand): continue
      case .tensor(.cast):
        switch draft.values[value].elementType {
        case .float16: return .float16
        case .int8: return .int8
        case .uint8: return .uint8
        case .float32, .int32: return nil
        }
      default: return nil
      }
    }
    return nil
  }

  /// Numbers as bytes have them: real ones saturate, whole ones keep their low bits. In int32 again.
  mutating func asBytes(_ value: ValueID, _ type: OnnxType) throws(PackError) -> ValueID {
    guard let narrow = type.narrow, !narrow.isReal else { return value }
    if let known = draft.known(value) {
      guard let bytes = known.bytes(isSigned: type == .int8) else {
        throw fault("it casts dynamic sizes to \(type)")
      }
      return constant(KnownTensor(shape: known.shape, type: type, elements: .integers(bytes)))
    }
    return try widened(tensor(.cast(narrow), value), name: node.name)
  }
}

extension KnownTensor {
  /// Its numbers as a cast to int8 or uint8 makes them; nil for dynamic sizes.
  fileprivate func bytes(isSigned: Bool) -> [Int64]? {
    if let integers {
      return integers.map {
        isSigned ? Int64(Int8(truncatingIfNeeded: $0)) : Int64(UInt8(truncatingIfNeeded: $0))
      }
    }
    let range: ClosedRange<Float> = isSigned ? -128...127 : 0...255
    return floats?.map { number in
      number.isNaN ? 0 : Int64(min(max(number, range.lowerBound), range.upperBound))
    }
  }
}
