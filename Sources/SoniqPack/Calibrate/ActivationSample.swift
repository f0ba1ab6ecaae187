package import SoniqCore

/// Numbers that a layer multiplied during calibration, and the fixed scales that suit them.
package struct ActivationSample: Sendable {
  /// An even part of all numbers seen.
  private var numbers: [Float] = []
  private var lowest: Float = 0
  private var highest: Float = 0
  /// Whether every number was finite.
  package private(set) var isFinite = true
  /// Of so many numbers one is kept; doubled when there are too many.
  private var step = 1
  private var passed = 0
  /// Which of them: another place each time, because every 64th number could be one channel of 64.
  private var chosen = 0
  private var places = Places()
  private static let capacity = 1 << 15
  /// The channels of the numbers, and their limits, where these are asked for.
  private var channels: [Int32] = []
  private var lowestOfChannel: [Float]
  private var highestOfChannel: [Float]

  /// * channels: that lie side by side, where their limits are asked for; else 0.
  package init(channels: Int = 0) {
    lowestOfChannel = [Float](repeating: 0, count: channels)
    highestOfChannel = lowestOfChannel
  }

  /// * floats: of whole rows of channels.
  package mutating func add(_ floats: UnsafeBufferPointer<Float>) {
    let count = lowestOfChannel.count
    if count > 0 {
      for (index, number) in floats.enumerated() {
        lowestOfChannel[index % count] = min(lowestOfChannel[index % count], number)
        highestOfChannel[index % count] = max(highestOfChannel[index % count], number)
      }
    }
    for (index, number) in floats.enumerated() {
      lowest = min(lowest, number)
      highest = max(highest, number)
      // A comparison passes over NaN: the limits do not show it.
      isFinite = isFinite && number.isFinite
      if passed == chosen {
        numbers.append(number)
        if count > 0 { channels.append(Int32(truncatingIfNeeded: index % count)) }
      }
      passed += 1
      guard passed == step else { continue }
      if numbers.count >= Self.capacity {
        // One of each two, and not always the first: see `chosen`.
        let kept = stride(from: 0, to: numbers.count, by: 2).map { $0 + places.next(below: 2) }
        numbers = kept.map { numbers[$0] }
        if count > 0 { channels = kept.map { channels[$0] } }
        step *= 2
      }
      passed = 0
      chosen = places.next(below: step)
    }
  }

  /// The code that a level asks for with the scale of the least mean squared error: the largest number is cut off where
  /// that makes the others more exact. Numbers that are never negative, as behind a ReLU, take affine codes with zero 0,
  /// which are twice as fine as bipolar ones.
  package func fixed(_ code: ActivationCode) -> ActivationCode {
    if code.kind == .bipolar, lowest < 0 { return bipolar(code.bits) }
    return affine(code.bits)
  }

  /// Powers of two that bring the channels near the widest one; nil where they gain less than three bits of each, and a
  /// pass over the channels, a tenth of a network's time, is not worth it: 8 bits bear one or two.
  var evenFactors: [Float]? {
    let largest = zip(lowestOfChannel, highestOfChannel).map { max(-$0, $1) }
    guard isFinite, let most = largest.max() else { return nil }
    let exponents = largest.map { $0 > 0 ? min(8, Int((most / $0).exponent)) : 0 }
    guard exponents.reduce(0, +) >= 3 * exponents.count else { return nil }
    return exponents.map { Float(sign: .plus, exponent: $0, significand: 1) }
  }

  /// The sample of the numbers with each channel multiplied by its factor.
  func scaled(by factors: [Float]) -> ActivationSample {
    var sample = self
    sample.numbers = zip(numbers, channels).map { $0 * factors[Int($1)] }
    sample.lowestOfChannel = zip(lowestOfChannel, factors).map { $0 * $1 }
    sample.highestOfChannel = zip(highestOfChannel, factors).map { $0 * $1 }
    sample.lowest = sample.lowestOfChannel.min() ?? 0
    sample.highest = sample.highestOfChannel.max() ?? 0
    return sample
  }

  private static let cuts: [Float] = (0...28).map { 1 - Float($0) / 40 }

  private func affine(_ bits: Int) -> ActivationCode {
    let most = Float((1 << bits) - 1)
    var best = (error: Double.infinity, scale: Float(1), zero: 0)
    for cut in bits >= 7 ? Array(Self.cuts.prefix(20)) : Self.cuts + [0.25, 0.2, 0.15, 0.1] {
      let (low, high) = (lowest * cut, highest * cut)
      let scale = (high - low) / most
      guard scale.isNormal, scale > 0 else { continue }
      let zero = min(max((-low / scale).rounded(.toNearestOrEven), 0), most)
      let error = error { number in
        let code = min(max((number * (1 / scale)).rounded(.toNearestOrEven), -zero), most - zero)
        return code * scale
      }
      if error < best.error { best = (error, scale, Int(zero)) }
    }
    return ActivationCode(kind: .affine, bits: bits, scaling: .fixed(scale: best.scale, zero: best.zero))
  }

  private func bipolar(_ bits: Int) -> ActivationCode {
    let most = Float((1 << bits) - 1)
    let largest = max(highest, -lowest)
    var best = (error: Double.infinity, scale: Float(1))
    for cut in Self.cuts + [0.25, 0.2, 0.15, 0.1] {
      let step = largest * cut / most
      guard step.isNormal, step > 0 else { continue }
      let error = error { number in
        let code = min(max((number * (0.5 / step) + (most + 1) / 2).rounded(.down), 0), most)
        return (2 * code - most) * step
      }
      if error < best.error { best = (error, step) }
    }
    return ActivationCode(kind: .bipolar, bits: bits, scaling: .fixed(scale: best.scale, zero: 0))
  }

  private func error(_ rounded: (Float) -> Float) -> Double {
    var sum = 0.0
    for number in numbers {
      let difference = Double(rounded(number) - number)
      sum += difference * difference
    }
    return sum
  }
}

/// Places that follow no pattern, the same in every run.
private struct Places {
  private var state: UInt64 = 0

  /// * bound: a power of two.
  mutating func next(below bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(truncatingIfNeeded: state >> 33) & (bound - 1)
  }
}
