import SoniqCore

/// Codes of weights (4 bytes; 20 of version 3) and activations (8 bytes), as the tables hold them.
enum LevelCoding {
  static func readWeightCode(_ cursor: inout ByteCursor, _ field: String) throws(FormatError) -> WeightCode {
    let kind = try readKind(&cursor, "\(field).kind") { $0.isPlain }
    let bits = try readBits(&cursor, kind, "\(field).bits")
    let zero = try readZero(&cursor, kind, bits, "\(field).zero")
    try cursor.reserved(1)
    return WeightCode(kind: kind, bits: bits, zero: zero)
  }

  /// The 20 bytes of version 3.
  static func readFullWeightCode(
    _ cursor: inout ByteCursor, _ field: String
  ) throws(FormatError) -> WeightCode {
    let kind = try readKind(&cursor, "\(field).kind") { $0.isOfWeights }
    let bits = try readBits(&cursor, kind, "\(field).bits")
    let zero = try readZero(&cursor, kind, bits, "\(field).zero")
    let layoutPlace = cursor.offset
    let layout = try cursor.tag(WeightLayout.self, "\(field).layout")
    guard layout.bitRange.contains(bits), kind != .codebook || layout.holdsCodebooks else {
      throw cursor.fault(
        .outOfRange, "\(field).layout", at: layoutPlace, got: .integer(Int(layout.rawValue)))
    }
    var code = WeightCode(kind: kind, bits: bits, zero: zero, layout: layout)
    for index in 0..<16 {
      let place = cursor.offset
      let entry = try cursor.byte("\(field).codebook")
      guard entry == 0 || (kind == .codebook && index < code.codeCount) else {
        throw cursor.fault(.reservedNotZero, "\(field).codebook", at: place, got: .integer(entry))
      }
      code.codebook[index] = Int8(truncatingIfNeeded: entry)
    }
    return code
  }

  private static func readKind(
    _ cursor: inout ByteCursor, _ field: String, _ isAllowed: (CodeKind) -> Bool
  ) throws(FormatError) -> CodeKind {
    let place = cursor.offset
    let kind = try cursor.tag(CodeKind.self, field)
    guard isAllowed(kind) else {
      throw cursor.fault(.unknownTag, field, at: place, got: .integer(Int(kind.rawValue)))
    }
    return kind
  }

  /// * isFull: of version 3. The length of groups, which follows elsewhere, is 0 in the result.
  static func readActivationCode(
    _ cursor: inout ByteCursor, _ field: String, isFull: Bool = false
  ) throws(FormatError) -> ActivationCode {
    let kind = try readKind(&cursor, "\(field).kind") { isFull ? $0.isOfActivations : $0.isPlain }
    let bits = try readBits(&cursor, kind, "\(field).bits")
    let tagPlace = cursor.offset
    let tag = try cursor.tag(ScalingTag.self, "\(field).scaling")
    guard tag != .dynamicPerGroup || (isFull && kind == .symmetric) else {
      throw cursor.fault(.unknownTag, "\(field).scaling", at: tagPlace, got: .integer(Int(tag.rawValue)))
    }
    let zeroPlace = cursor.offset
    let zero = try readZero(&cursor, kind, bits, "\(field).zero")
    let scalePlace = cursor.offset
    let scale = try cursor.float("\(field).scale")
    switch tag {
    case .dynamicPerRow, .dynamicPerGroup:
      guard zero == 0 else {
        throw cursor.fault(.reservedNotZero, "\(field).zero", at: zeroPlace, got: .integer(zero))
      }
      guard scale.bitPattern == 0 else {
        throw cursor.fault(.reservedNotZero, "\(field).scale", at: scalePlace, got: .real(Double(scale)))
      }
      return ActivationCode(
        kind: kind, bits: bits,
        scaling: tag == .dynamicPerRow ? .dynamicPerRow : .dynamicPerGroup(channels: 0))
    case .fixed:
      guard scale.isNormal, scale > 0 else {
        throw cursor.fault(.outOfRange, "\(field).scale", at: scalePlace, got: .real(Double(scale)))
      }
      return ActivationCode(kind: kind, bits: bits, scaling: .fixed(scale: scale, zero: zero))
    }
  }

  private static func readBits(
    _ cursor: inout ByteCursor, _ kind: CodeKind, _ field: String
  ) throws(FormatError) -> Int {
    let place = cursor.offset
    let bits = try cursor.byte(field)
    guard kind.bitRange.contains(bits) else {
      throw cursor.fault(.outOfRange, field, at: place, got: .integer(bits), expected: .range(kind.bitRange))
    }
    return bits
  }

  /// The code of 0: any affine code, 0 for bipolar codes.
  private static func readZero(
    _ cursor: inout ByteCursor, _ kind: CodeKind, _ bits: Int, _ field: String
  ) throws(FormatError) -> Int {
    let place = cursor.offset
    let zero = try cursor.byte(field)
    let range = 0...(kind == .affine ? (1 << bits) - 1 : 0)
    guard range.contains(zero) else {
      throw cursor.fault(.outOfRange, field, at: place, got: .integer(zero), expected: .range(range))
    }
    return zero
  }

  static func write(_ code: WeightCode, to sink: inout ByteSink) {
    sink.byte(Int(code.kind.rawValue))
    sink.byte(code.bits)
    sink.byte(code.zero)
    sink.zeros(1)
  }

  static func writeFull(_ code: WeightCode, to sink: inout ByteSink) {
    sink.byte(Int(code.kind.rawValue))
    sink.byte(code.bits)
    sink.byte(code.zero)
    sink.byte(Int(code.layout.rawValue))
    for index in 0..<16 { sink.byte(Int(code.codebook[index])) }
  }

  static func write(_ code: ActivationCode, to sink: inout ByteSink) {
    sink.byte(Int(code.kind.rawValue))
    sink.byte(code.bits)
    switch code.scaling {
    case .dynamicPerRow:
      sink.byte(Int(ScalingTag.dynamicPerRow.rawValue))
      sink.zeros(5)
    case .dynamicPerGroup:
      sink.byte(Int(ScalingTag.dynamicPerGroup.rawValue))
      sink.zeros(5)
    case .fixed(let scale, let zero):
      sink.byte(Int(ScalingTag.fixed.rawValue))
      sink.byte(zero)
      sink.float(scale)
    }
  }
}
