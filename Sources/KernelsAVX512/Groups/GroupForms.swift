import CKernelABI
import CSIMD

/// Bytes from the weights of a panel to those that are asked for meanwhile, beyond its end those of the panels behind:
/// where there are few rows, what takes time is reading weights.
let weightsAhead = 8192

/// How the tiles take the weights of a group, 64 bytes of a panel at a time.
protocol GroupForm {
  /// Channels of these 64 bytes: 4 or 8.
  static var tileChannels: Int { get }
  /// Whether 32 channels are straight code that asks ahead: a branch would be mispredicted at most ends of groups.
  static var isStraight: Bool { get }
  static func addTile<Dots: GroupDots>(
    _ dots: inout Dots, _ level: GroupLevel, _ weights: PanelPair, _ codes: UnsafePointer<UInt8>)
}

extension GroupForm {
  /// Bytes of a channel of a panel.
  @inline(__always) static var channelBytes: Int { 64 / tileChannels }

  /// Adds the channels of a group.
  @inline(__always) static func add<Dots: GroupDots>(
    _ dots: inout Dots, _ level: GroupLevel, _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>,
    _ channels: Int
  ) {
    var (tile, place, rest) = (weights, codes, channels)
    while isStraight && rest >= 32 {
      addEight(&dots, level, tile, place)
      addEight(&dots, level, tile + 8 &* channelBytes, place + 8)
      addEight(&dots, level, tile + 16 &* channelBytes, place + 16)
      addEight(&dots, level, tile + 24 &* channelBytes, place + 24)
      tile += 32 &* channelBytes
      place += 32
      rest &-= 32
    }
    while rest > 0 {
      addTile(&dots, level, PanelPair(tile, level.weightStep), place)
      tile += 64
      place += tileChannels
      rest &-= tileChannels
    }
  }

  @inline(__always) private static func addEight<Dots: GroupDots>(
    _ dots: inout Dots, _ level: GroupLevel, _ tile: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>
  ) {
    addTile(&dots, level, PanelPair(asking: tile, level.weightStep), codes)
    if tileChannels == 4 { addTile(&dots, level, PanelPair(asking: tile + 64, level.weightStep), codes + 4) }
  }
}

enum ByteForm: GroupForm {
  @inline(__always) static var tileChannels: Int { 4 }
  @inline(__always) static var isStraight: Bool { true }

  @inline(__always) static func addTile<Dots: GroupDots>(
    _ dots: inout Dots, _ level: GroupLevel, _ weights: PanelPair, _ codes: UnsafePointer<UInt8>
  ) {
    dots.add(weights, codes, level.codeStride)
  }
}

enum NibbleForm: GroupForm {
  @inline(__always) static var tileChannels: Int { 8 }
  @inline(__always) static var isStraight: Bool { true }

  @inline(__always) static func addTile<Dots: GroupDots>(
    _ dots: inout Dots, _ level: GroupLevel, _ weights: PanelPair, _ codes: UnsafePointer<UInt8>
  ) {
    dots.add(weights.lowNibbles(), codes, level.codeStride)
    dots.add(weights.highNibbles(), codes + 4, level.codeStride)
  }
}

/// Twice the bytes, for a multiplier of 2.
enum DoubledByteForm: GroupForm {
  @inline(__always) static var tileChannels: Int { 4 }
  @inline(__always) static var isStraight: Bool { false }

  @inline(__always) static func addTile<Dots: GroupDots>(
    _ dots: inout Dots, _ level: GroupLevel, _ weights: PanelPair, _ codes: UnsafePointer<UInt8>
  ) {
    let twice = PanelPair(
      _mm512_add_epi8(weights.first, weights.first), _mm512_add_epi8(weights.second, weights.second))
    dots.add(twice, codes, level.codeStride)
  }
}

/// Nibbles looked up in `GroupLevel.table`.
enum EntryForm: GroupForm {
  @inline(__always) static var tileChannels: Int { 8 }
  @inline(__always) static var isStraight: Bool { false }

  @inline(__always) static func addTile<Dots: GroupDots>(
    _ dots: inout Dots, _ level: GroupLevel, _ weights: PanelPair, _ codes: UnsafePointer<UInt8>
  ) {
    dots.add(weights.lowNibbles().lookedUp(level.table), codes, level.codeStride)
    dots.add(weights.highNibbles().lookedUp(level.table), codes + 4, level.codeStride)
  }
}
