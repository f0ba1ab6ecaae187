import SoniqCore
import SoniqGraph
import SoniqTestSupport
import Testing

@testable import SoniqPack

/// Codes with a scale for each 32 channels, made of real numbers.
@Suite struct GroupRoundingTests {
  /// A rounded row, taken apart.
  private struct Rounded {
    var codes: [UInt8]
    var scales: [Float]
    var offsets: [Float]
    let code: WeightCode

    func number(_ channel: Int, code other: Int? = nil) -> Float {
      scales[channel / 32] * Float(code.integer(other ?? Int(codes[channel]))) + offsets[channel / 32]
    }
    var numbers: [Float] { codes.indices.map { number($0) } }
  }

  /// nil where the rounding refuses the row.
  private static func rounded(_ row: [Float], bits: Int) -> Rounded? {
    let rounding = GroupRounding(bits: bits)
    let groups = (row.count + 31) / 32
    var rounded = Rounded(
      codes: [UInt8](repeating: 0xee, count: row.count), scales: [Float](repeating: -1, count: groups),
      offsets: [Float](repeating: -1, count: groups), code: rounding.layout.code)
    let odd = row.withUnsafeBufferPointer { row in
      rounded.codes.withUnsafeMutableBufferPointer { codes in
        rounded.scales.withUnsafeMutableBufferPointer { scales in
          rounded.offsets.withUnsafeMutableBufferPointer { offsets -> Int? in
            guard let codes = codes.baseAddress, let scales = scales.baseAddress,
              let offsets = offsets.baseAddress
            else { return 0 }
            return rounding.round(row, codes, GroupNumbers(scales: scales, offsets: offsets))
          }
        }
      }
    }
    guard odd == nil else { return nil }
    #expect(rounding.layout.code.isValid)
    #expect(rounded.codes.allSatisfy { Int($0) < rounded.code.codeCount })
    for number in rounded.scales + rounded.offsets {
      #expect(Binary16.value(Binary16.bits(number)) == number)
    }
    #expect(rounding.layout.hasOffsets || rounded.offsets.allSatisfy { $0 == 0 })
    return rounded
  }

  private static func row(_ count: Int, _ range: ClosedRange<Float>, seed: UInt64) -> [Float] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Float.random(in: range, using: &generator) }
  }

  @Test(arguments: 2...8) func everyNumberHasTheNearestCode(bits: Int) throws {
    for (seed, range) in [(1, -1...1), (2, 0.5...0.75), (3, -900...3), (4, -1e-4...1e-4)]
      as [(UInt64, ClosedRange<Float>)]
    {
      let row = Self.row(100, range, seed: seed)
      let rounded = try #require(Self.rounded(row, bits: bits))
      for channel in row.indices {
        let least = (0..<rounded.code.codeCount).map {
          (rounded.number(channel, code: $0) - row[channel]).magnitude
        }
        .min()
        let got = (rounded.number(channel) - row[channel]).magnitude
        // Within the last bits of float32 where two codes are as near.
        #expect(try got <= #require(least) + row[channel].magnitude * 1e-6, "\(range), \(channel)")
      }
    }
  }

  /// Half a step, where all of the range is held; else the sum of squares is less than with all of it.
  @Test(arguments: 2...8) func errorsAreThoseOfTheBits(bits: Int) throws {
    for count in [32, 31, 96] {
      let row = Self.row(count, -1...1, seed: UInt64(count))
      let numbers = try #require(Self.rounded(row, bits: bits)).numbers
      for begin in stride(from: 0, to: count, by: 32) {
        let group = begin..<min(begin + 32, count)
        let errors = group.map { Double((numbers[$0] - row[$0]).magnitude) }
        let values = group.map { Double(row[$0]) }
        let span =
          bits == 8
          ? 2 * (values.map(\.magnitude).max() ?? 0) * 255 / 254 : (values.max() ?? 0) - (values.min() ?? 0)
        let step = span / Double((1 << bits) - 1)
        // Half a step of each, and what binary16 takes of scale and minimum.
        let most = Double(errors.count) * (step / 2 + 2e-3) * (step / 2 + 2e-3)
        #expect(errors.reduce(0) { $0 + $1 * $1 } <= most, "\(group)")
        #expect((errors.max() ?? 0) <= 0.1 * span + step / 2 + 2e-3, "\(group)")
      }
    }
  }

  @Test func moreBitsAreNearer() throws {
    let row = Self.row(320, -1...1, seed: 9)
    let errors = try (2...8).map { bits in
      let numbers = try #require(Self.rounded(row, bits: bits)).numbers
      return zip(row, numbers).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    }
    // A bit more makes steps half as long, errors a quarter; the last one has a code more below than above.
    for index in 1..<errors.count { #expect(errors[index] < 0.45 * errors[index - 1], "\(errors)") }
  }

  @Test(arguments: 2...8) func oddRowsAreCodesToo(bits: Int) throws {
    let zeros = [Float](repeating: 0, count: 33)
    #expect(Self.rounded(zeros, bits: bits)?.numbers == zeros)
    let tiny = [Float](repeating: 1e-44, count: 32)
    #expect(Self.rounded(tiny, bits: bits)?.numbers.allSatisfy { $0.magnitude < 1e-6 } == true)
    for odd in [1e30, .greatestFiniteMagnitude, -.greatestFiniteMagnitude] as [Float] {
      #expect(Self.rounded([Float](repeating: odd, count: 40), bits: bits) == nil)
      #expect(Self.rounded([-odd] + [Float](repeating: odd, count: 40), bits: bits) == nil)
      #expect(Self.rounded([1] + [Float](repeating: odd, count: 31), bits: bits) == nil)
    }
    // The largest that binary16 holds.
    #expect(Self.rounded([65504, -65504, 3], bits: bits) != nil)
    let alone = try #require(Self.rounded([0.25, 0.25, 0.25], bits: bits)).numbers
    #expect(alone.allSatisfy { ($0 - 0.25).magnitude < 1e-4 })
  }
}
