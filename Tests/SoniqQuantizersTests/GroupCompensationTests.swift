import SoniqTestSupport
import Testing

@testable import SoniqQuantizers

@Suite struct GroupCompensationTests {
  private static func random(_ count: Int, _ generator: inout SeededGenerator) -> [SIMD16<Float>] {
    (0..<count).map { _ in SIMD16((0..<16).map { _ in Float.random(in: -1...1, using: &generator) }) }
  }

  /// Of rows whose neighbouring channels are alike, and one of which is large.
  private static func moments(_ channels: Int, _ generator: inout SeededGenerator) -> SecondMoments {
    var moments = SecondMoments(channels: channels)
    for _ in 0..<4 * channels {
      var row: [Float] = []
      var last: Float = 0
      for channel in 0..<channels {
        last = last * 0.8 + Float.random(in: -1...1, using: &generator) * (channel == 3 ? 20 : 1)
        row.append(last)
      }
      moments.add(rows: row, count: 1)
    }
    return moments
  }

  private static func compensation(
    _ moments: SecondMoments, bits: Int, passes: Int, length: Int = 32
  ) throws -> GroupCompensation {
    try #require(
      GroupCompensation(
        moments: moments, fit: GroupFit(bits: bits, zero: bits == 8 ? 128 : nil), groupLength: length,
        passes: passes))
  }

  private static func isAtMost(_ left: SIMD16<Float>, _ right: SIMD16<Float>) -> Bool {
    (0..<16).allSatisfy { left[$0] <= right[$0] * 1.0001 + 1e-10 }
  }

  @Test func weightsOnAGridAreFoundAgain() {
    var generator = SeededGenerator(seed: 7)
    for bits in 2...7 {
      let fit = GroupFit(bits: bits)
      let lanes = GroupLanes(scale: SIMD16(repeating: 0.25), offset: SIMD16(repeating: -0.5))
      var weights = (0..<32).map { _ in
        let codes = SIMD16((0..<16).map { _ in Float(Int.random(in: 0..<(1 << bits), using: &generator)) })
        return fit.values(codes, lanes)
      }
      // The whole range is there.
      weights[0] = fit.values(SIMD16(repeating: 0), lanes)
      weights[1] = fit.values(SIMD16(repeating: fit.largest), lanes)
      let importance = (0..<32).map { _ in Float.random(in: 0.1...1, using: &generator) }
      let error = importance.withUnsafeBufferPointer { importance in
        fit.error(weights, importance, fit.numbers(weights, importance))
      }
      #expect(error.max() < 1e-9, "\(bits) bits")
    }
  }

  @Test func fittedNumbersAreNoWorseThanTheWholeRange() {
    var generator = SeededGenerator(seed: 11)
    for (bits, zero) in [(1, nil), (2, nil), (3, nil), (4, nil), (2, 1.5), (4, 7.5), (8, 128)]
      as [(Int, Float?)]
    {
      let fit = GroupFit(bits: bits, zero: zero)
      let weights = Self.random(32, &generator)
      let importance = (0..<32).map { _ in Float.random(in: 0...1, using: &generator) }
      var (low, high) = (SIMD16<Float>(repeating: 0), SIMD16<Float>(repeating: 0))
      for weight in weights {
        low.replace(with: weight, where: weight .< low)
        high.replace(with: weight, where: weight .> high)
      }
      let most = high.replacing(with: -low, where: -low .> high)
      let plain =
        zero != nil
        ? GroupLanes(scale: most / (bits == 8 ? 127 : fit.zero), offset: SIMD16(repeating: 0))
        : GroupLanes(scale: (high - low) / fit.largest, offset: low)
      importance.withUnsafeBufferPointer { importance in
        let found = fit.error(weights, importance, fit.numbers(weights, importance))
        #expect(Self.isAtMost(found, fit.error(weights, importance, plain) + 1e-6), "\(bits) bits")
      }
    }
  }

  /// Numbers of groups alone, then codes one after the other, then passes over them.
  @Test(arguments: [2, 3, 4, 8]) func eachStepMakesTheErrorSmaller(bits: Int) throws {
    var generator = SeededGenerator(seed: UInt64(bits))
    for channels in [1, 31, 64, 100] {
      let moments = Self.moments(channels, &generator)
      let weights = Self.random(channels, &generator)
      let plain = try Self.compensation(moments, bits: bits, passes: 0)
      let refined = try Self.compensation(moments, bits: bits, passes: 2)
      var nearest = plain.started(weights)
      for channel in 0..<channels {
        nearest.codes[channel] = plain.fit.codes(weights[channel], nearest.lanes(channel / 32))
      }
      let errors = [nearest, plain.quantize(weights), refined.quantize(weights)].map {
        refined.refinement.error(weights, $0)
      }
      #expect(errors[1].sum() <= errors[0].sum() * 1.0001, "\(bits) bits, \(channels) channels")
      #expect(Self.isAtMost(errors[2], errors[1]), "\(bits) bits, \(channels) channels")
      if channels == 100, bits < 8 { #expect(errors[2].sum() < 0.8 * errors[0].sum()) }
    }
  }

  @Test func codesAndNumbersAreInRange() throws {
    var generator = SeededGenerator(seed: 5)
    let moments = Self.moments(70, &generator)
    var weights = Self.random(70, &generator)
    for channel in 0..<70 {
      weights[channel][0] = 0
      weights[channel][1] = 1
      weights[channel][2] = channel == 9 ? 1e30 : 0
      weights[channel][3] = -1e-30
    }
    for bits in [1, 4, 8] {
      let codes = try Self.compensation(moments, bits: bits, passes: 2).quantize(weights)
      let all = codes.codes + codes.scales + codes.offsets
      #expect(all.allSatisfy { $0 == $0.rounded(.towardZero) && $0.min() >= 0 && $0.max() <= 255 })
      #expect(codes.codes.allSatisfy { $0.max() < Float(1 << bits) })
      #expect((0..<16).allSatisfy { codes.units.scale[$0] > 0 && codes.units.scale[$0].isFinite })
      #expect((0..<16).allSatisfy { codes.units.offset[$0] <= 0 && codes.units.offset[$0].isFinite })
      #expect(codes.scales.count == 3 && codes.length == 32)
    }
  }

  @Test func momentsThatAreNoneAreRefused() {
    var moments = SecondMoments(channels: 2)
    moments.add(rows: [.nan, 1], count: 1)
    #expect(GroupCompensation(moments: moments, fit: GroupFit(bits: 4), groupLength: 32) == nil)
  }
}
