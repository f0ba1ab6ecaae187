import CKernelABI
import SoniqCore
import SoniqMemory

/// For every panel of bytes how many groups of 4 channels add up in 16 bits, as `snq_matmul_args.wordGroups` says: of
/// the weights themselves, which hardly ever are as large as they could be.
struct WordGroups: PreparedBytes {
  private let weights: UnsafeRawPointer
  private let panels: Int
  private let panelStride: Int
  private let segments: Int
  /// Groups of 4 channels of one segment.
  private let segmentGroups: Int
  private let activationBits: Int
  /// Weights are signed, or count less this.
  private let isSigned: Bool
  private let center: Int16

  /// nil where the level is not in bytes.
  init?(_ arguments: snq_matmul_args, panels: Int) {
    guard arguments.layout == UInt32(SNQ_BYTES), let weights = arguments.weights else { return nil }
    self.weights = UnsafeRawPointer(weights)
    self.panels = panels
    panelStride = arguments.panelStride
    segments = max(1, Int(arguments.segments))
    segmentGroups = Int(segments == 1 ? arguments.paddedChannels : arguments.segmentChannels) / 4
    activationBits = Int(arguments.activationBits)
    isSigned = arguments.weightBits == 8
    center = isSigned || arguments.weightConstant == 0 ? 0 : 1 << Int16(arguments.weightBits - 1)
  }

  var source: UnsafeRawPointer { weights }
  var byteCount: Int? { panels }
  var isCopy: Bool { false }

  func write(to target: UnsafeMutableRawPointer, _ arena: MemoryArena) {
    for panel in 0..<panels {
      target.storeBytes(of: groups(weights + panel * panelStride), toByteOffset: panel, as: UInt8.self)
    }
  }

  /// 0, 1 or 2.
  private func groups(_ panel: UnsafeRawPointer) -> UInt8 {
    var (one, two) = (SIMD32<Int16>(repeating: 0), SIMD32<Int16>(repeating: 0))
    var place = panel
    for _ in 0..<segments {
      var group = 0
      while group + 1 < segmentGroups {
        let (first, second) = (WeightSums(weights(place)), WeightSums(weights(place + 64)))
        one = pointwiseMax(one, pointwiseMax(first.largest, second.largest))
        two = pointwiseMax(two, (first + second).largest)
        place += 128
        group += 2
      }
      if group < segmentGroups {
        one = pointwiseMax(one, WeightSums(weights(place)).largest)
        place += 64
      }
    }
    let fitting = Int16(truncatingIfNeeded: 32767 / ((1 << activationBits) - 1))
    return one.max() > fitting ? 0 : pointwiseMax(one, two).max() > fitting ? 1 : 2
  }

  /// The weights of 4 channels, as they are multiplied.
  @inline(__always)
  private func weights(_ tile: UnsafeRawPointer) -> (even: SIMD32<Int16>, odd: SIMD32<Int16>) {
    let bytes = tile.loadUnaligned(as: SIMD64<UInt8>.self)
    if isSigned {
      let signed = SIMD64<Int8>(truncatingIfNeeded: bytes)
      return (SIMD32(truncatingIfNeeded: signed.evenHalf), SIMD32(truncatingIfNeeded: signed.oddHalf))
    }
    return (
      SIMD32<Int16>(truncatingIfNeeded: bytes.evenHalf) &- center,
      SIMD32<Int16>(truncatingIfNeeded: bytes.oddHalf) &- center
    )
  }
}

/// What pairs of channels add at most and at least for a code of 1: their positive weights, and their negative ones.
private struct WeightSums {
  private var positive: SIMD32<Int16>
  private var negative: SIMD32<Int16>

  @inline(__always)
  init(_ weights: (even: SIMD32<Int16>, odd: SIMD32<Int16>)) {
    let none = SIMD32<Int16>(repeating: 0)
    positive = pointwiseMax(weights.even, none) &+ pointwiseMax(weights.odd, none)
    negative = pointwiseMin(weights.even, none) &+ pointwiseMin(weights.odd, none)
  }

  @inline(__always)
  static func + (left: WeightSums, right: WeightSums) -> WeightSums {
    var sums = left
    sums.positive &+= right.positive
    sums.negative &+= right.negative
    return sums
  }

  @inline(__always)
  var largest: SIMD32<Int16> { pointwiseMax(positive, SIMD32(repeating: 0) &- negative) }
}
