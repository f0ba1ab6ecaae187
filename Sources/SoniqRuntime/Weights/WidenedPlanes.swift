import CKernelABI
import SoniqCore
import SoniqMemory

/// Planes of weights rewritten as nibbles (1-3 bits) or bytes (5-7), for the kernels of 4 and 8 bits. The stored
/// integers stay what they are, so everything else of the level serves the copy too.
struct WidenedPlanes: PreparedBytes {
  let level: StoredLevel
  /// 4 or 8, not below those of the level.
  let bits: Int

  var source: UnsafeRawPointer { level.weights }
  var byteCount: Int? { checkedProduct(panelStride, level.panels) }
  var isCopy: Bool { true }

  private var layout: WeightLayout { WeightLayout(bits: bits) }
  /// The taps of a convolution stay padded as the planes are: so are the codes of its images.
  private var channels: Int { level.taps == 1 ? level.channels : level.storedChannels }
  private var tiles: Int { (channels + layout.tileChannels - 1) / layout.tileChannels }
  private var panelStride: Int { tiles * 64 }

  func write(to target: UnsafeMutableRawPointer, _ arena: MemoryArena) {
    let (from, to) = (level.panelStride, panelStride)
    for panel in 0..<level.panels {
      rewrite(level.weights + panel * from, target + panel * to)
    }
  }

  /// One panel, 32 channels of one output at a time.
  private func rewrite(_ panel: UnsafeRawPointer, _ target: UnsafeMutableRawPointer) {
    let (planes, planeStride, blocks) = (level.planes, level.planeStride, level.storedChannels / 32)
    let isNibbles = layout == .nibbles
    let (groups, blockBytes) = isNibbles ? ((channels + 7) / 8 * 2, 256) : ((channels + 3) / 4, 512)
    for block in 0..<blocks {
      let count = min(8, groups - block * 8)
      for output in 0..<16 {
        let lane = Lane(panel + block * 64 + output * 4, planeStride, planes)
        let place = target + block * blockBytes + output * 4
        var group = 0
        while group < count {
          if isNibbles {
            place.storeBytes(
              of: lane[group] | lane[group + 1] << 4, toByteOffset: group * 32, as: UInt32.self)
            group += 2
          } else {
            place.storeBytes(of: lane[group], toByteOffset: group * 64, as: UInt32.self)
            group += 1
          }
        }
      }
    }
  }

  /// 32 channels of one output.
  private struct Lane {
    /// A word of each plane, the most significant first.
    private var words = SIMD8<UInt32>(repeating: 0)
    private let planes: Int

    @inline(__always)
    init(_ start: UnsafeRawPointer, _ planeStride: Int, _ planes: Int) {
      self.planes = planes
      for plane in 0..<planes {
        words[plane] = start.load(fromByteOffset: plane * planeStride, as: UInt32.self)
      }
    }

    /// The stored weights of 4 neighbouring channels, one a byte.
    @inline(__always)
    subscript(group: Int) -> UInt32 {
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
      paddedChannels: UInt32(tiles * layout.tileChannels), layout: UInt32(layout.rawValue),
      bits: UInt32(bits))
  }
}

/// Where a copy of a level's weights lies, and how.
struct WeightCopy: BitwiseCopyable {
  var weights: UnsafePointer<UInt8>
  var panelStride: Int
  /// Fewer than the level's: nibbles and bytes pad less.
  var paddedChannels: UInt32
  var layout: UInt32
  /// 4 or 8.
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
  }
}
