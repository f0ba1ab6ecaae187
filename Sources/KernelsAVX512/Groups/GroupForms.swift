import CKernelABI
import CSIMD

/// Bytes from the weights of a panel to those that are asked for meanwhile, beyond its end those of the panels behind:
/// where there are few rows, what takes time is reading weights.
let weightsAhead = 8192

/// How the tiles take the weights of a group.
protocol GroupForm {
  /// Bytes of a channel of a panel.
  static var channelBytes: Int { get }
  /// Adds the channels of a group.
  static func add<Dots: GroupDots>(
    _ dots: inout Dots, _ level: GroupLevel, _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>,
    _ channels: Int)
}

/// Straight code for 32 channels, or a branch would be mispredicted at most ends of groups.
enum ByteForm: GroupForm {
  @inline(__always) static var channelBytes: Int { 16 }

  @inline(__always)
  static func add<Dots: GroupDots>(
    _ dots: inout Dots, _ level: GroupLevel, _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>,
    _ channels: Int
  ) {
    var (tile, place, rest) = (weights, codes, channels)
    let (steps, stride) = (level.weightStep, level.codeStride)
    while rest >= 32 {
      dots.add(PanelPair(asking: tile, steps), place, stride)
      dots.add(PanelPair(asking: tile + 64, steps), place + 4, stride)
      dots.add(PanelPair(asking: tile + 128, steps), place + 8, stride)
      dots.add(PanelPair(asking: tile + 192, steps), place + 12, stride)
      dots.add(PanelPair(asking: tile + 256, steps), place + 16, stride)
      dots.add(PanelPair(asking: tile + 320, steps), place + 20, stride)
      dots.add(PanelPair(asking: tile + 384, steps), place + 24, stride)
      dots.add(PanelPair(asking: tile + 448, steps), place + 28, stride)
      tile += 512
      place += 32
      rest &-= 32
    }
    while rest > 0 {
      dots.add(PanelPair(tile, steps), place, stride)
      tile += 64
      place += 4
      rest &-= 4
    }
  }
}

/// The same, 8 channels a tile.
enum NibbleForm: GroupForm {
  @inline(__always) static var channelBytes: Int { 8 }

  @inline(__always)
  static func add<Dots: GroupDots>(
    _ dots: inout Dots, _ level: GroupLevel, _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>,
    _ channels: Int
  ) {
    var (tile, place, rest) = (weights, codes, channels)
    let (steps, stride) = (level.weightStep, level.codeStride)
    while rest >= 32 {
      add(&dots, PanelPair(asking: tile, steps), place, stride)
      add(&dots, PanelPair(asking: tile + 64, steps), place + 8, stride)
      add(&dots, PanelPair(asking: tile + 128, steps), place + 16, stride)
      add(&dots, PanelPair(asking: tile + 192, steps), place + 24, stride)
      tile += 256
      place += 32
      rest &-= 32
    }
    while rest > 0 {
      add(&dots, PanelPair(tile, steps), place, stride)
      tile += 64
      place += 8
      rest &-= 8
    }
  }

  @inline(__always)
  private static func add<Dots: GroupDots>(
    _ dots: inout Dots, _ nibbles: PanelPair, _ codes: UnsafePointer<UInt8>, _ stride: Int
  ) {
    dots.add(nibbles.lowNibbles(), codes, stride)
    dots.add(nibbles.highNibbles(), codes + 4, stride)
  }
}

/// Twice the bytes, for a multiplier of 2.
enum DoubledByteForm: GroupForm {
  @inline(__always) static var channelBytes: Int { 16 }

  @inline(__always)
  static func add<Dots: GroupDots>(
    _ dots: inout Dots, _ level: GroupLevel, _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>,
    _ channels: Int
  ) {
    var (tile, place, rest) = (weights, codes, channels)
    repeat {
      let bytes = PanelPair(tile, level.weightStep)
      let twice = PanelPair(
        _mm512_add_epi8(bytes.first, bytes.first), _mm512_add_epi8(bytes.second, bytes.second))
      dots.add(twice, place, level.codeStride)
      tile += 64
      place += 4
      rest &-= 4
    } while rest > 0
  }
}

/// Nibbles looked up in `GroupLevel.table`.
enum EntryForm: GroupForm {
  @inline(__always) static var channelBytes: Int { 8 }

  @inline(__always)
  static func add<Dots: GroupDots>(
    _ dots: inout Dots, _ level: GroupLevel, _ weights: UnsafePointer<UInt8>, _ codes: UnsafePointer<UInt8>,
    _ channels: Int
  ) {
    var (tile, place, rest) = (weights, codes, channels)
    repeat {
      let nibbles = PanelPair(tile, level.weightStep)
      dots.add(nibbles.lowNibbles().lookedUp(level.table), place, level.codeStride)
      dots.add(nibbles.highNibbles().lookedUp(level.table), place + 4, level.codeStride)
      tile += 64
      place += 8
      rest &-= 8
    } while rest > 0
  }
}
