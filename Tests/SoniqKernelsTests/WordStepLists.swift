import CKernelABI
import SoniqTestSupport

/// `snq_word_steps` of every panel of bytes, by their definition and one weight after the other.
struct WordStepLists {
  let bytes: GuardedBuffer<UInt32>
  let stride: Int
  /// Groups of each kind over all panels.
  private(set) var counts = (doubles: 0, singles: 0, wides: 0)

  /// - Parameters:
  ///   - weights: the bytes of a panel after the other.
  ///   - args: of the level in one segment.
  init(_ weights: [UInt8], _ args: snq_matmul_args) {
    let groups = Int(args.paddedChannels) / 4
    let panels = weights.count / args.panelStride
    stride = 4 * (3 + groups)
    let largest = 1 << Int(args.activationBits) - 1
    let isSigned = args.weightBits == 8
    let center = isSigned || args.weightConstant == 0 ? 0 : 1 << (Int(args.weightBits) - 1)
    var all: [UInt32] = []
    for panel in 0..<panels {
      // The most and the least that a pair of channels of an output adds, [group][pair].
      let sums = (0..<groups).map { group in
        (0..<32).map { pair in
          let place = panel * args.panelStride + group * 64 + pair * 2
          let two = (0..<2).map { index in
            isSigned ? Int(Int8(bitPattern: weights[place + index])) : Int(weights[place + index]) - center
          }
          return (most: two.reduce(0) { $0 + max(0, $1) }, least: two.reduce(0) { $0 + min(0, $1) })
        }
      }
      func fits(_ groups: [Int]) -> Bool {
        (0..<32).allSatisfy { pair in
          let (most, least) = groups.reduce((0, 0)) {
            ($0.0 + sums[$1][pair].most, $0.1 + sums[$1][pair].least)
          }
          return most * largest <= 32767 && least * largest >= -32767
        }
      }
      var lists: (doubles: [UInt32], singles: [UInt32], wides: [UInt32]) = ([], [], [])
      for first in Swift.stride(from: 0, to: groups, by: 2) {
        if first + 1 < groups, fits([first]), fits([first + 1]), fits([first, first + 1]) {
          lists.doubles.append(UInt32(first))
          continue
        }
        for group in first..<min(first + 2, groups) {
          if fits([group]) { lists.singles.append(UInt32(group)) } else { lists.wides.append(UInt32(group)) }
        }
      }
      let entries = lists.doubles + lists.singles + lists.wides
      all += [UInt32(lists.doubles.count), UInt32(lists.singles.count), UInt32(lists.wides.count)] + entries
      all += [UInt32](repeating: .max, count: groups - entries.count)
      counts.doubles += lists.doubles.count
      counts.singles += lists.singles.count
      counts.wides += lists.wides.count
    }
    bytes = GuardedBuffer(all)
  }

  func place(in args: inout snq_matmul_args) {
    args.wordSteps = UnsafeRawPointer(bytes.start)
    args.wordStepStride = stride
  }
}
