import SoniqCore
import SoniqGraph
import SoniqQuantizers

/// An embedding table of one weight code, to be packed as it is: one that was trained so (docs/training.md) or that the model
/// states codes of.
struct TrainedTable: Sendable, Hashable {
  var rows: Int
  var channels: Int
  var code: WeightCode
  /// Row-major [rows][channels], below 2^bits.
  var codes: [UInt8]
  /// binary16 [rows][blocks]
  var scales: [UInt16]
  /// Channels that share a scale: a multiple of 8, or all.
  var blockLength: Int

  func table(store: ConstantStore) throws(QuantizationError) -> Constant {
    guard let rowBits = checkedProduct(channels, code.bits), let padded = roundedUp(rowBits, to: 8),
      let count = checkedProduct(rows, padded / 8)
    else { throw .tooLarge }
    // A little-endian bit stream, every row padded to a whole byte.
    var stream = [UInt8](repeating: 0, count: count)
    for row in 0..<rows {
      for channel in 0..<channels {
        let place = channel * code.bits
        let byte = row * (padded / 8) + place / 8
        let wide = UInt16(codes[row * channels + channel]) << UInt16(place % 8)
        stream[byte] |= UInt8(truncatingIfNeeded: wide)
        if wide > 0xff { stream[byte + 1] |= UInt8(truncatingIfNeeded: wide >> 8) }
      }
    }
    let run = QuantizedTableRun(
      code: code, channels: channels, blockLength: blockLength, codes: stream, scales: scales)
    return .table(try PackedMatrixBuilder(store: store).table(rows: rows, runs: [run]))
  }
}
