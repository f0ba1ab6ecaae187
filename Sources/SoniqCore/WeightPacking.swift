/// Codes to tiles and back: the bytes of one level of a packed matrix (docs/format.md, "Weight tiles").
///
/// A panel is 16 outputs by all padded channels. A tile is 64 bytes, one 32-bit lane an output:
/// - bytes: 4 channels; byte b is channel b, of 8 bits as signed code - 128; in unsigned bytes as it is.
/// - nibbles (1-4 bits): 8 channels; byte b holds channel b (low) and 4 + b (high).
/// - planes (1-7 bits): 32 channels by 1 bit; byte b holds channels 4b...4b+3 (low nibble) and
///   16+4b...16+4b+3 (high); planes follow each other, most significant first.
///
/// Padding channels and outputs store 0.
package struct WeightPacking: Sendable, Hashable, BitwiseCopyable {
  package let code: WeightCode
  package let outputs: Int
  package let channels: Int

  /// - Returns: nil when a size is not positive or the packed size leaves Int.
  package init?(code: WeightCode, outputs: Int, channels: Int) {
    guard code.isValid, outputs > 0, channels > 0,
      let paddedChannels = roundedUp(channels, to: code.layout.tileChannels),
      let paddedOutputs = roundedUp(outputs, to: panelOutputs),
      checkedProduct(paddedChannels, paddedOutputs) != nil
    else { return nil }
    self.code = code
    self.outputs = outputs
    self.channels = channels
  }

  package var layout: WeightLayout { code.layout }
  package var paddedChannels: Int {
    (channels + layout.tileChannels - 1) / layout.tileChannels * layout.tileChannels
  }
  package var panelCount: Int { (outputs + panelOutputs - 1) / panelOutputs }
  package var paddedOutputs: Int { panelCount * panelOutputs }
  /// Bytes of one plane of one panel.
  package var planeStride: Int { paddedChannels / layout.tileChannels * 64 }
  package var panelStride: Int { planeStride * (layout == .planes ? code.bits : 1) }
  package var byteCount: Int { panelStride * panelCount }

  /// Packs codes.
  /// - Parameters:
  ///   - codes: row-major [outputs][channels], each in 0..<2^bits.
  ///   - bytes: `byteCount` bytes, overwritten.
  package func pack(_ codes: UnsafeBufferPointer<UInt8>, into bytes: UnsafeMutableRawBufferPointer) {
    guard codes.count >= outputs * channels, bytes.count >= byteCount else { return }
    for index in 0..<byteCount { bytes[index] = 0 }
    for output in 0..<outputs {
      for channel in 0..<channels {
        store(codes[output * channels + channel], output, channel, bytes)
      }
    }
  }

  /// The codes of `pack`, row-major [outputs][channels].
  package func unpack(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    guard bytes.count >= byteCount else { return [] }
    return [UInt8](unsafeUninitializedCapacity: outputs * channels) { codes, count in
      for output in 0..<outputs {
        for channel in 0..<channels {
          codes[output * channels + channel] = code(output: output, channel: channel, in: bytes)
        }
      }
      count = outputs * channels
    }
  }

  /// Sum of the stored integers per output, padded with 0 to a multiple of 16.
  package func storedSums(_ codes: UnsafeBufferPointer<UInt8>) -> [Int32] {
    var sums = [Int32](repeating: 0, count: paddedOutputs)
    guard codes.count >= outputs * channels else { return sums }
    for output in 0..<outputs {
      var sum = 0
      for channel in 0..<channels { sum += code.stored(Int(codes[output * channels + channel])) }
      sums[output] = Int32(truncatingIfNeeded: sum)
    }
    return sums
  }

  /// Between a code and its byte: bytes of 8 bits are signed.
  private var byteFlip: UInt8 { code.storedBias == 0 ? 0 : 0x80 }

  private func laneOffset(_ output: Int, _ tile: Int) -> Int {
    output / panelOutputs * panelStride + tile * 64 + output % panelOutputs * 4
  }

  private func store(
    _ value: UInt8, _ output: Int, _ channel: Int, _ bytes: UnsafeMutableRawBufferPointer
  ) {
    let inTile = channel % layout.tileChannels
    let lane = laneOffset(output, channel / layout.tileChannels)
    switch layout {
    case .bytes, .unsignedBytes: bytes[lane + inTile] = value ^ byteFlip
    case .nibbles: bytes[lane + inTile % 4] |= (value & 15) << (inTile / 4 * 4)
    case .planes:
      let place = Self.planePlace(inTile)
      for plane in 0..<code.bits {
        let bit = value >> (code.bits - 1 - plane) & 1
        bytes[lane + plane * planeStride + place.byte] |= bit << place.bit
      }
    }
  }

  /// One code of `bytes`, which has `byteCount` bytes or more; `output` and `channel` are below their counts.
  package func code(output: Int, channel: Int, in bytes: UnsafeRawBufferPointer) -> UInt8 {
    let inTile = channel % layout.tileChannels
    let lane = laneOffset(output, channel / layout.tileChannels)
    switch layout {
    case .bytes, .unsignedBytes: return bytes[lane + inTile] ^ byteFlip
    case .nibbles: return bytes[lane + inTile % 4] >> (inTile / 4 * 4) & 15
    case .planes:
      let place = Self.planePlace(inTile)
      var value: UInt8 = 0
      for plane in 0..<code.bits {
        value = value << 1 | bytes[lane + plane * planeStride + place.byte] >> place.bit & 1
      }
      return value
    }
  }

  /// Byte of the lane and bit of the byte of channel 0...31 of a plane tile.
  private static func planePlace(_ channel: Int) -> (byte: Int, bit: UInt8) {
    (channel % 16 / 4, UInt8(channel / 16 * 4 + channel % 4))
  }
}
