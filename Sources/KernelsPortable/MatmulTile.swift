import CKernelABI

/// Channels that are decoded at a time: a tile of planes, 4 of nibbles, 8 of bytes.
let blockChannels = 32

/// The stored weights of 32 channels by 16 outputs: [channel][output].
typealias WeightBlock = InlineArray<512, Int16>

/// One panel of stored weights.
struct PanelSource {
  let bytes: UnsafePointer<UInt8>
  let layout: Int
  let planeStride: Int
  let bits: Int

  /// Decodes the stored weights of `count` (<= 32) channels from `channel` (a multiple of 32).
  @inline(__always)
  func decode(_ channel: Int, _ count: Int, _ block: inout WeightBlock) {
    switch layout {
    case SNQ_BYTES: decodeBytes(bytes + channel * 16, count, isSigned: true, &block)
    case SNQ_UNSIGNED_BYTES: decodeBytes(bytes + channel * 16, count, isSigned: false, &block)
    case SNQ_NIBBLES: decodeNibbles(bytes + channel * 8, count, &block)
    default: decodePlanes(bytes + channel * 2, planeStride, bits, count, &block)
    }
  }
}

/// 64-byte tile = 16 outputs x 4 channels: byte 4 * output + channel.
@inline(__always)
private func decodeBytes(
  _ bytes: UnsafePointer<UInt8>, _ count: Int, isSigned: Bool, _ block: inout WeightBlock
) {
  for channel in 0..<count {
    let tile = bytes + channel / 4 * 64 + channel % 4
    for output in 0..<16 {
      let byte = tile[output &* 4]
      block[unchecked: channel &* 16 &+ output] = isSigned ? Int16(Int8(bitPattern: byte)) : Int16(byte)
    }
  }
}

/// 64-byte tile = 16 outputs x 8 channels: channels 0-3 in the low nibbles, 4-7 in the high ones.
@inline(__always)
private func decodeNibbles(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ block: inout WeightBlock) {
  for channel in 0..<count {
    let tile = bytes + channel / 8 * 64 + channel % 4
    let shift = UInt8(truncatingIfNeeded: channel % 8 / 4 * 4)
    for output in 0..<16 {
      block[unchecked: channel &* 16 &+ output] = Int16(tile[output &* 4] &>> shift & 15)
    }
  }
}

/// 64-byte tile = 16 outputs x 32 channels x 1 bit, planes from the most significant.
@inline(__always)
private func decodePlanes(
  _ bytes: UnsafePointer<UInt8>, _ planeStride: Int, _ bits: Int, _ count: Int,
  _ block: inout WeightBlock
) {
  for channel in 0..<count {
    let tile = bytes + channel % 16 / 4
    let shift = UInt8(truncatingIfNeeded: channel / 16 * 4 + channel % 4)
    for output in 0..<16 {
      var stored: Int16 = 0
      for plane in 0..<bits {
        stored = stored &<< 1 | Int16(tile[plane &* planeStride &+ output &* 4] &>> shift & 1)
      }
      block[unchecked: channel &* 16 &+ output] = stored
    }
  }
}
