import SoniqCore
import SoniqMemory

/// Bytes of a level for pixels that lie without padding behind each other: the weights of a row of a window in one
/// piece, padded once.
struct DenseWindows: PreparedBytes {
  let level: StoredLevel
  let windowHeight: Int
  let windowWidth: Int
  /// Channels of a row of a window, padded to a tile.
  let rowChannels: Int

  var source: UnsafeRawPointer { level.weights }
  var byteCount: Int? { checkedProduct(level.panels, windowHeight, rowChannels * panelOutputs) }
  var isCopy: Bool { true }

  func write(to target: UnsafeMutableRawPointer, _ arena: MemoryArena) {
    let rowTiles = rowChannels / 4
    let tapTiles = level.paddedChannels / 4
    for place in 0..<level.panels * windowHeight * rowTiles * 64 {
      let (tile, output, byte) = (place / 64, place % 64 / 4, place % 4)
      let (line, channel) = (tile / rowTiles, tile % rowTiles * 4 + byte)
      let (panel, row) = (line / windowHeight, line % windowHeight)
      let (column, inPixel) = (channel / level.channels, channel % level.channels)
      let tap = row * windowWidth + column
      let from = panel * level.panelStride + (tap * tapTiles + inPixel / 4) * 64 + output * 4 + inPixel % 4
      let weight = column < windowWidth ? level.weights.load(fromByteOffset: from, as: UInt8.self) : 0
      target.storeBytes(of: weight, toByteOffset: place, as: UInt8.self)
    }
  }
}
