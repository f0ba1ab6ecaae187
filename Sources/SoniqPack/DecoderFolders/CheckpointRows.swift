import SoniqCore
import SoniqGraph

/// Rows of a tensor of real numbers.
struct CheckpointRows: StoredRows {
  let file: TensorFile
  let tensor: StoredTensor

  init(_ file: TensorFile, _ tensor: StoredTensor) throws(PackError) {
    (self.file, self.tensor) = (file, tensor)
    guard tensor.element.isFloat else {
      throw fault("type \(tensor.element.rawValue), expected F32, F16, BF16 or F64")
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
      let number = number(bytes, index * size)
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
    default: bytes.loadUnaligned(fromByteOffset: place, as: Float.self)
    }
  }
}
