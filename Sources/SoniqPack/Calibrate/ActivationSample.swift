package import SoniqCore

/// Numbers that a layer multiplied during calibration, and the fixed scales that suit them.
package struct ActivationSample: Sendable {
  /// An even part of all numbers seen.
  private var numbers: [Float] = []
  private var lowest: Float = 0
  private var highest: Float = 0
  /// Whether every number was finite.
  package private(set) var isFinite = true
  /// Every so many numbers one is kept; doubled when there are too many.
  private var step = 1
  private var skipped = 0
  private static let capacity = 1 << 15

  package init() {}

  package mutating func add(_ floats: UnsafeBufferPointer<Float>) {
    for number in floats {
      lowest = min(lowest, number)
      highest = max(highest, number)
      // A comparison passes over NaN: the limits do not show it.
      isFinite = isFinite && number.isFinite
      skipped += 1
      guard skipped >= step else { continue }
      skipped = 0
      numbers.append(number)
      if numbers.count == Self.capacity {
        numbers = stride(from: 0, to: numbers.count, by: 2).map { numbers[$0] }
        step *= 2
      }
    }
  }

  /// The code that a level asks for with the scale of the least mean squared error: the largest number is cut off where
  /// that makes the others more exact. Numbers that are never negative, as behind a ReLU, take affine codes with zero 0,
  /// which are twice as fine as bipolar ones.
  package func fixed(_ code: ActivationCode) -> ActivationCode {
    if code.kind == .bipolar, lowest < 0 { return bipolar(code.bits) }
    return affine(code.bits)
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
