import SoniqCore
import SoniqGraph

/// Rows of a tensor of real numbers.
struct CheckpointRows: StoredRows {
  let file: TensorFile
  let tensor: StoredTensor
  private let scales: BlockScales?

  /// * scales: what blocks are multiplied with.
  init(_ file: TensorFile, _ tensor: StoredTensor, scales: BlockScales? = nil) throws(PackError) {
    (self.file, self.tensor, self.scales) = (file, tensor, scales)
    guard tensor.element.isFloat || tensor.element.isFloat8 else {
      throw fault("type \(tensor.element.rawValue), expected F32, F16, BF16, F64, F8_E4M3 or F8_E5M2")
    }
    guard tensor.shape.count == 2, tensor.shape.allSatisfy({ (1...maximumDimension).contains($0) }) else {
      throw fault("shape \(tensor.shape), expected a matrix")
    }
  }

  var count: Int { tensor.shape[0] }
  var length: Int { tensor.shape[1] }

  func fault(_ message: String) -> PackError {
    PackError(.data, file: file.path, place: "tensor \(tensor.name)", message)
  }

  func read(_ row: Int, into target: UnsafeMutableBufferPointer<Float>) throws(PackError) {
    let size = tensor.element.byteCount
    let start = tensor.range.lowerBound + row * length * size
    let bytes = UnsafeRawBufferPointer(rebasing: file.file.bytes[start..<start + length * size])
    for index in 0..<length {
      let stored = number(bytes, index * size)
      let number = scales.map { stored * $0.number(row, index) } ?? stored
      guard number.isFinite else {
        throw fault("the number at [\(row), \(index)] is \(number); numbers must be finite")
      }
      target[index] = number
    }
  }

  private func number(_ bytes: UnsafeRawBufferPointer, _ place: Int) -> Float {
    switch tensor.element {
    case .float64: Float(bytes.loadUnaligned(fromByteOffset: place, as: Double.self))
    case .float16: Binary16.value(bytes.loadUnaligned(fromByteOffset: place, as: UInt16.self))
    case .bfloat16:
      Float(bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: place, as: UInt16.self)) << 16)
    // The upper half of a binary16.
    case .float8E5M2: Binary16.value(UInt16(bytes[place]) << 8)
    case .float8E4M3: Self.float8(bytes[place])
    default: bytes.loadUnaligned(fromByteOffset: place, as: Float.self)
    }
  }

  /// A sign, four bits of exponent and three more; no infinity, and one NaN of each sign.
  private static func float8(_ byte: UInt8) -> Float {
    let (exponent, rest) = (Int(byte >> 3 & 15), Float(byte & 7) / 8)
    let magnitude: Float =
      if byte & 127 == 127 { .nan } else if exponent == 0 { rest / 64 } else {
        (1 + rest) * Float(sign: .plus, exponent: exponent - 7, significand: 1)
      }
    return byte < 128 ? magnitude : -magnitude
  }
}
