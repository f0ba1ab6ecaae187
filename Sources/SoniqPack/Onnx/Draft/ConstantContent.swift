import SoniqGraph

/// What a constant is made of. Constants of one content are stored once, whichever nodes use them; those that are
/// packed in another way are others.
enum ConstantContent: Hashable {
  /// Operands, biases and the parameters of norms, which stay as they are.
  case floats(FloatBits, shape: [Int])
  case integers([Int32], shape: [Int])
  /// Operands of float16 (their bits), int8 and uint8.
  case narrow([UInt16], ElementType, shape: [Int])
  /// Of a linear layer (no taps) or one group of a convolution.
  case matrix(FloatBits, outputs: Int, taps: Int?, isImage: Bool, bias: FloatBits?, CodeGrid?)
  case depthwise(FloatBits, taps: Int, CodeGrid?)
  case table(FloatBits, rows: Int, CodeGrid?)
  case trained(TrainedCodes, outputs: Int, bias: FloatBits?)
  case blocks(BlockCodes, outputs: Int, bias: FloatBits?)
  case trainedTable(TrainedTable)
}

/// Floats that are equal when their bits are.
struct FloatBits: Hashable {
  let floats: [Float]

  init(_ floats: [Float]) { self.floats = floats }

  static func == (left: FloatBits, right: FloatBits) -> Bool {
    guard left.floats.count == right.floats.count else { return false }
    return left.floats.withUnsafeBufferPointer { first in
      right.floats.withUnsafeBufferPointer { second in
        first.baseAddress == second.baseAddress
          || first.indices.allSatisfy { first[$0].bitPattern == second[$0].bitPattern }
      }
    }
  }

  func hash(into hasher: inout Hasher) {
    floats.withUnsafeBytes { hasher.combine(bytes: $0) }
  }
}
