import SoniqCore
import SoniqGraph

/// How a block type of GGUF files lies in a level of a packed matrix, without loss: docs/format.md, section 14.
struct BlockFormat: Sendable {
  /// Takes one block apart: its codes, and the scales and offsets of its groups.
  typealias Decoder =
    @Sendable (UnsafePointer<UInt8>, _ codes: UnsafeMutablePointer<UInt8>, _ numbers: GroupNumbers) -> Void

  var layout: GroupedLayout
  var decode: Decoder

  init(
    _ code: WeightCode, _ groupLength: Int, _ numbers: GroupNumber, hasOffsets: Bool = false,
    _ decode: @escaping Decoder
  ) {
    layout = GroupedLayout(code: code, groupLength: groupLength, numbers: numbers, hasOffsets: hasOffsets)
    self.decode = decode
  }

  /// nil for types that are no codes with scales.
  init?(_ type: GGUFTensorType) {
    guard let known = Self.known[type.name] else { return nil }
    self = known
  }

  private static func affine(_ bits: Int, zero: Int = 0) -> WeightCode {
    WeightCode(kind: .affine, bits: bits, zero: zero, layout: bits > 4 ? .unsignedBytes : nil)
  }

  private static let nonlinear = WeightCode.codebook([
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
  ])
  private static let float4 = WeightCode.codebook([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12])

  private static let known: [String: BlockFormat] = [
    "Q8_0": BlockFormat(affine(8, zero: 128), 32, .float16, Blocks.q8_0),
    "Q4_0": BlockFormat(affine(4, zero: 8), 32, .float16, Blocks.nibbles),
    "Q4_1": BlockFormat(affine(4), 32, .float16, hasOffsets: true, Blocks.nibblesWithMinimum),
    "Q5_0": BlockFormat(affine(5, zero: 16), 32, .float16, Blocks.fiveBits),
    "Q5_1": BlockFormat(affine(5), 32, .float16, hasOffsets: true, Blocks.fiveBitsWithMinimum),
    "IQ4_NL": BlockFormat(nonlinear, 32, .float16, Blocks.nibbles),
    "MXFP4": BlockFormat(float4, 32, .float32, Blocks.mxfp4),
    "TQ1_0": BlockFormat(affine(2, zero: 1), 128, .float16, Blocks.tq1_0),
    "TQ2_0": BlockFormat(affine(2, zero: 1), 128, .float16, Blocks.tq2_0),
    "Q1_0": BlockFormat(.bipolar(1), 128, .float16, Blocks.q1_0),
    "Q2_0": BlockFormat(affine(2, zero: 1), 64, .float16, Blocks.q2_0),
    "Q2_K": BlockFormat(affine(2), 16, .float32, hasOffsets: true, Blocks.q2K),
    "Q3_K": BlockFormat(affine(3, zero: 4), 16, .float32, Blocks.q3K),
    "Q4_K": BlockFormat(affine(4), 32, .float32, hasOffsets: true, Blocks.q4K),
    "Q5_K": BlockFormat(affine(5), 32, .float32, hasOffsets: true, Blocks.q5K),
    "Q6_K": BlockFormat(affine(6, zero: 32), 16, .float32, Blocks.q6K),
    "IQ4_XS": BlockFormat(nonlinear, 32, .float32, Blocks.iq4XS),
  ]
}

/// The block types: each function takes a block of its type apart. Order of fields and bits: the formats' own.
enum Blocks {
  @inline(__always)
  static func half(_ block: UnsafePointer<UInt8>, _ place: Int) -> Float {
    Binary16.value(UInt16(block[place]) | UInt16(block[place + 1]) << 8)
  }

  /// The low halves of some bytes, then the high ones.
  @inline(__always)
  static func halves(
    _ bytes: UnsafePointer<UInt8>, _ codes: UnsafeMutablePointer<UInt8>, count: Int = 16
  ) {
    for index in 0..<count {
      codes[index] = bytes[index] & 15
      codes[count + index] = bytes[index] >> 4
    }
  }
}
