import FoundationEssentials
import SoniqCore
import SoniqGraph
import SoniqQuantizers

/// Element types by ONNX's numbers.
enum OnnxType: Int32, Sendable {
  case float32 = 1
  case uint8 = 2
  case int8 = 3
  case uint16 = 4
  case int16 = 5
  case int32 = 6
  case int64 = 7
  case bool = 9
  case float16 = 10
  case float64 = 11
  case uint32 = 12
  case uint64 = 13
  case bfloat16 = 16
  case float8e4m3fn = 17
  case float8e4m3fnuz = 18
  case float8e5m2 = 19
  case float8e5m2fnuz = 20
  case uint4 = 21
  case int4 = 22
  case float4e2m1 = 23
  case float8e8m0 = 24
  case uint2 = 25
  case int2 = 26

  var isFloat: Bool { [.float32, .float16, .float64, .bfloat16].contains(self) || isTinyFloat }
  /// Floats that are rounded where a model casts to them.
  var isTinyFloat: Bool {
    switch self {
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float4e2m1, .float8e8m0: true
    default: false
    }
  }
  var isWhole: Bool { !isFloat && self != .bool }
  /// The type of values that are narrower than what is computed with.
  var narrow: ElementType? {
    switch self {
    case .float16: .float16
    case .int8: .int8
    case .uint8: .uint8
    default: nil
    }
  }
  var bitCount: Int {
    switch self {
    case .uint2, .int2: 2
    case .uint4, .int4, .float4e2m1: 4
    case .uint8, .int8, .bool, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0: 8
    case .uint16, .int16, .float16, .bfloat16: 16
    case .float32, .int32, .uint32: 32
    case .int64, .uint64, .float64: 64
    }
  }
  var isSigned: Bool { [.int2, .int4, .int8, .int16, .int32, .int64].contains(self) }

  /// ONNX's name of a type number, also of those that are not read.
  static func name(_ number: Int32) -> String {
    let names = [
      "undefined", "float", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16",
      "double", "uint32", "uint64", "complex64", "complex128", "bfloat16", "float8e4m3fn", "float8e4m3fnuz",
      "float8e5m2", "float8e5m2fnuz", "uint4", "int4", "float4e2m1", "float8e8m0", "uint2", "int2",
    ]
    return names.indices.contains(Int(number)) ? names[Int(number)] : "number \(number)"
  }
}

extension OnnxFile {
  /// A tensor's elements, checked against its shape.
  func tensor(_ proto: TensorProto) throws(PackError) -> KnownTensor {
    func fail(_ message: String) -> PackError {
      PackError(.data, file: path, place: "tensor \(proto.name)", message)
    }
    guard let type = OnnxType(rawValue: proto.dataType) else {
      throw fail("elements of type \(OnnxType.name(proto.dataType)) are not supported")
    }
    var shape: [Int] = []
    var count = 1
    guard proto.dims.count <= 16 else { throw fail("\(proto.dims.count) dimensions") }
    for size in proto.dims {
      guard size <= Int64(Int32.max), let product = checkedProduct(count, Int(size)) else {
        throw fail("dimension \(size) is not possible")
      }
      count = product
      shape.append(Int(size))
    }
    guard count > 0 || knownCount(shape) != nil else { throw fail("shape \(shape) is too large") }
    guard let bitCount = checkedProduct(count, type.bitCount), bitCount <= Int.max - 7 else {
      throw fail("shape \(shape) is too large")
    }
    let byteCount = (bitCount + 7) / 8
    if proto.dataLocation == 1 {
      let bytes = try externalData.bytes(proto.externalData, tensor: proto.name, byteCount: byteCount)
      return KnownTensor(
        shape: shape, type: type, elements: bytes.withUnsafeBytes { Self.elements($0, type, count) })
    }
    guard proto.dataLocation == 0 else { throw fail("data location \(proto.dataLocation) is unknown") }
    let elements: KnownTensor.Elements
    if proto.hasRawData {
      guard proto.rawData.count == byteCount else {
        throw fail("\(proto.rawData.count) bytes stored, shape \(shape) of \(type) needs \(byteCount)")
      }
      elements = proto.rawData.withUnsafeBytes { Self.elements($0, type, count) }
    } else {
      elements = Self.typedElements(proto, type, count)
    }
    guard elements.count == count else {
      throw fail("\(elements.count) elements stored, shape \(shape) needs \(count)")
    }
    return KnownTensor(shape: shape, type: type, elements: elements)
  }

