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
  private var groups: Int { segments * segmentGroups }
  /// Bytes of a panel.
  var stride: Int { (3 + groups) * 4 }

  func write(to target: UnsafeMutableRawPointer, _ arena: MemoryArena) {
    for panel in 0..<panels {
      let steps = (target + panel * stride).bindMemory(to: UInt32.self, capacity: 3 + groups)
      write(weights + panel * panelStride, UnsafeMutableBufferPointer(start: steps + 3, count: groups), steps)
    }
  }

  /// One panel: entries from the front for two groups, from the back for single ones, and at last for the wide ones, if
  /// they are few.
  private func write(
    _ panel: UnsafeRawPointer, _ entries: UnsafeMutableBufferPointer<UInt32>,
    _ counts: UnsafeMutablePointer<UInt32>
  ) {
    var (doubles, singles, wides) = (0, 0, 0)
    (counts[0], counts[1], counts[2]) = (0, 0, 0)
    // What an entry has room for.
    guard groups < 1 << 24, segments <= 255 else { return }
    forSteps(panel) { kind, group in
      switch kind {
      case .double:
        entries[doubles] = group
        doubles += 1
      case .single:
        singles += 1
        entries[groups - singles] = group
      case .wide: wides += 1
      }
    }
    // Steps of many wide groups would be slower than words for all.
    guard wides * 4 <= groups else { return }
    for index in 0..<singles { entries[doubles + index] = entries[groups - singles + index] }
    if wides > 0 {
      var place = doubles + singles
      forSteps(panel) { kind, group in
        guard kind == .wide else { return }
        entries[place] = group
        place += 1
      }
    }
    (counts[0], counts[1], counts[2]) = (UInt32(doubles), UInt32(singles), UInt32(wides))
  }

  private enum Kind { case double, single, wide }

  /// Calls `body` with what can be done with every two groups, or with each of them, and its entry.
  @inline(__always)
  private func forSteps(_ panel: UnsafeRawPointer, _ body: (Kind, UInt32) -> Void) {
    let fitting = Int16(truncatingIfNeeded: 32767 / ((1 << activationBits) - 1))
    var place = panel
    var group: UInt32 = 0
    for segment in 0..<UInt32(truncatingIfNeeded: segments) {
      var left = segmentGroups
      while left > 0 {
        let entry = group | segment << 24
        let first = WeightSums(weights(place))
        let isFirstSmall = first.largest.max() <= fitting
        if left > 1 {
          let second = WeightSums(weights(place + 64))
          let isSecondSmall = second.largest.max() <= fitting
          if isFirstSmall, isSecondSmall, (first + second).largest.max() <= fitting {
            body(.double, entry)
          } else {
            body(isFirstSmall ? .single : .wide, entry)
            body(isSecondSmall ? .single : .wide, entry + 1)
          }
        } else {
          body(isFirstSmall ? .single : .wide, entry)
        }
        let done = min(2, left)
        place += done * 64
        group += UInt32(done)
        left -= done
      }
    }
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
