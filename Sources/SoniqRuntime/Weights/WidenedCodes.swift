import CKernelABI
import SoniqCore
import SoniqMemory

/// Codes of weights rewritten as nibbles or bytes: planes for the kernels of 4 and 8 bits, and codebooks as their
/// entries for those of 8. The stored integers stay what they are, or become those of the sums, so everything else of
/// the level serves the copy too.
struct WidenedCodes: PreparedBytes {
  /// Of planes, or of a codebook in nibbles.
  let level: StoredLevel
  /// 4 or 8, not below those of the level.
  let bits: Int
  /// Nibbles, bytes or unsigned bytes.
  let layout: WeightLayout
  /// The entries of the codebook plus so much in place of the codes.
  var entryBias: UInt8?

  init(level: StoredLevel, bits: Int, layout: WeightLayout, entryBias: UInt8? = nil) {
    self.level = level
    self.bits = bits
    self.layout = layout
    self.entryBias = entryBias
  }

  /// For kernels of signed bytes or of nibbles.
  init(_ level: StoredLevel, bits: Int) {
    self.init(
      level: level, bits: bits, layout: WeightLayout(bits: bits),
      entryBias: level.code.kind == .codebook ? 0 : nil)
  }

  var source: UnsafeRawPointer { level.weights }
  var byteCount: Int? { checkedProduct(panelStride, level.panels) }
  var isCopy: Bool { true }

  /// Channels of a tap of the copy: each begins at a tile of its own.
  var tapChannels: Int { tapTiles * layout.tileChannels }
  private var tapTiles: Int { (level.channels + layout.tileChannels - 1) / layout.tileChannels }
  private var panelStride: Int { level.taps * tapTiles * 64 }

  func write(to target: UnsafeMutableRawPointer, _ arena: MemoryArena) {
    let (from, to) = (level.panelStride, panelStride)
    for panel in 0..<level.panels {
      for tap in 0..<level.taps {
        let start = level.weights + (panel * from + tap * level.tapStride)
        rewrite(start, target + (panel * to + tap * tapTiles * 64))
      }
    }
  }

  /// One tap of a panel, 32 channels of one output at a time.
  private func rewrite(_ tap: UnsafeRawPointer, _ target: UnsafeMutableRawPointer) {
    let channels = level.channels
    let blocks = (channels + 31) / 32
    let (entries, entryBias) = (level.code.codebook, self.entryBias)
    let isNibbles = layout == .nibbles
    let (groups, blockBytes) = isNibbles ? ((channels + 7) / 8 * 2, 256) : ((channels + 3) / 4, 512)
    for block in 0..<blocks {
      let count = min(8, groups - block * 8)
      for output in 0..<16 {
        let lane = Lane(tap + output * 4, level, block: block, groups: count)
        let place = target + block * blockBytes + output * 4
        var group = 0
        while group < count {
          if isNibbles {
            place.storeBytes(
              of: lane[group] | lane[group + 1] << 4, toByteOffset: group * 32, as: UInt32.self)
            group += 2
          } else {
            let codes = lane[group]
            let bytes = entryBias.map {
              Self.entries(codes, entries, $0) & filled(block * 32 + group * 4)
            }
            place.storeBytes(of: bytes ?? codes, toByteOffset: group * 64, as: UInt32.self)
            group += 1
          }
        }
      }
    }
  }

  /// A byte of ones for each of the four channels from `first` that there is. Code 0 is what padding holds, and kernels
  /// count on zeros there, which the entry of code 0 need not be.
  @inline(__always)
  private func filled(_ first: Int) -> UInt32 {
    let rest = level.channels - first
    return rest >= 4 ? .max : rest <= 0 ? 0 : 1 << UInt32(8 * rest) - 1
  }

  /// Four codes, one a byte, to the entries of a codebook plus `bias`.
  @inline(__always)
  private static func entries(_ codes: UInt32, _ codebook: SIMD16<Int8>, _ bias: UInt8) -> UInt32 {
    var bytes: UInt32 = 0
    for channel in 0..<4 {
      let shift = UInt32(8 * channel)
      let entry = UInt8(bitPattern: codebook[Int(codes &>> shift & 15)]) &+ bias
      bytes |= UInt32(entry) &<< shift
    }
    return bytes
  }

  /// 32 channels of one output.
  private struct Lane {
    /// A word of each plane, the most significant first; of nibbles a word of each tile.
    private var words = SIMD8<UInt32>(repeating: 0)
    private let planes: Int
    private let isPlanes: Bool

    /// * groups: of 4 channels, those that there are.
    @inline(__always)
    init(_ start: UnsafeRawPointer, _ level: StoredLevel, block: Int, groups: Int) {
      planes = level.planes
      isPlanes = level.layout == .planes
      guard !isPlanes else {
        for plane in 0..<planes {
          words[plane] = start.load(
            fromByteOffset: block * 64 + plane * level.planeStride, as: UInt32.self)
        }
        return
      }
      for tile in 0..<(groups + 1) / 2 {
        words[tile] = start.load(fromByteOffset: (block * 4 + tile) * 64, as: UInt32.self)
      }
    }

    /// The codes of 4 neighbouring channels, one a byte.
    @inline(__always)
    subscript(group: Int) -> UInt32 {
      guard isPlanes else {
        return words[group / 2] &>> UInt32(truncatingIfNeeded: group % 2 * 4) & 0x0f0f_0f0f
      }
      let shift = UInt32(truncatingIfNeeded: group % 4 * 8 + group / 4 * 4)
      var channels: UInt32 = 0
      for plane in 0..<planes {
        let bits = words[plane] &>> shift & 15
        // Each of the 4 bits to the lowest place of its byte.
        channels = channels << 1 | (bits &* 0x0020_4081) & 0x0101_0101
      }
      return channels
    }
  }

  /// What a kernel is given in the place of the level's own weights.
  func copy(at start: UnsafeRawPointer) -> WeightCopy {
    WeightCopy(
      weights: start.assumingMemoryBound(to: UInt8.self), panelStride: panelStride,
      paddedChannels: UInt32(level.taps * tapChannels), layout: UInt32(layout.rawValue),
      bits: UInt32(layout == .bytes && entryBias == nil ? max(5, level.code.bits) : bits))
  }

  /// Puts the copy in the place of the level's own weights.
  func place(at start: UnsafeRawPointer, _ arguments: inout snq_group_matmul_args) {
    let copy = copy(at: start)
    arguments.weights = copy.weights
    arguments.panelStride = copy.panelStride
    arguments.planeStride = 0
    arguments.paddedChannels = copy.paddedChannels
    arguments.layout = copy.layout
    arguments.weightBits = copy.bits
    guard let entryBias else { return }
    arguments.codebook = nil
    arguments.weightConstant = Int32(entryBias)
  }
}

/// Where a copy of a level's weights lies, and how.
struct WeightCopy: BitwiseCopyable {
  var weights: UnsafePointer<UInt8>
  var panelStride: Int
  /// Fewer than the level's: nibbles and bytes pad less.
  var paddedChannels: UInt32
  var layout: UInt32
  /// As kernels are told, see `WeightCode.kernelBits`.
  var bits: UInt32

  /// Puts the copy in the place of the level's own weights.
  @inline(__always)
  func place(_ arguments: inout snq_matmul_args) {
    arguments.weights = weights
    arguments.panelStride = panelStride
    arguments.planeStride = 0
    arguments.paddedChannels = paddedChannels
    arguments.layout = layout
    arguments.weightBits = bits
    arguments.codebook = nil
  }
}
