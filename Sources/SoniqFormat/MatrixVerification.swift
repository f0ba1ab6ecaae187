import SoniqCore
import SoniqGraph

extension ConstantVerification {
  /// Padding channels and outputs hold 0, codes have no more bits than the level, the stored sums are the sums of what
  /// is stored, and the numbers of groups are finite.
  func matrixLevel(_ level: MatrixLevel, outputs: Int, _ place: String) throws(FormatError) {
    let lanes = LaneArithmetic(level)
    let words = level.weights.bound(to: UInt32.self)
    let sums = level.storedSums.bound(to: Int32.self)
    for output in 0..<sums.count {
      var sum = 0
      for plane in 0..<lanes.planes {
        for tile in 0..<lanes.tiles {
          let word = lanes.wordIndex(output: output, plane: plane, tile: tile)
          let lane = UInt32(littleEndian: words[word])
          let allowed = output < outputs ? lanes.mask(tile: tile) : 0
          guard lane & ~allowed == 0 else {
            throw fault(.paddingNotZero, "\(place).weights", at: word * 4, got: .bits(UInt64(lane)))
          }
          sum += lanes.sum(lane, plane: plane)
        }
      }
      if level.level.weight.kind == .codebook {
        sum = output < outputs ? entrySum(level, outputs, output) : 0
      }
      guard sum == Int(Int32(littleEndian: sums[output])) else {
        throw fault(
          .inconsistentData, "\(place).storedSums", at: output * 4, got: .integer(Int(sums[output])),
          expected: .integer(sum))
      }
    }
    guard let groups = level.groups else { return }
    try groupNumbers(groups.scales, groups.numbers, level, outputs, "\(place).groupScales")
    if let offsets = groups.offsets {
      try groupNumbers(offsets, groups.numbers, level, outputs, "\(place).groupOffsets")
    }
  }

  /// The sum of the codebook's entries of one output.
  private func entrySum(_ level: MatrixLevel, _ outputs: Int, _ output: Int) -> Int {
    let code = level.level.weight
    guard let packing = WeightPacking(code: code, outputs: outputs, channels: level.storedChannels) else {
      return 0
    }
    var sum = 0
    for tap in 0..<level.taps {
      for channel in tap * level.paddedChannels..<tap * level.paddedChannels + level.channels {
        sum += code.integer(Int(packing.code(output: output, channel: channel, in: level.weights.raw)))
      }
    }
    return sum
  }

  /// [panel][group][16]: finite, and 0 behind the last output.
  private func groupNumbers(
    _ bytes: ConstantBytes, _ numbers: GroupNumber, _ level: MatrixLevel, _ outputs: Int, _ field: String
  ) throws(FormatError) {
    guard let groups = level.groups?.count(channels: level.channels) else { return }
    for element in 0..<bytes.count / numbers.byteCount {
      let bits: UInt32
      let isFinite: Bool
      switch numbers {
      case .float32:
        bits = bytes.bound(to: UInt32.self)[element]
        isFinite = Float(bitPattern: bits).isFinite
      case .float16:
        bits = UInt32(bytes.bound(to: UInt16.self)[element])
        isFinite = bits & 0x7c00 != 0x7c00
      case .uint8:
        bits = UInt32(bytes.raw[element])
        isFinite = true
      }
      let isPadding = element / panelOutputs / groups * panelOutputs + element % panelOutputs >= outputs
      guard isFinite, !isPadding || bits == 0 else {
        throw fault(
          isPadding ? .paddingNotZero : .outOfRange, field, at: element * numbers.byteCount,
          got: .bits(UInt64(bits)), expected: .none)
      }
    }
  }
}

/// The 32-bit lanes of weight tiles: one output, as many channels as the layout puts into 32 bits.
struct LaneArithmetic {
  private let layout: WeightLayout
  private let bits: Int
  private let panelStride: Int
  private let planeStride: Int
  private let wholeTileMask: UInt32
  private let lastTileMask: UInt32
  private let tapTiles: Int
  let planes: Int
  let tiles: Int

  init(_ level: MatrixLevel) {
    layout = level.level.weight.layout
    bits = level.level.weight.bits
    panelStride = level.panelStride / 4
    planeStride = level.planeStride / 4
    planes = layout == .planes ? bits : 1
    tiles = level.storedChannels / layout.tileChannels
    tapTiles = level.paddedChannels / layout.tileChannels
    wholeTileMask = Self.mask(layout, bits: bits, channels: layout.tileChannels)
    lastTileMask = Self.mask(
      layout, bits: bits, channels: level.channels - (tapTiles - 1) * layout.tileChannels)
  }

  /// Index of a lane among the 32-bit words of the level.
  func wordIndex(output: Int, plane: Int, tile: Int) -> Int {
    output / panelOutputs * panelStride + plane * planeStride + tile * panelOutputs + output % panelOutputs
  }

  /// The bits of a lane that codes of true channels may have.
  func mask(tile: Int) -> UInt32 { tile % tapTiles == tapTiles - 1 ? lastTileMask : wholeTileMask }

  private static func mask(_ layout: WeightLayout, bits: Int, channels: Int) -> UInt32 {
    var mask: UInt32 = 0
    let code = UInt32(1) << UInt32(bits) - 1
    for channel in 0..<channels {
      switch layout {
      case .bytes, .unsignedBytes: mask |= code << UInt32(8 * channel)
      case .nibbles: mask |= code << UInt32(8 * (channel % 4) + 4 * (channel / 4))
      case .planes: mask |= 1 << UInt32(8 * (channel % 16 / 4) + channel % 4 + 4 * (channel / 16))
      }
    }
    return mask
  }

  /// The sum of the stored integers of a lane; for planes, the part of one plane.
  func sum(_ lane: UInt32, plane: Int) -> Int {
    switch layout {
    case .bytes:
      return Int(Int8(truncatingIfNeeded: lane)) + Int(Int8(truncatingIfNeeded: lane >> 8))
        + Int(Int8(truncatingIfNeeded: lane >> 16)) + Int(Int8(truncatingIfNeeded: lane >> 24))
    case .unsignedBytes:
      let pairs = Int(lane & 0x00ff_00ff) + Int(lane >> 8 & 0x00ff_00ff)
      return (pairs & 0xffff) + (pairs >> 16)
    case .nibbles:
      let pairs = Int(lane & 0x0f0f_0f0f) + Int(lane >> 4 & 0x0f0f_0f0f)
      return (pairs & 0xff) + (pairs >> 8 & 0xff) + (pairs >> 16 & 0xff) + (pairs >> 24 & 0xff)
    case .planes: return lane.nonzeroBitCount << (bits - 1 - plane)
    }
  }
}
