package import CKernelABI
import SoniqCore

/// How the products of the weights of every panel of bytes add up without saturating, as `snq_matmul_args.wordSteps` says:
/// made of the weights themselves, which hardly ever are as large as they could be.
package struct WordSteps: BitwiseCopyable, Hashable {
  package let weights: UnsafeRawPointer
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
  package init?(_ arguments: snq_matmul_args, panels: Int) {
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

  /// nil when they cannot be addressed.
  package var byteCount: Int? { checkedProduct(panels, stride) }
  private var groups: Int { segments * segmentGroups }
  /// Bytes of a panel.
  package var stride: Int { (3 + groups) * 4 }

  /// Writes `byteCount` bytes.
  package func write(to target: UnsafeMutableRawPointer) {
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
      // Steps of many wide groups would be slower than words for all.
      return wides * 4 <= groups
    }
    guard wides * 4 <= groups else { return }
    for index in 0..<singles { entries[doubles + index] = entries[groups - singles + index] }
    if wides > 0 {
      var place = doubles + singles
      forSteps(panel) { kind, group in
        guard kind == .wide else { return true }
        entries[place] = group
        place += 1
        return true
      }
    }
    (counts[0], counts[1], counts[2]) = (UInt32(doubles), UInt32(singles), UInt32(wides))
  }

  private enum Kind { case double, single, wide }

  /// Calls `body` with what can be done with every two groups, or with each of them, and its entry, until it is false.
  @inline(__always)
  private func forSteps(_ panel: UnsafeRawPointer, _ body: (Kind, UInt32) -> Bool) {
    let fitting = Int16(truncatingIfNeeded: 32767 / ((1 << activationBits) - 1))
    var place = panel
    var group: UInt32 = 0
    for segment in 0..<UInt32(truncatingIfNeeded: segments) {
      var left = segmentGroups
      while left > 0 {
        let entry = group | segment << 24
        let sums = isSigned ? signedSums(place, left > 1) : centeredSums(place, left > 1)
        if left > 1, sums.first <= fitting, sums.second <= fitting, sums.both <= fitting {
          guard body(.double, entry) else { return }
        } else {
          guard body(sums.first <= fitting ? .single : .wide, entry) else { return }
          if left > 1 {
            guard body(sums.second <= fitting ? .single : .wide, entry + 1) else { return }
          }
        }
        let done = min(2, left)
        place += done * 64
        group += UInt32(done)
        left -= done
      }
    }
  }

  private func signedSums(_ tile: UnsafeRawPointer, _ hasSecond: Bool) -> GroupSums {
    GroupSums(tile, hasSecond, even: { Int16(Int8(truncatingIfNeeded: $0)) }, odd: { $0 &>> 8 })
  }

  private func centeredSums(_ tile: UnsafeRawPointer, _ hasSecond: Bool) -> GroupSums {
    let center = center
    return GroupSums(tile, hasSecond, even: { ($0 & 0xff) &- center }, odd: { (($0 &>> 8) & 0xff) &- center })
  }
}

/// How far from 0 the 16 outputs of a group, of the next one, and of both come for codes of 1: pairs of channels add their
/// positive weights, or their negative ones.
private struct GroupSums {
  private(set) var first: Int16 = 0
  private(set) var second: Int16 = 0
  private(set) var both: Int16 = 0

  /// * even, odd: the weights of the two channels in a word. Loops of this form become vectors.
  @inline(__always)
  init(_ tile: UnsafeRawPointer, _ hasSecond: Bool, even: (Int16) -> Int16, odd: (Int16) -> Int16) {
    let words = tile.assumingMemoryBound(to: Int16.self)
    let later = hasSecond ? words + 32 : words
    for pair in 0..<32 {
      let (a, b) = (even(words[pair]), odd(words[pair]))
      let (c, d) = (even(later[pair]), odd(later[pair]))
      let (most, least) = (max(a, 0) &+ max(b, 0), min(a, 0) &+ min(b, 0))
      let (laterMost, laterLeast) = (max(c, 0) &+ max(d, 0), min(c, 0) &+ min(d, 0))
      first = max(first, max(most, 0 &- least))
      second = max(second, max(laterMost, 0 &- laterLeast))
      both = max(both, max(most &+ laterMost, 0 &- (least &+ laterLeast)))
    }
  }
}