  /// Little-endian elements, as raw_data and external files hold them.
  private static func elements(
    _ bytes: UnsafeRawBufferPointer, _ type: OnnxType, _ count: Int
  ) -> KnownTensor.Elements {
    switch type {
    case .uint2, .int2, .uint4, .int4: .integers(parts(bytes.map { $0 }, type, count))
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float4e2m1, .float8e8m0:
      .floats(tinyFloats(bytes.map { $0 }, type, count))
    case .float32: .floats(list(bytes, Float.self) { $0 })
    case .float64: .floats(list(bytes, Double.self) { Float($0) })
    case .float16: .floats(list(bytes, UInt16.self) { Binary16.value($0) })
    case .bfloat16: .floats(list(bytes, UInt16.self) { Float(bitPattern: UInt32($0) << 16) })
    case .uint8: .integers(list(bytes, UInt8.self) { Int64($0) })
    case .bool: .integers(list(bytes, UInt8.self) { $0 == 0 ? 0 : 1 })
    case .int8: .integers(list(bytes, Int8.self) { Int64($0) })
    case .uint16: .integers(list(bytes, UInt16.self) { Int64($0) })
    case .int16: .integers(list(bytes, Int16.self) { Int64($0) })
    case .int32: .integers(list(bytes, Int32.self) { Int64($0) })
    case .uint32: .integers(list(bytes, UInt32.self) { Int64($0) })
    case .int64: .integers(list(bytes, Int64.self) { $0 })
    case .uint64: .integers(list(bytes, UInt64.self) { Int64(clamping: $0) })
    }
  }

  /// Elements of 2 or 4 bits, the first one in a byte's lowest.
  private static func parts(_ bytes: [UInt8], _ type: OnnxType, _ count: Int) -> [Int64] {
    let (bits, each) = (type.bitCount, 8 / type.bitCount)
    return (0..<min(count, bytes.count * each)).map { place in
      let code = Int64(bytes[place / each] >> UInt8(place % each * bits)) & ((1 << bits) - 1)
      return type.isSigned && code >= 1 << (bits - 1) ? code - 1 << bits : code
    }
  }

  private static func tinyFloats(_ bytes: [UInt8], _ type: OnnxType, _ count: Int) -> [Float] {
    let codes = type.bitCount == 4 ? parts(bytes, type, count).map { Int($0) } : bytes.map { Int($0) }
    guard let floats = NarrowFloats(type) else { return codes.map(NarrowFloats.power) }
    return codes.map { floats.number($0, bits: type.bitCount) }
  }

  private static func list<Stored: BitwiseCopyable, Result>(
    _ bytes: UnsafeRawBufferPointer, _ type: Stored.Type, _ convert: (Stored) -> Result
  ) -> [Result] {
    let stride = MemoryLayout<Stored>.stride
    return (0..<bytes.count / stride).map {
      convert(bytes.loadUnaligned(fromByteOffset: $0 * stride, as: type))
    }
  }

  /// The typed fields, which hold small types in wider ones.
  private static func typedElements(
    _ proto: TensorProto, _ type: OnnxType, _ count: Int
  ) -> KnownTensor.Elements {
    switch type {
    case .uint2, .int2, .uint4, .int4:
      .integers(parts(proto.int32Data.map { UInt8(truncatingIfNeeded: $0) }, type, count))
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float4e2m1, .float8e8m0:
      .floats(tinyFloats(proto.int32Data.map { UInt8(truncatingIfNeeded: $0) }, type, count))
    case .float32: .floats(proto.floatData)
    case .float64: .floats(proto.doubleData.map { Float($0) })
    case .float16: .floats(proto.int32Data.map { Binary16.value(UInt16(truncatingIfNeeded: $0)) })
    case .bfloat16:
      .floats(proto.int32Data.map { Float(bitPattern: UInt32(UInt16(truncatingIfNeeded: $0)) << 16) })
    case .int64: .integers(proto.int64Data)
    case .uint32, .uint64: .integers(proto.uint64Data.map { Int64(clamping: $0) })
    case .bool: .integers(proto.int32Data.map { $0 == 0 ? 0 : 1 })
    case .uint8: .integers(proto.int32Data.map { Int64(UInt8(truncatingIfNeeded: $0)) })
    case .int8: .integers(proto.int32Data.map { Int64(Int8(truncatingIfNeeded: $0)) })
    case .uint16: .integers(proto.int32Data.map { Int64(UInt16(truncatingIfNeeded: $0)) })
    case .int16: .integers(proto.int32Data.map { Int64(Int16(truncatingIfNeeded: $0)) })
    case .int32: .integers(proto.int32Data.map { Int64($0) })
    }
  }
}
