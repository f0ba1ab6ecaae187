import SoniqCore

/// Codes of weights (4 bytes) and activations (8 bytes), as the tables hold them.
enum LevelCoding {
  static func readWeightCode(_ cursor: inout ByteCursor, _ field: String) throws(FormatError) -> WeightCode {
    let kind = try cursor.tag(CodeKind.self, "\(field).kind")
    let bits = try readBits(&cursor, kind, "\(field).bits")
    let zero = try readZero(&cursor, kind, bits, "\(field).zero")
    try cursor.reserved(1)
    return WeightCode(kind: kind, bits: bits, zero: zero)
  }

  static func readActivationCode(
    _ cursor: inout ByteCursor, _ field: String
  ) throws(FormatError) -> ActivationCode {
    let kind = try cursor.tag(CodeKind.self, "\(field).kind")
    let bits = try readBits(&cursor, kind, "\(field).bits")
    let tag = try cursor.tag(ScalingTag.self, "\(field).scaling")
    let zeroPlace = cursor.offset
    let zero = try readZero(&cursor, kind, bits, "\(field).zero")
    let scalePlace = cursor.offset
    let scale = try cursor.float("\(field).scale")
    switch tag {
    case .dynamicPerRow:
      guard zero == 0 else {
        throw cursor.fault(.reservedNotZero, "\(field).zero", at: zeroPlace, got: .integer(zero))
      }
      guard scale.bitPattern == 0 else {
        throw cursor.fault(.reservedNotZero, "\(field).scale", at: scalePlace, got: .real(Double(scale)))
      }
      return ActivationCode(kind: kind, bits: bits)
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

  static func write(_ code: ActivationCode, to sink: inout ByteSink) {
    sink.byte(Int(code.kind.rawValue))
    sink.byte(code.bits)
    switch code.scaling {
    case .dynamicPerRow:
      sink.byte(Int(ScalingTag.dynamicPerRow.rawValue))
      sink.zeros(5)
    case .fixed(let scale, let zero):
      sink.byte(Int(ScalingTag.fixed.rawValue))
      sink.byte(zero)
      sink.float(scale)
    }
  }
}
