import SoniqCore
import SoniqGraph

/// Rows of a GGUF tensor as real numbers, whatever its type.
struct GGUFRows: StoredRows {
  let tensor: GGUFTensor
  let length: Int
  private let format: BlockFormat?

  /// - Throws: `data` for a type that nothing can be made of.
  init(_ tensor: GGUFTensor) throws(PackError) {
    self.tensor = tensor
    length = tensor.shape[tensor.shape.count - 1]
    format = BlockFormat(tensor.type)
    guard format != nil || Self.plain.contains(tensor.type.name) else {
      throw tensor.fault("type \(tensor.type.name) cannot be packed; \(Self.advice)")
    }
  }

  private static let plain = ["F32", "F16", "BF16"]
  static let advice =
    "known: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K to Q6_K, IQ4_NL, IQ4_XS, TQ1_0, TQ2_0, MXFP4, "
    + "Q1_0, Q2_0. Make a file of one of these from the model's float weights"

  var count: Int { tensor.shape.dropLast().reduce(1, *) }

  func fault(_ message: String) -> PackError { tensor.fault(message) }

  /// - Throws: `data` for numbers that are not finite.
  func read(_ row: Int, into target: UnsafeMutableBufferPointer<Float>) throws(PackError) {
    let bytes = UnsafeRawBufferPointer(
      rebasing: tensor.bytes[row * tensor.rowBytes..<(row + 1) * tensor.rowBytes])
    if let format {
      decode(bytes, format, target)
    } else {
      for index in 0..<length { target[index] = number(bytes, index) }
    }
    guard let odd = target.prefix(length).firstIndex(where: { !$0.isFinite }) else { return }
    throw tensor.fault("the number at [\(row), \(odd)] is \(target[odd]); numbers must be finite")
  }

  private func number(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> Float {
    switch tensor.type.name {
    case "F32": bytes.loadUnaligned(fromByteOffset: index * 4, as: Float.self)
    case "F16": Binary16.value(bytes.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self))
    default:
      Float(bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)) << 16)
    }
  }

  private func decode(
    _ bytes: UnsafeRawBufferPointer, _ format: BlockFormat, _ target: UnsafeMutableBufferPointer<Float>
  ) {
    let blockLength = tensor.type.blockLength
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: blockLength) { codes in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: 32) { numbers in
        guard let codes = codes.baseAddress, let numbers = numbers.baseAddress,
          let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        else { return }
        for block in 0..<length / blockLength {
          format.decode(
            start + block * tensor.type.blockBytes, codes,
            GroupNumbers(scales: numbers, offsets: numbers + 16))
          for index in 0..<blockLength {
            let group = index / format.layout.groupLength
            let product = numbers[group] * Float(format.layout.code.integer(Int(codes[index])))
            target[block * blockLength + index] =
              format.layout.hasOffsets ? product + numbers[16 + group] : product
          }
        }
      }
    }
  }
}
