import SoniqCore
import SoniqQuantizers

/// Element types of tensors that the packer can read.
package enum TensorElement: String, Sendable, Hashable {
  case float64 = "F64"
  case float32 = "F32"
  case float16 = "F16"
  case bfloat16 = "BF16"
  case float8E4M3 = "F8_E4M3"
  case float8E5M2 = "F8_E5M2"
  case int64 = "I64"
  case int32 = "I32"
  case int16 = "I16"
  case int8 = "I8"
  case uint8 = "U8"
  case boolean = "BOOL"

  package var byteCount: Int {
    switch self {
    case .float64, .int64: 8
    case .float32, .int32: 4
    case .float16, .bfloat16, .int16: 2
    case .int8, .uint8, .boolean, .float8E4M3, .float8E5M2: 1
    }
  }
  package var isFloat: Bool { [.float64, .float32, .float16, .bfloat16].contains(self) }
  /// Numbers that mean something with the scales beside them.
  package var isFloat8: Bool { self == .float8E4M3 || self == .float8E5M2 }
}

/// A tensor inside a mapped file, row-major, little-endian, possibly unaligned.
package struct StoredTensor: Sendable {
  package var name: String
  package var element: TensorElement
  package var shape: [Int]
  /// Range of the file's bytes.
  package var range: Range<Int>

  package var count: Int { range.count / element.byteCount }
}

/// A file of named tensors.
package struct TensorFile: Sendable {
  package let file: MappedFile
  package let tensors: [String: StoredTensor]

  package var path: String { file.path }

  private func tensor(_ name: String) throws(PackError) -> StoredTensor {
    guard let tensor = tensors[name] else {
      throw PackError(.data, file: path, place: "tensor \(name)", "missing")
    }
    return tensor
  }

  /// A tensor of real numbers as float32.
  /// * shape: what the shape must be.
  ///
  /// - Throws: `data` when it is missing, of another shape or type, or holds NaN or an infinity.
  package func floats(_ name: String, shape: [Int]) throws(PackError) -> [Float] {
    let tensor = try tensor(name)
    let place = "tensor \(name)"
    guard tensor.shape == shape else {
      throw PackError(.data, file: path, place: place, "shape \(tensor.shape), expected \(shape)")
    }
    guard tensor.element.isFloat else {
      let known = "F32, F16, BF16 or F64"
      throw PackError(.data, file: path, place: place, "type \(tensor.element.rawValue), expected \(known)")
    }
    let floats = decode(tensor)
    if let index = floats.firstIndex(where: { !$0.isFinite }) {
      let what = floats[index].isNaN ? "NaN" : "an infinite value"
      throw PackError(.data, file: path, place: place, "\(what) at element \(index)")
    }
    return floats
  }

  /// A tensor of whole numbers. Throws when it is missing or not of an integer type.
  package func integers(_ name: String) throws(PackError) -> (shape: [Int], values: [Int64]) {
    let tensor = try tensor(name)
    let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[tensor.range])
    let values: [Int64]
    switch tensor.element {
    case .int64: values = elements(bytes, Int64.self) { $0 }
    case .int32: values = elements(bytes, Int32.self) { Int64($0) }
    case .int16: values = elements(bytes, Int16.self) { Int64($0) }
    case .int8: values = elements(bytes, Int8.self) { Int64($0) }
    case .uint8, .boolean: values = elements(bytes, UInt8.self) { Int64($0) }
    case .float64, .float32, .float16, .bfloat16, .float8E4M3, .float8E5M2:
      throw PackError(
        .data, file: path, place: "tensor \(name)",
        "type \(tensor.element.rawValue), expected whole numbers (I32 or I64)")
    }
    return (tensor.shape, values)
  }

  private func decode(_ tensor: StoredTensor) -> [Float] {
    let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[tensor.range])
    switch tensor.element {
    case .float64: return elements(bytes, Double.self) { Float($0) }
    case .float32: return elements(bytes, Float.self) { $0 }
    case .float16: return elements(bytes, UInt16.self) { Binary16.value($0) }
    case .bfloat16: return elements(bytes, UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
    default: return []
    }
  }

  private func elements<Stored: BitwiseCopyable, Result>(
    _ bytes: UnsafeRawBufferPointer, _ type: Stored.Type, _ convert: (Stored) -> Result
  ) -> [Result] {
    let stride = MemoryLayout<Stored>.stride
    return (0..<bytes.count / stride).map { index in
      convert(bytes.loadUnaligned(fromByteOffset: index * stride, as: type))
    }
  }
}
