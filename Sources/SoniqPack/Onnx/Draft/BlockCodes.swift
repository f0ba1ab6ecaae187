import SoniqCore
import SoniqGraph
import SoniqQuantizers

/// The weights of a layer as codes with a scale, and maybe a zero point, for each block of channels:
/// weight = scale * (code - zero).
struct BlockCodes: Sendable, Hashable {
  /// 2, 4 or 8.
  let bits: Int
  /// Channels of a block: a power of two, at least 16. The last block of an output may have fewer.
  let length: Int
  let channels: Int
  /// Row-major [outputs][channels], below 2^bits; sorted by block.
  var codes: [UInt8]
  /// [outputs][blocks]
  var scales: [Float]
  /// [outputs][blocks]; nil: 2^(bits - 1) everywhere.
  var zeros: [Float]?
  /// Sorted place -> input channel, where blocks are not of neighbours.
  var order: [Int]?

  var blocks: Int { (channels + length - 1) / length }
  private var middle: Float { Float(1 << (bits - 1)) }

  /// The weights as real numbers, [outputs][channels].
  var values: [Float] {
    var values = [Float](repeating: 0, count: codes.count)
    for output in 0..<codes.count / channels {
      for place in 0..<channels {
        let block = output * blocks + place / length
        let column = order?[place] ?? place
        values[output * channels + column] =
          (Float(codes[output * channels + place]) - (zeros?[block] ?? middle)) * scales[block]
      }
    }
    return values
  }

  /// A packed matrix of the very codes. Activations are rounded by block, as ONNX Runtime rounds them at accuracy level 4.
  func matrix(outputs: Int, bias: [Float]?, store: ConstantStore) throws(QuantizationError) -> Constant {
    let (length, times) = length > 128 ? (128, self.length / 128) : (self.length, 1)
    let zero = commonZero
    let offsets = zero == nil ? scales.indices.map { scales[$0] * (middle - (zeros?[$0] ?? middle)) } : nil
    let layouts: [Int: WeightLayout] = [2: .nibbles, 4: .nibbles, 8: .unsignedBytes]
    let level = Level(
      weight: WeightCode(kind: .affine, bits: bits, zero: zero ?? Int(middle), layout: layouts[bits]),
      activation: ActivationCode(kind: .symmetric, bits: 8, scaling: .dynamicPerGroup(channels: length)))
    let count = (channels + length - 1) / length
    func cut(_ numbers: [Float]) -> [Float] {
      guard times > 1 else { return numbers }
      return (0..<outputs * count).map { numbers[$0 / count * blocks + $0 % count / times] }
    }
    let run = QuantizedRun(
      level: level, channels: channels, codes: codes,
      groups: CodeGroups(length: length, scales: cut(scales), offsets: offsets.map(cut)))
    return .matrix(
      try PackedMatrixBuilder(store: store).matrix(
        outputs: outputs, runs: [run], gather: order.map { $0.map { UInt32($0) } }, bias: bias))
  }

  /// The zero point that all blocks have, where it is a code; nil where they differ.
  private var commonZero: Int? {
    guard let zeros else { return Int(middle) }
    guard let first = zeros.first, zeros.allSatisfy({ $0 == first }), let zero = Int(exactly: first),
      (0..<1 << bits).contains(zero)
    else { return nil }
    return zero
  }
}

extension BlockCodes {
  /// The outputs of several layers of one input, one after the other; nil when their blocks differ.
  init?(joining parts: [BlockCodes]) {
    guard let first = parts.first,
      parts.allSatisfy({
        $0.bits == first.bits && $0.length == first.length && $0.channels == first.channels
          && $0.order == first.order
      })
    else { return nil }
    self = first
    codes = parts.flatMap(\.codes)
    scales = parts.flatMap(\.scales)
    guard parts.contains(where: { $0.zeros != nil }) else { return }
    zeros = parts.flatMap { $0.zeros ?? [Float](repeating: first.middle, count: $0.scales.count) }
  }
}
