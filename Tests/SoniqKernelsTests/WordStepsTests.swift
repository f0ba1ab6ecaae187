import CKernelABI
import SoniqCore
import SoniqKernels
import SoniqTestSupport
import Testing

/// Whatever the steps are, no sum of theirs may leave 16 bits, and every group is in one of them.
@Suite struct WordStepsTests {
  private struct Bytes {
    let weights: GuardedBuffer<UInt8>
    var arguments = snq_matmul_args()

    /// * spread: weights are so far from the middle of their range at most.
    init(bits: Int, segments: Int, segmentGroups: Int, panels: Int, spread: Int, seed: UInt64) {
      var generator = SeededGenerator(seed: seed)
      let groups = segments * segmentGroups
      let middle = bits == 8 ? 0 : 1 << (bits - 1)
      weights = GuardedBuffer(
        (0..<panels * groups * 64).map { _ in
          UInt8(truncatingIfNeeded: middle + Int.random(in: -spread..<spread, using: &generator))
        })
      arguments.weights = UnsafePointer(weights.start)
      arguments.panelStride = groups * 64
      arguments.paddedChannels = UInt32(groups * 4)
      arguments.layout = UInt32(SNQ_BYTES)
      arguments.weightBits = UInt32(bits)
      arguments.weightConstant = bits == 8 ? 0 : Int32(1 << (bits - 1))
      arguments.activationBits = 8
      if segments > 1 {
        arguments.segments = UInt32(segments)
        arguments.segmentChannels = UInt32(segmentGroups * 4)
      }
    }

    /// The largest and the smallest that any output adds over some groups, in pairs of channels.
    func extremes(_ panel: Int, _ groups: [Int]) -> (most: Int, least: Int) {
      let middle = arguments.weightBits == 8 ? 0 : 1 << (Int(arguments.weightBits) - 1)
      var result = (most: 0, least: 0)
      for pair in 0..<32 {
        var sums = (most: 0, least: 0)
        for group in groups {
          for byte in 0..<2 {
            let code = weights.elements[panel * arguments.panelStride + group * 64 + pair * 2 + byte]
            let weight = middle == 0 ? Int(Int8(bitPattern: code)) : Int(code) - middle
            sums = (sums.most + max(0, weight) * 255, sums.least + min(0, weight) * 255)
          }
        }
        result = (max(result.most, sums.most), min(result.least, sums.least))
      }
      return result
    }
  }

  private static func fits(_ sums: (most: Int, least: Int)) -> Bool {
    sums.most <= Int(Int16.max) && sums.least >= Int(Int16.min)
  }

  @Test(
    arguments: [(8, 128), (8, 80), (8, 64), (8, 40), (7, 64), (7, 20), (5, 16)], [(1, 37), (3, 6), (5, 1)])
  func noSumLeavesSixteenBits(code: (bits: Int, spread: Int), shape: (segments: Int, groups: Int)) throws {
    let panels = 3
    let bytes = Bytes(
      bits: code.bits, segments: shape.segments, segmentGroups: shape.groups, panels: panels,
      spread: code.spread, seed: 31)
    let form = try #require(WordSteps(bytes.arguments, panels: panels))
    let steps = AlignedBuffer(byteCount: try #require(form.byteCount))
    form.write(to: steps.start)
    for panel in 0..<panels {
      let words = (steps.start + panel * form.stride).assumingMemoryBound(to: UInt32.self)
      let (doubles, singles, wides) = (Int(words[0]), Int(words[1]), Int(words[2]))
      let groups = shape.segments * shape.groups
      guard doubles + singles + wides > 0 else {
        #expect(code.bits == 8 && code.spread > 64, "steps that are not there")
        continue
      }
      var seen: [Int] = []
      for index in 0..<doubles + singles + wides {
        let (group, segment) = (Int(words[3 + index] & 0xff_ffff), Int(words[3 + index] >> 24))
        let own = index < doubles ? [group, group + 1] : [group]
        #expect(own.allSatisfy { $0 / shape.groups == segment }, "an entry of two segments")
        if index < doubles + singles { #expect(Self.fits(bytes.extremes(panel, own))) }
        for one in own where index < doubles { #expect(Self.fits(bytes.extremes(panel, [one]))) }
        if index >= doubles + singles { #expect(!Self.fits(bytes.extremes(panel, own))) }
        seen += own
      }
      #expect(seen.sorted() == Array(0..<groups))
      #expect(wides * 4 <= groups)
    }
    #expect(bytes.weights.isIntact)
  }

  /// An entry has 8 bits for the segment: windows of more rows are multiplied in words.
  @Test func windowsOfManyRowsHaveNone() throws {
    let bytes = Bytes(bits: 8, segments: 256, segmentGroups: 1, panels: 1, spread: 9, seed: 2)
    let form = try #require(WordSteps(bytes.arguments, panels: 1))
    let steps = AlignedBuffer(byteCount: try #require(form.byteCount))
    form.write(to: steps.start)
    let words = steps.bound(to: UInt32.self)
    #expect(words[0] == 0 && words[1] == 0 && words[2] == 0)
  }

  @Test func onlyBytesHaveSteps() {
    var arguments = Bytes(bits: 8, segments: 1, segmentGroups: 2, panels: 1, spread: 9, seed: 1).arguments
    arguments.layout = UInt32(SNQ_NIBBLES)
    #expect(WordSteps(arguments, panels: 1) == nil)
  }
}
