import CKernelABI
import SoniqCore
import SoniqMemory

/// How the products of the weights of every panel of bytes add up without saturating, as `snq_matmul_args.wordSteps` says:
/// made of the weights themselves, which hardly ever are as large as they could be.
struct WordSteps: PreparedBytes {
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
  var byteCount: Int? { checkedProduct(panels, stride) }
  var isCopy: Bool { false }
  /// Bytes of a panel.
  var stride: Int { 1 + segments * segmentSteps }
  private var segmentSteps: Int { (segmentGroups + 1) / 2 }

  func write(to target: UnsafeMutableRawPointer, _ arena: MemoryArena) {
    let steps = target.bindMemory(to: UInt8.self, capacity: panels * stride)
    for panel in 0..<panels { write(weights + panel * panelStride, steps + panel * stride) }
  }

  private func write(_ panel: UnsafeRawPointer, _ target: UnsafeMutablePointer<UInt8>) {
    let fitting = Int16(truncatingIfNeeded: 32767 / ((1 << activationBits) - 1))
    var (place, wide) = (panel, 0)
    for segment in 0..<segments {
      for step in 0..<segmentSteps {
        let first = WeightSums(weights(place))
        place += 64
        var (one, two) = (first.largest, first.largest)
        if step * 2 + 1 < segmentGroups {
          let second = WeightSums(weights(place))
          place += 64
          one = pointwiseMax(one, second.largest)
          two = (first + second).largest
        }
        let kind =
          one.max() > fitting ? SNQ_STEP_WIDE : two.max() > fitting ? SNQ_STEP_SINGLE : SNQ_STEP_DOUBLE
        if kind == SNQ_STEP_WIDE { wide += 1 }
        target[1 + segment * segmentSteps + step] = UInt8(kind)
      }
    }
    let kind =
      wide == 0 ? SNQ_STEPS_NARROW : wide * 3 > segments * segmentSteps ? SNQ_STEPS_NONE : SNQ_STEPS_SOME
    target[0] = UInt8(kind)
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
